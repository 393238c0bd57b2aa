"""A subscription hears every publisher, reliable or not, and says so when it can't."""

from types import SimpleNamespace

import pytest
from ros_helpers import until

pytest.importorskip('rclpy')
pytest.importorskip('sensor_msgs')

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo

from fsanet_ros.ros.input.qos import incompatible_qos_events, matching_qos

RELIABLE, BEST_EFFORT = ReliabilityPolicy.RELIABLE, ReliabilityPolicy.BEST_EFFORT


def infos(*reliabilities):
    return [
        SimpleNamespace(qos_profile=QoSProfile(depth=10, reliability=reliability))
        for reliability in reliabilities
    ]


@pytest.mark.parametrize(
    ('offered', 'expected'),
    [
        ([], BEST_EFFORT),
        ([RELIABLE], RELIABLE),
        ([RELIABLE, RELIABLE], RELIABLE),
        ([BEST_EFFORT], BEST_EFFORT),
        ([RELIABLE, BEST_EFFORT], BEST_EFFORT),
        ([BEST_EFFORT, RELIABLE], BEST_EFFORT),
        ([ReliabilityPolicy.UNKNOWN], BEST_EFFORT),  # some middlewares don't tell
    ],
)
def test_reliable_only_when_every_publisher_is(offered, expected):
    assert matching_qos(infos(*offered)).reliability == expected


def test_only_the_newest_image_is_kept():
    profile = matching_qos(infos(RELIABLE))
    assert profile.history == HistoryPolicy.KEEP_LAST and profile.depth == 1
    assert profile.durability == DurabilityPolicy.VOLATILE
    assert matching_qos([], depth=7).depth == 7


@pytest.fixture
def ros():
    """Two nodes of one context with an executor."""
    context = rclpy.Context()
    rclpy.init(context=context)
    camera = rclpy.create_node('camera', context=context)
    listener = rclpy.create_node('listener', context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(camera)
    executor.add_node(listener)
    yield SimpleNamespace(
        camera=camera, listener=listener, spin=lambda: executor.spin_once(timeout_sec=0.05)
    )
    executor.shutdown()
    camera.destroy_node()
    listener.destroy_node()
    rclpy.shutdown(context=context)


@pytest.mark.ros
@pytest.mark.parametrize('durability', list(DurabilityPolicy)[1:3])
@pytest.mark.parametrize('offered', [(RELIABLE,), (BEST_EFFORT,), (RELIABLE, BEST_EFFORT)])
def test_every_publisher_is_heard(ros, offered, durability):
    publishers = [
        ros.camera.create_publisher(
            CameraInfo, 'info', QoSProfile(depth=5, reliability=r, durability=durability)
        )
        for r in offered
    ]
    assert until(
        lambda: len(ros.listener.get_publishers_info_by_topic('/info')) == len(offered),
        step=ros.spin,
    )
    heard = set()
    profile = matching_qos(ros.listener.get_publishers_info_by_topic('/info'))
    assert (profile.reliability == RELIABLE) == (BEST_EFFORT not in offered)
    ros.listener.create_subscription(
        CameraInfo, 'info', lambda msg: heard.add(msg.header.frame_id), profile
    )

    def publish_and_spin():
        for number, publisher in enumerate(publishers):
            msg = CameraInfo()
            msg.header.frame_id = str(number)
            publisher.publish(msg)
            ros.spin()  # at once: only the newest message is kept

    assert until(lambda: len(heard) == len(offered), step=publish_and_spin)


@pytest.mark.ros
@pytest.mark.parametrize('offered', [RELIABLE, BEST_EFFORT])
def test_a_publisher_that_comes_later_is_heard(ros, offered):
    heard = []
    ros.listener.create_subscription(CameraInfo, 'info', heard.append, matching_qos([]))
    publisher = ros.camera.create_publisher(
        CameraInfo, 'info', QoSProfile(depth=5, reliability=offered)
    )

    def publish_and_spin():
        publisher.publish(CameraInfo())
        ros.spin()

    assert until(lambda: heard, step=publish_and_spin)


@pytest.mark.ros
def test_what_can_not_be_heard_is_reported_with_topic_and_policy(ros):
    warnings = []
    ros.listener.create_subscription(
        CameraInfo,
        'info',
        lambda msg: None,
        matching_qos(infos(RELIABLE)),
        event_callbacks=incompatible_qos_events('/info', warnings.append),
    )
    ros.camera.create_publisher(CameraInfo, 'info', QoSProfile(depth=5, reliability=BEST_EFFORT))
    assert until(lambda: warnings, step=ros.spin)
    assert '/info' in warnings[0] and 'RELIABILITY' in warnings[0]
