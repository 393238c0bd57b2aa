"""Images become heads beside the executor: one batch for all, and no image takes others down."""

from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip('rclpy')
pytest.importorskip('fsanet_ros.msg')

from std_msgs.msg import Header

from fsanet_ros.detection.following import FaceFollower, SearchAtOnce
from fsanet_ros.geometry.camera_info import Calibration
from fsanet_ros.ros.estimation import estimate
from fsanet_ros.ros.input.images import image_from_bgr
from fsanet_ros.ros.input.topic_camera import CameraImage
from fsanet_ros.ros.statistics import FAILED, UNREADABLE


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


def image(name, width=64, height=48, encoding='bgr8'):
    message = image_from_bgr(np.zeros((height, width, 3), np.uint8), Header())
    message.encoding = encoding
    follower = FaceFollower(0.0, 480, SearchAtOnce())
    return CameraImage(SimpleNamespace(topic=name), message, 0, Calibration(), follower)


def test_all_images_are_one_batch_and_a_broken_one_is_left_out():
    estimator = FakeEstimator()
    images = [image('a'), image('b', encoding='nonsense'), image('c', 32, 24)]
    a, b, c = estimate(estimator, images)
    assert estimator.calls == [2]
    assert (a.heads, c.heads) == ([(48, 64)], [(24, 32)])
    assert b.pixels is None and b.dropped == UNREADABLE and 'nonsense' in b.problem
    assert [e.image.camera.topic for e in (a, b, c)] == ['a', 'b', 'c']


def test_an_error_drops_the_images_with_its_reason():
    images = [image('a'), image('b')]
    estimates = estimate(BrokenEstimator(), images)
    assert [e.image for e in estimates] == images
    assert all(e.pixels is None and e.dropped == FAILED for e in estimates)
    assert estimates[0].problem == 'ArithmeticError: no such number'
