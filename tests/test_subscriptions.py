"""A subscription that fits its publishers, whoever they are and whenever they change."""

import pytest

pytest.importorskip('rclpy')
pytest.importorskip('sensor_msgs')

import rclpy
import ros_helpers  # before rclpy is initialised
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header

from fsanet_ros.ros.input.subscriptions import MatchingSubscription, compressed_topic

pytestmark = pytest.mark.ros
RELIABLE, BEST_EFFORT = ReliabilityPolicy.RELIABLE, ReliabilityPolicy.BEST_EFFORT


class World:
    """A camera and a listener in two nodes; ``numbers`` are the stamps that have come."""

    def __init__(self, *arguments):
        self.context = rclpy.Context()
        rclpy.init(context=self.context, args=[*arguments])
        self.camera, self.listener = (
            rclpy.create_node(name, context=self.context) for name in ('camera', 'listener')
        )
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.listener)
        self.numbers = []
        self.sent = 0

    def subscribe(self, depth=1):
        return MatchingSubscription(
            self.listener,
            CameraInfo,
            'info',
            lambda m: self.numbers.append(m.header.stamp.sec),
            depth,
        )

    def publisher(self, reliability):
        qos = QoSProfile(depth=10, reliability=reliability)
        return self.camera.create_publisher(CameraInfo, 'info', qos)

    def step(self):
        self.executor.spin_once(timeout_sec=0.02)

    def send(self, publisher):
        self.sent += 1
        header = Header()
        header.stamp.sec = self.sent
        publisher.publish(CameraInfo(header=header))
        for _ in range(3):
            self.step()

    def send_until_heard(self, publisher, subscription):
        def heard():
            return bool(self.numbers) and self.numbers[-1] == self.sent

        def send():
            subscription.refresh()
            self.send(publisher)

        send()
        assert ros_helpers.until(heard, 60.0, send)

    def reliability(self):
        return [
            info.qos_profile.reliability
            for info in self.camera.get_subscriptions_info_by_topic('/info')
        ]

    def close(self):
        self.executor.shutdown()
        for node in (self.camera, self.listener):
            node.destroy_node()
        rclpy.shutdown(context=self.context)


@pytest.fixture
def world():
    world = World()
    yield world
    world.close()


@pytest.mark.parametrize('reliability', [RELIABLE, BEST_EFFORT])
def test_hears_a_publisher_that_comes_later_as_well_as_it_offers(world, reliability):
    subscription = world.subscribe()
    publisher = world.publisher(reliability)
    world.send_until_heard(publisher, subscription)
    assert ros_helpers.until(
        lambda: world.reliability() == [reliability],
        step=lambda: (subscription.refresh(), world.send(publisher)),
    )


@pytest.mark.parametrize('reliability', [RELIABLE, BEST_EFFORT])
def test_hears_a_publisher_that_was_there_before(world, reliability):
    publisher = world.publisher(reliability)
    known = ros_helpers.until(lambda: world.listener.count_publishers('/info') == 1)
    assert known
    subscription = world.subscribe()
    assert ros_helpers.until(lambda: world.reliability() == [reliability])
    world.send_until_heard(publisher, subscription)


def test_nothing_is_lost_or_repeated_while_the_quality_changes(world):
    subscription = world.subscribe()
    publisher = world.publisher(RELIABLE)
    world.send_until_heard(publisher, subscription)
    world.numbers.clear()
    first = world.sent + 1
    for number in range(60):
        if number % 10 == 5:
            subscription.refresh()
        world.send(publisher)
    ros_helpers.until(lambda: world.numbers[-1] == world.sent, 60.0, world.step)
    assert world.numbers == list(range(first, world.sent + 1))
    assert world.reliability() == [RELIABLE]


def test_hears_a_camera_that_comes_back_with_another_quality(world):
    subscription = world.subscribe()
    for reliability in (RELIABLE, BEST_EFFORT, RELIABLE):
        publisher = world.publisher(reliability)
        world.send_until_heard(publisher, subscription)
        for _ in range(10):
            subscription.refresh()
            world.send(publisher)
        world.camera.destroy_publisher(publisher)
        assert ros_helpers.until(lambda: world.listener.count_publishers('/info') == 0)
    assert world.numbers == sorted(set(world.numbers))
    assert len(world.reliability()) == 1


def test_hears_both_a_reliable_and_a_best_effort_publisher(world):
    subscription = world.subscribe()
    for reliability in (RELIABLE, BEST_EFFORT):
        publisher = world.publisher(reliability)
        world.send_until_heard(publisher, subscription)


def test_only_the_newest_of_waiting_messages_is_delivered(world):
    subscription = world.subscribe()
    publisher = world.publisher(RELIABLE)
    world.send_until_heard(publisher, subscription)
    world.send_until_heard(publisher, subscription)
    world.numbers.clear()
    for number in range(5):
        header = Header()
        header.stamp.sec = 1000 + number
        publisher.publish(CameraInfo(header=header))
    assert ros_helpers.until(lambda: 1004 in world.numbers, step=world.step)
    assert len(world.numbers) <= 2  # one more if it was taken between two of them


def test_what_waits_is_dropped_when_it_ends(world):
    subscription = world.subscribe()
    publisher = world.publisher(RELIABLE)
    world.send_until_heard(publisher, subscription)
    world.numbers.clear()
    publisher.publish(CameraInfo())
    subscription.destroy()
    ros_helpers.until(lambda: False, 0.3, world.step)
    assert world.numbers == []
    assert ros_helpers.until(lambda: world.reliability() == [])


def test_silence_is_explained_with_the_resolved_topic():
    world = World('--ros-args', '-r', 'info:=/left/info')
    try:
        subscription = world.subscribe()
        assert subscription.topic == '/left/info'
        assert 'nobody publishes /left/info' in subscription.silence()
        world.publisher(BEST_EFFORT)
        assert ros_helpers.until(
            lambda: '/left/info, which has 1 publisher(s)' in subscription.silence()
        )
    finally:
        world.close()


@pytest.mark.parametrize(
    ('remapping', 'topic'),
    [
        ('other:=x', '/image/compressed'),
        ('__ns:=/left', '/left/image/compressed'),
        ('image:=/left/image_raw', '/left/image_raw/compressed'),
        ('image/compressed:=/left/jpeg', '/left/jpeg'),
    ],
)
def test_compressed_images_are_where_their_users_expect_them(remapping, topic):
    world = World('--ros-args', '-r', remapping)
    try:
        assert compressed_topic(world.listener, 'image') == topic
    finally:
        world.close()
