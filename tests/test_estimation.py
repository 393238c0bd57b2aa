"""Images become heads beside the executor: one batch for all, and no image takes others down."""

from types import SimpleNamespace

import cv2
import numpy as np
import pytest

pytest.importorskip('rclpy')
pytest.importorskip('fsanet_ros.msg')

from sensor_msgs.msg import CompressedImage
from std_msgs.msg import Header

from fsanet_ros.detection.following import FaceFollower, SearchAtOnce
from fsanet_ros.geometry.camera_info import Calibration
from fsanet_ros.ros.estimation import _best, estimate
from fsanet_ros.ros.input.images import image_from_bgr
from fsanet_ros.ros.input.topic_camera import CameraImage
from fsanet_ros.ros.statistics import FAILED, UNREADABLE
from fsanet_ros.types import Box, Face, Square


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


class EasilyBrokenEstimator(FakeEstimator):
    """Fails at images that are 32 pixels wide."""

    def estimate_found(self, views, faces):
        if any(view.image.shape[1] == 32 for view in views):
            raise ArithmeticError('no such number')
        return super().estimate_found(views, faces)


def image(name, width=64, height=48, encoding='bgr8', **more):
    message = image_from_bgr(np.zeros((height, width, 3), np.uint8), Header())
    message.encoding = encoding
    return asked(name, message, **more)


def asked(name, message, **more):
    follower = FaceFollower(0.0, 480, SearchAtOnce())
    return CameraImage(SimpleNamespace(topic=name), message, 0, Calibration(), follower, **more)


def compressed(content):
    message = CompressedImage(format='png')
    message.data.frombytes(content)
    return message


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


def test_an_image_that_fails_takes_no_other_down():
    estimator = EasilyBrokenEstimator()
    a, b, c = estimate(estimator, [image('a'), image('b', 32, 24), image('c')])
    assert (a.heads, c.heads) == ([(48, 64)], [(48, 64)])
    assert b.dropped == FAILED and b.pixels is None


def test_a_picture_at_which_opencv_raises_takes_no_other_down(monkeypatch):
    content = cv2.imencode('.png', np.zeros((20, 30, 3), np.uint8))[1].tobytes()

    def decode(*_):
        raise cv2.error('an assertion of OpenCV')

    monkeypatch.setattr(cv2, 'imdecode', decode)
    a, b = estimate(FakeEstimator(), [asked('a', compressed(content)), image('b')])
    assert a.dropped == UNREADABLE and 'cannot be decoded' in a.problem
    assert b.heads == [(48, 64)]


@pytest.mark.parametrize('kind', ['raw', 'compressed'])
def test_images_above_the_limit_are_dropped_and_at_it_are_not(kind):
    picture = np.zeros((48, 64, 3), np.uint8)
    raw = image_from_bgr(picture, Header())
    message = raw if kind == 'raw' else compressed(cv2.imencode('.png', picture)[1].tobytes())
    (refused,) = estimate(FakeEstimator(), [asked('a', message, max_pixels=48 * 64 - 1)])
    assert refused.dropped == UNREADABLE
    assert '64 x 48 pixels, more than the 3071' in refused.problem
    (taken,) = estimate(FakeEstimator(), [asked('a', message, max_pixels=48 * 64)])
    assert taken.heads == [(48, 64)]


def test_names_that_go_on_for_ever_are_cut():
    long = 'x' * 1_000_000
    wrong = compressed(b'no picture')
    wrong.format = long
    framed = image('c')
    framed.message.header.frame_id = long
    for found in estimate(FakeEstimator(), [image('a', encoding=long), asked('b', wrong), framed]):
        assert found.dropped == UNREADABLE and 20 < len(found.problem) < 1000


def test_of_too_many_faces_the_surest_are_taken():
    faces = [Face(Box(9.0 * n, 9.0, 8.0, 8.0), 0.5 + n / 100, Square(1, 1, 8)) for n in range(50)]
    assert _best(faces, 20) == faces[30:]
    assert _best(faces, 50) == faces
