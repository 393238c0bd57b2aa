"""A recording gives the same heads with the same ids whenever and however fast it is played."""

import itertools
import time

import cv2
import numpy as np
import pytest

pytest.importorskip('rclpy')
pytest.importorskip('fsanet_ros.msg')
pytest.importorskip('skimage')

from head_pose_rig import Rig, start
from rclpy.serialization import serialize_message
from rosbags.rosbag2 import Reader, Writer
from rosbags.typesys import Stores, get_typestore
from sensor_msgs.msg import CameraInfo, CompressedImage
from std_msgs.msg import Header

from fsanet_ros.demo import CLIP, CLIP_CAMERA
from fsanet_ros.files.calibration_file import read_calibration
from fsanet_ros.files.video import open_frames
from fsanet_ros.ros.input.camera_info_files import camera_info_from_calibration
from fsanet_ros.ros.stamps import nanoseconds

pytestmark = pytest.mark.ros

FRAMES = range(120, 170)  # two heads, one of which comes in
PERIOD_NS = 33_333_333
BEGIN_NS = 1_700_000_000 * 10**9
TYPES = {
    '/image/compressed': ('sensor_msgs/msg/CompressedImage', CompressedImage),
    '/camera_info': ('sensor_msgs/msg/CameraInfo', CameraInfo),
}


@pytest.fixture(scope='module')
def bag(tmp_path_factory):
    """A recording of the demo's clip: pictures, and for each a camera_info; the focal varies."""
    path = tmp_path_factory.mktemp('replay') / 'bag'
    store = get_typestore(Stores.ROS2_HUMBLE)
    info = camera_info_from_calibration(read_calibration(CLIP_CAMERA))
    with Writer(path, version=8) as writer, open_frames(CLIP) as frames:
        connections = {
            topic: writer.add_connection(topic, kind, typestore=store)
            for topic, (kind, _) in TYPES.items()
        }
        for number, picture in enumerate(itertools.islice(frames, FRAMES.stop)):
            if number not in FRAMES:
                continue
            stamp_ns = BEGIN_NS + number * PERIOD_NS
            header = Header(frame_id='eye_optical')
            header.stamp.sec, header.stamp.nanosec = divmod(stamp_ns, 10**9)
            info.header = header
            info.k[0] = info.k[4] = 600.0 + number  # as a zoom lens
            jpeg = cv2.imencode('.jpg', picture)[1].tobytes()
            image = CompressedImage(header=header, format='jpeg', data=jpeg)
            # Recorders write what comes first: as often as not, that is the image.
            messages = [('/image/compressed', image), ('/camera_info', info)]
            for topic, message in messages if number % 2 else reversed(messages):
                writer.write(connections[topic], stamp_ns, serialize_message(message))
    return path


def play(bag, period_s, **parameters):
    """Play the recording to a new node; return what it says, by stamp."""
    given = {
        'input__image_transport': 'compressed',
        'input__deterministic': True,
        'tracking__announce_s': 0.1,
    }
    with start(**given, **parameters) as node, Rig('head_poses') as rig:
        node.wait_for_output('active')
        publishers = {
            topic: rig.node.create_publisher(kind, topic, 100) for topic, (_, kind) in TYPES.items()
        }
        # The rig's own camera publishes nothing here.
        for topic, publisher in publishers.items():
            assert rig.until(lambda p=publisher: p.get_subscription_count() > 0), topic
        assert rig.until(lambda: rig.node.count_publishers('/head_poses') > 0)
        rig.spin(0.7)  # the subscriptions follow the publishers' quality
        with Reader(bag) as reader:
            for connection, _, raw in reader.messages():
                publishers[connection.topic].publish(raw)
                rig.step()
                time.sleep(period_s)
        assert rig.until(lambda: len(rig.received['head_poses']) >= len(FRAMES), 30.0), (
            len(rig.received['head_poses']),
            node.output,
        )
        return {
            nanoseconds(m.header.stamp): [
                (h.id, h.pose.pose, tuple(h.pose.covariance), h.age) for h in m.heads
            ]
            for m in rig.received['head_poses']
        }


@pytest.mark.slow
def test_each_replay_gives_the_same_heads(bag):
    first, again = play(bag, period_s=0.0), play(bag, period_s=0.02)
    assert list(first) == [BEGIN_NS + number * PERIOD_NS for number in FRAMES]
    assert first == again
    found = {head[0] for heads in first.values() for head in heads}
    assert 1 <= len(found) <= 3
    positions = [head[1].position for heads in first.values() for head in heads]
    assert positions and all(np.isfinite([p.x, p.y, p.z]).all() for p in positions)
