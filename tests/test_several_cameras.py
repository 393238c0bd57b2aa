"""One node for several cameras: ids that never collide, one batch, and nobody starves."""

import signal
import time

import numpy as np
import pytest

pytest.importorskip('rclpy')
pytest.importorskip('fsanet_ros.msg')
pytest.importorskip('skimage')

from head_pose_rig import Rig, camera_info, face_picture, has_position, stamp_of, start
from ros_helpers import until
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from fsanet_ros.geometry.camera_info import info_topic
from fsanet_ros.ros.input.images import image_from_bgr
from fsanet_ros.ros.input.topic_camera import letters
from fsanet_ros.ros.stamps import nanoseconds

pytestmark = pytest.mark.ros

FACE = face_picture()
FRONT, REAR = 'front_optical', 'rear_optical'


class Camera:
    """Publishes the same face at a rate, with a frame of its own."""

    def __init__(self, rig, topic, frame):
        self.rig, self.frame = rig, frame
        self.images = rig.node.create_publisher(Image, topic, 5)
        self.infos = rig.node.create_publisher(CameraInfo, info_topic(topic), 5)
        self.message = image_from_bgr(FACE, Header())
        self.sent = []

    def send(self):
        stamp_ns = time.time_ns()
        header = Header(stamp=stamp_of(stamp_ns), frame_id=self.frame)
        info = camera_info()
        info.header = self.message.header = header
        self.infos.publish(info)
        self.images.publish(self.message)
        self.sent.append(stamp_ns)

    def is_served(self):
        """Whether the last image has been answered: the newest one always is."""
        answered = [nanoseconds(m.header.stamp) for m in self.answered()]
        return self.sent[-1] in answered

    def answered(self):
        """Return the answers to what this camera has sent."""
        return [m for m in self.rig.received['head_poses'] if m.header.frame_id == self.frame]


@pytest.fixture(scope='module')
def process():
    with start(input__image_topics='[/front/image_raw, /rear/image_raw]') as node:
        node.wait_for_output('waiting for images on /front/image_raw, /rear/image_raw')
        yield node
        assert node.stop() == 0
        assert 'Traceback' not in node.output


@pytest.fixture(scope='module')
def world(process):
    with Rig('head_poses', 'debug_image_0', 'debug_image_1', '/diagnostics') as rig:
        cameras = Camera(rig, '/front/image_raw', FRONT), Camera(rig, '/rear/image_raw', REAR)

        def connected():
            for camera in cameras:
                camera.send()
            rig.spin(0.2)
            pictures = [rig.received[f'debug_image_{number}'] for number in (0, 1)]
            return all(camera.answered() for camera in cameras) and all(pictures)

        assert until(connected, step=lambda: None)
        # From here on, no image is lost.
        assert rig.until(lambda: all(camera.is_served() for camera in cameras))
        yield rig, cameras


@pytest.fixture
def cameras(world):
    rig, cameras = world
    for camera in cameras:
        camera.sent.clear()
    rig.forget()
    return cameras


def test_every_camera_has_frames_ids_and_pictures_of_its_own(world, cameras):
    rig, _ = world
    for _ in range(10):
        for camera in cameras:
            camera.send()
        assert rig.until(lambda: all(camera.is_served() for camera in cameras))
    ids = [{head.id for m in camera.answered() for head in m.heads} for camera in cameras]
    assert all(len(found) == 1 for found in ids)
    (front,), (rear,) = ids
    assert front.startswith('ha') and rear.startswith('hb')
    for number, frame in enumerate((FRONT, REAR)):
        pictures = rig.received[f'debug_image_{number}']
        assert pictures and {m.header.frame_id for m in pictures} == {frame}
    last = [camera.answered()[-1].heads[0] for camera in cameras]
    assert all(has_position(head) for head in last)


def test_no_image_of_two_cameras_is_lost_while_the_node_keeps_up(world, cameras):
    rig, _ = world
    for _ in range(30):
        for camera in cameras:
            camera.send()
        assert rig.until(lambda: all(camera.is_served() for camera in cameras))
    for camera in cameras:
        stamps = [nanoseconds(m.header.stamp) for m in camera.answered()]
        assert stamps == camera.sent and len(stamps) == 30


def test_two_cameras_that_send_more_than_the_node_can_do_are_served_alike(process, world, cameras):
    rig, _ = world
    for _ in range(60):
        # While the node is stopped, whatever is sent meets the limit: one image of each waits.
        process.send(signal.SIGSTOP)
        try:
            for _ in range(3):
                for camera in cameras:
                    camera.send()
        finally:
            process.send(signal.SIGCONT)
        assert rig.until(lambda: all(camera.is_served() for camera in cameras))
    counts = [len(camera.answered()) for camera in cameras]
    assert max(counts) - min(counts) <= 0.2 * max(counts), counts
    for camera in cameras:
        stamps = [nanoseconds(m.header.stamp) for m in camera.answered()]
        assert stamps == sorted(set(stamps))


def test_a_flooding_camera_starves_nobody(world, cameras):
    rig, _ = world
    front, rear = cameras
    flood = rig.node.create_timer(0.002, front.send)
    for _ in range(15):
        rear.send()
        assert rig.until(rear.is_served)
    rig.node.destroy_timer(flood)
    assert [nanoseconds(m.header.stamp) for m in rear.answered()] == rear.sent
    assert rig.until(front.is_served)
    # How many newer images of the other were answered first: the one that was being worked on.
    order = [(m.header.frame_id, nanoseconds(m.header.stamp)) for m in rig.received['head_poses']]
    overtaken = [
        sum(frame == FRONT and newer_ns > stamp_ns for frame, newer_ns in order[:place])
        for place, (answered, stamp_ns) in enumerate(order)
        if answered == REAR
    ]
    assert np.median(overtaken) <= 3, overtaken


def test_diagnostics_tell_the_cameras_apart(world, cameras):
    rig, _ = world
    front, _rear = cameras

    def rates():
        rig.forget()
        front.send()  # the other one is silent
        assert rig.until(lambda: rig.received['/diagnostics'])
        return {
            status.name: float(pair.value)
            for status in rig.received['/diagnostics'][-1].status
            for pair in status.values
            if pair.key == 'input rate (Hz)'
        }

    def apart():
        found = rates()
        return found['head_pose: /front/image_raw'] > 0 == found['head_pose: /rear/image_raw']

    assert until(apart, step=lambda: None)


def test_letters_of_cameras_are_never_the_same():
    found = [letters(index) for index in range(1000)]
    assert found[:3] == ['a', 'b', 'c'] and found[26:28] == ['ba', 'bb']
    assert len(set(found)) == 1000 and all(text.isalpha() for text in found)


@pytest.mark.parametrize(
    ('image', 'info'),
    [
        ('image', 'camera_info'),
        ('/front/image_raw', '/front/camera_info'),
        ('rear/color/image', 'rear/color/camera_info'),
    ],
)
def test_the_calibration_is_beside_the_images(image, info):
    assert info_topic(image) == info
