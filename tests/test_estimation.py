"""Estimation beside the executor: one batch for all, and no image takes the others down."""

import numpy as np
import pytest

pytest.importorskip('rclpy')
pytest.importorskip('fsanet_ros.msg')

import rclpy
import ros_helpers  # before rclpy is initialised
from rclpy.executors import SingleThreadedExecutor
from std_msgs.msg import Header

from fsanet_ros.detection.following import FaceFollower, SearchAtOnce
from fsanet_ros.ros.estimation import Estimation, Shot, estimate_shots
from fsanet_ros.ros.input.camera_info import Calibration
from fsanet_ros.ros.input.images import image_from_bgr
from fsanet_ros.ros.statistics import FAILED, UNREADABLE

pytestmark = pytest.mark.ros


class Nobody:
    """Finds no face."""

    name = 'nobody'

    def detect(self, image):
        return []


class FakeEstimator:
    """Returns its views' sizes as their heads."""

    detector = Nobody()

    def __init__(self):
        self.calls = []

    def estimate_found(self, views, faces):
        assert faces == [[]] * len(views)
        self.calls.append(len(views))
        return [[view.image.shape[:2]] for view in views]


class BrokenEstimator:
    detector = Nobody()

    def estimate_found(self, views, faces):
        raise ArithmeticError('no such number')


def shot(source, width=64, height=48, encoding='bgr8'):
    message = image_from_bgr(np.zeros((height, width, 3), np.uint8), Header())
    message.encoding = encoding
    return Shot(source, message, 0, Calibration(), FaceFollower(0.0, 480, SearchAtOnce()))


def test_all_images_are_one_batch_and_a_broken_one_is_left_out():
    estimator = FakeEstimator()
    shots = [shot('a'), shot('b', encoding='nonsense'), shot('c', 32, 24)]
    a, b, c = estimate_shots(estimator, shots)
    assert estimator.calls == [2]
    assert (a.heads, c.heads) == ([(48, 64)], [(24, 32)])
    assert b.image is None and b.dropped == UNREADABLE and 'nonsense' in b.problem
    assert [e.shot.source for e in (a, b, c)] == ['a', 'b', 'c']


@pytest.fixture
def world():
    context = rclpy.Context()
    rclpy.init(context=context)
    node = rclpy.create_node('estimation', context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    taken = []
    estimation = Estimation(node, taken.extend)

    def until(condition, timeout_s=10.0):
        return ros_helpers.until(condition, timeout_s, lambda: executor.spin_once(timeout_sec=0.02))

    yield estimation, taken, until
    estimation.destroy()
    executor.shutdown()
    node.destroy_node()
    rclpy.shutdown(context=context)


def test_results_come_in_the_executor_and_then_the_next_may_start(world):
    estimation, taken, until = world
    for number in range(3):
        assert not estimation.busy
        estimation.start(FakeEstimator(), [shot(number)])
        assert estimation.busy
        assert until(lambda n=number: len(taken) == n + 1)
    assert [e.shot.source for e in taken] == [0, 1, 2]


def test_what_is_abandoned_never_comes(world):
    estimation, taken, until = world
    estimation.start(FakeEstimator(), [shot('old')])
    estimation.abandon()
    assert not estimation.busy
    estimation.start(FakeEstimator(), [shot('new')])
    assert until(lambda: taken)
    assert [e.shot.source for e in taken] == ['new']


def test_an_error_drops_the_images_with_its_reason_and_on_it_goes(world):
    estimation, taken, until = world
    estimation.start(BrokenEstimator(), [shot('a'), shot('b')])
    assert until(lambda: len(taken) == 2)
    assert all(e.image is None and e.dropped == FAILED for e in taken)
    assert taken[0].problem == 'ArithmeticError: no such number'
    estimation.start(FakeEstimator(), [shot('c')])
    assert until(lambda: len(taken) == 3)
