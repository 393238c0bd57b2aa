"""Frames come before what names them, and what RViz shows comes with the poses."""

import statistics
import time

import pytest

pytest.importorskip('rclpy')
pytest.importorskip('fsanet_ros.msg')
pytest.importorskip('tf2_msgs.msg')

from head_pose_rig import OUTPUTS, Rig, camera_info, face_picture, start

from fsanet_ros.ros.output.frame_listener import FrameListener
from fsanet_ros.ros.stamps import nanoseconds, seconds

pytestmark = pytest.mark.ros

FACE = face_picture()
IMAGES = 20
# What RViz subscribes to with rviz/head_pose.rviz, and a robot beside it.
WATCHED = ('/tf', 'head_poses', 'markers', 'debug_image', 'poses')


@pytest.fixture(scope='module')
def process():
    with start() as process:
        yield process


def header_of(topic, message):
    if topic == '/tf':
        return message.transforms[0].header
    return message.markers[0].header if topic == 'markers' else message.header


class Watcher:
    """Says when the outputs of each image have come; looks heads up as soon as it hears of them."""

    def __init__(self, rig):
        self.came_s = {topic: {} for topic in WATCHED}
        self.looked_up, self.missing = 0, []
        # A busy machine may lose sight of a face: it then has another id.
        self.listener = FrameListener(rig.node, {f'face_h{n}' for n in range(1, 100)})
        self.listener.tree.tolerance_s = 0.0  # at the stamp, not near it
        for topic in WATCHED:
            rig.node.create_subscription(
                OUTPUTS[topic], topic, lambda message, t=topic: self.take(t, message), 100
            )

    def take(self, topic, message):
        now_s = time.time()
        if topic == 'head_poses':
            self.look_up(message)
        if topic == 'markers' and not message.markers:
            return
        stamp_ns = nanoseconds(header_of(topic, message).stamp)
        self.came_s[topic][stamp_ns] = now_s - stamp_ns / 1e9

    def look_up(self, message):
        self.listener.refresh()
        for head in message.heads:
            try:
                self.listener.tree.position(
                    f'face_{head.id}', message.header.frame_id, seconds(message.header.stamp)
                )
                self.looked_up += 1
            except LookupError as error:
                self.missing.append(str(error))


@pytest.fixture(scope='module')
def watched(process):
    """What a watcher has seen of some images in a row, with RViz's subscriptions."""
    with Rig('head_poses') as rig:
        rig.info = camera_info()
        rig.ask(FACE)
        watcher = Watcher(rig)

        def everything(stamp_ns):
            return all(stamp_ns in came for came in watcher.came_s.values())

        def known():
            stamp_ns = rig.send(FACE)
            return rig.until(lambda: everything(stamp_ns), 2.0)

        assert any(known() for _ in range(20)), {t: len(c) for t, c in watcher.came_s.items()}
        watcher.looked_up, watcher.missing = 0, []
        stamps = []
        for _ in range(IMAGES):
            stamps.append(rig.send(FACE))
            assert rig.until(lambda: everything(stamps[-1])), 'an output was lost'
        yield watcher, stamps


def test_a_head_can_be_looked_up_at_its_stamp_as_soon_as_it_is_heard_of(watched):
    watcher, _ = watched
    assert not watcher.missing and watcher.looked_up >= IMAGES


def test_what_rviz_shows_comes_as_soon_as_the_poses(watched):
    watcher, stamps = watched
    delays_s = {
        topic: statistics.median(came[stamp] for stamp in stamps)
        for topic, came in watcher.came_s.items()
    }
    print({topic: f'{1e3 * delay_s:.1f} ms' for topic, delay_s in delays_s.items()})
    # Not behind each other by what an image takes: without room in shared memory it was seconds.
    for topic in ('/tf', 'markers', 'poses'):
        assert delays_s[topic] < delays_s['head_poses'] + 0.5, topic
