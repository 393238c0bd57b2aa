"""Heat maps as a topic: made for those who look, and nothing else waits for them."""

import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip('rclpy')
pytest.importorskip('fsanet_ros.msg')
pytest.importorskip('skimage')

import rclpy
import rclpy.lifecycle
import ros_helpers  # before rclpy is initialised
from head_pose_rig import Rig, face_picture, grey_picture, start
from rclpy.executors import SingleThreadedExecutor
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from fsanet_ros.inference.description import Description, WeightsError
from fsanet_ros.ros.input.images import bgr_from_image
from fsanet_ros.ros.output import heat_map_output as heat_maps
from fsanet_ros.types import Box, Face, Square

pytestmark = pytest.mark.ros

FACE = face_picture()


def test_whoever_looks_sees_each_face_with_its_maps():
    with start() as process, Rig('head_poses', 'debug_heat_maps') as rig:
        # Images that come too soon after the last have no heat maps.
        poses, picture = rig.ask_repeatedly(FACE, 'head_poses', 'debug_heat_maps')
        assert len(poses.heads) == 1 and picture.encoding == 'bgr8'
        assert picture.header == poses.header
        sheet = bgr_from_image(picture)
        height = 3 * 64 + 2 * 2
        assert sheet.shape[0] > height and sheet.shape[1] > height + 21 * 64
        face, maps = sheet[22 : 22 + height, :height], sheet[22 : 22 + height, height:]
        assert face.std() > 20
        assert (maps[..., 0] > maps[..., 2] + 60).any() and (maps[..., 2] > maps[..., 0] + 60).any()
        rig.ask(grey_picture())  # nobody: no picture, and no trouble
        assert 'debug_heat_maps' not in process.output


class World:
    """A node with an output for two cameras, and somebody who listens."""

    def __init__(self):
        self.context = rclpy.Context()
        rclpy.init(context=self.context)
        self.node = rclpy.lifecycle.LifecycleNode(f'maps_{time.time_ns()}', context=self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)
        self.received = []
        self.warnings = []
        self.node.get_logger = lambda: SimpleNamespace(warning=self.warnings.append)
        self.load = FakeMaps
        self.output = heat_maps.HeatMapOutput(self.node, ['maps_0', 'maps_1'], self._load)
        self.node.trigger_configure()
        self.node.trigger_activate()

    def _load(self):
        return self.load()

    def listen(self, topic):
        self.node.create_subscription(Image, topic, self.received.append, 10)
        assert self.until(self.output.wanted)

    def until(self, condition, timeout_s=60.0):
        return ros_helpers.until(condition, timeout_s, self.step)

    def step(self):
        self.executor.spin_once(timeout_sec=0.02)

    def offer(self, camera=0, faces=1, frame='eye'):
        tracked = [
            SimpleNamespace(id=f'h{n}', head=SimpleNamespace(face=face())) for n in range(faces)
        ]
        self.output.offer(camera, FACE, tracked, Header(frame_id=frame))

    def close(self):
        self.output.destroy()
        self.executor.shutdown()
        self.node.destroy_node()
        rclpy.shutdown(context=self.context)


def face():
    return Face(Box(200, 100, 100, 100), 1.0, Square(250, 150, 120))


class FakeMaps:
    description = Description('fake', 1.0)
    made = 0
    go_on = threading.Event()

    def __call__(self, crops):
        FakeMaps.made += 1
        assert FakeMaps.go_on.wait(60)
        return np.zeros((len(crops), 3, 7, 3, 8, 8), np.float32)


@pytest.fixture
def world(monkeypatch):
    monkeypatch.setattr(heat_maps, 'MIN_PERIOD_S', 0.0)
    FakeMaps.made = 0
    FakeMaps.go_on.set()
    world = World()
    yield world
    FakeMaps.go_on.set()
    world.close()


def test_without_a_listener_nothing_is_loaded_or_made(world):
    world.load = pytest.fail
    for camera in (0, 1):
        world.offer(camera)
    for _ in range(5):
        world.step()
    assert not world.output.wanted() and not world.warnings
    world.load = FakeMaps
    world.listen('maps_1')
    world.offer(0)  # somebody listens to the other
    world.offer(1, frame='rear')
    assert world.until(lambda: world.received)
    assert world.received[0].header.frame_id == 'rear' and FakeMaps.made == 1


def test_images_that_come_meanwhile_are_left_out(world):
    world.listen('maps_0')
    FakeMaps.go_on.clear()
    for number in range(5):
        world.offer(frame=str(number))
    FakeMaps.go_on.set()  # nobody has waited for that until here
    assert world.until(lambda: world.received)
    world.offer(frame='next')
    assert world.until(lambda: len(world.received) == 2)
    assert [m.header.frame_id for m in world.received] == ['0', 'next']


def test_pictures_come_no_faster_than_promised(world, monkeypatch):
    monkeypatch.setattr(heat_maps, 'MIN_PERIOD_S', 30.0)
    world.listen('maps_0')
    world.listen('maps_1')
    world.offer(0)
    assert world.until(lambda: world.received)
    world.offer(0)
    world.offer(1)  # each camera counts on its own
    assert world.until(lambda: len(world.received) == 2)
    assert FakeMaps.made == 2


def test_many_faces_make_no_endless_picture(world):
    world.listen('maps_0')
    for faces in (1, 2, 30):
        known = len(world.received)
        world.offer(faces=faces)
        assert world.until(lambda known=known: len(world.received) > known)
    one, two, many = (message.height for message in world.received)
    assert many == one + (heat_maps.MAX_FACES - 1) * (two - one)


def test_weights_without_maps_are_told_once_and_asked_no_more(world):
    def load():
        raise WeightsError('the weights w have no heat maps, they fuse 3 networks')

    world.load = load
    world.listen('maps_0')
    world.offer(faces=0)
    assert world.until(lambda: world.warnings)
    assert not world.output.wanted()
    for _ in range(5):
        world.offer()
        world.step()
    (said,) = world.warnings
    assert said == (
        'nothing will be published on /maps_0, /maps_1: the weights w have no heat maps, they '
        'fuse 3 networks'
    )


def test_what_is_abandoned_never_comes(world):
    world.listen('maps_0')
    world.offer(frame='old')
    world.output.abandon()
    world.offer(frame='new')
    assert world.until(lambda: world.received)
    assert [m.header.frame_id for m in world.received] == ['new']
