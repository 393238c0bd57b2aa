"""Pictures of faces have one size, keep the face in its place, and turn it upright."""

import math

import numpy as np
import pytest

from fsanet_ros.geometry.camera import CameraModel
from fsanet_ros.geometry.face_model import FIVE_POINTS_M
from fsanet_ros.geometry.rotations import matrix_from_yaw_pitch_roll_deg
from fsanet_ros.ros.output.face_pictures import eye_line_tilt_rad, face_picture
from fsanet_ros.types import Box, Face, Head, Square


def head(pose=(0, 0, 0), position=None, landmarks=None, box=None):
    box = box or Box(80, 60, 40, 40)
    face = Face(box, 0.9, Square(*box.center, 40), landmarks)
    position = None if position is None else np.array(position, float)
    return Head(face, matrix_from_yaw_pitch_roll_deg(pose), position)


def ramp(height, width, per_level=1):
    """A picture whose blue is the column and whose green is the row, ``per_level`` each."""
    image = np.full((height, width, 3), 255, np.uint8)
    image[..., 0] = np.minimum(np.arange(width) // per_level, 255)
    image[..., 1] = np.minimum(np.arange(height) // per_level, 255)[:, None]
    return image


@pytest.mark.parametrize('roll_deg', [180.0, 90.0, -90.0, 170.0])
@pytest.mark.parametrize('with_landmarks', [False, True])
def test_faces_of_a_turned_camera_are_turned_upright(roll_deg, with_landmarks):
    one = head((12.0, -8.0, roll_deg), (0.02, 0.01, 1.0))
    if with_landmarks:
        seen = CameraModel.pinhole(320, 240, 300.0).project(
            FIVE_POINTS_M @ one.rotation_optical.T + one.position_m
        )
        one = head((12.0, -8.0, roll_deg), (0.02, 0.01, 1.0), seen)
    off = math.degrees(eye_line_tilt_rad(one)) - roll_deg
    assert math.remainder(off, 360.0) == pytest.approx(0.0, abs=8.0)


@pytest.mark.parametrize('tilt', [0.0, 0.4])
@pytest.mark.parametrize(
    'box',
    [
        Box(-500, -500, 100, 100),
        Box(310, 230, 40, 40),
        Box(-1e6, -1e6, 2e6, 2e6),
        Box(1e9, 0, 10, 10),
        Box(20.3, 30.7, 0.2, 0.1),
        Box(20, 30, 100, 1e-3),
        Box(0, 0, 320, 240),
    ],
)
@pytest.mark.parametrize('size', [(240, 320), (1, 1), (3, 500)])
def test_any_box_in_any_image_gives_a_picture_of_the_size(box, size, tilt):
    image = ramp(*size)
    image.setflags(write=False)
    picture = face_picture(image, box, tilt)
    assert picture.shape == (128, 128, 3) and picture.dtype == np.uint8
    assert face_picture(image, box, tilt, size=64).shape == (64, 64, 3)


def test_a_box_without_an_area_is_refused():
    with pytest.raises(ValueError, match='expected a box with an area, got 0 x 4'):
        face_picture(ramp(10, 10), Box(0, 0, 0, 4))


@pytest.mark.parametrize('side', [30, 128, 200, 300, 650])
def test_every_pixel_shows_its_place_in_the_image(side):
    left, top, per_level = 20.25, 10.5, 3
    image = ramp(700, 705, per_level)
    picture = face_picture(image, Box(left, top, side, side)).astype(float)
    centers = (np.arange(128) + 0.5) * side / 128  # of pixels, in the box
    for channel, places in ((0, left + centers), (1, (top + centers)[:, None])):
        # A level stands for three pixels: its middle is one and a half behind its first.
        assert np.abs((picture[..., channel] + 0.5) * per_level - places).max() < 3.1


@pytest.mark.parametrize('scale', [0.5, 3.0])
def test_what_is_not_square_is_centred_and_black_beside(scale):
    image = np.full((400, 400, 3), 200, np.uint8)
    picture = face_picture(image, Box(100, 100, 32 * scale, 64 * scale))
    assert (picture[:, 32:96] == 200).all()
    assert not picture[:, :32].any() and not picture[:, 96:].any()


def test_beyond_the_border_it_is_black_and_the_face_stays_in_its_place():
    image = np.full((200, 200, 3), 200, np.uint8)
    picture = face_picture(image, Box(-50, 150, 100, 100))
    assert (picture[2:62, 66:] == 200).all()
    assert not picture[:, :62].any() and not picture[66:].any()


def test_padded_rows_make_no_difference():
    wide = np.zeros((100, 140, 3), np.uint8)
    wide[:, :100] = ramp(100, 100)
    box = Box(20, 20, 50, 60)
    assert (face_picture(wide[:, :100], box, 0.3) == face_picture(ramp(100, 100), box, 0.3)).all()


@pytest.mark.parametrize('side', [60, 240])
@pytest.mark.parametrize('tilt_deg', [-170, -90, -35, 0, 10, 45, 120, 180])
def test_a_tilted_face_is_shown_upright(tilt_deg, side):
    tilt = math.radians(tilt_deg)
    across, down = (
        np.array([math.cos(tilt), math.sin(tilt)]),
        np.array([-math.sin(tilt), math.cos(tilt)]),
    )
    center = np.array([201.0, 187.0])
    marks = {0: center - 0.2 * side * across, 1: center + 0.2 * side * across}
    marks[2] = center + 0.3 * side * down
    rows, columns = np.mgrid[:400, :400] + 0.5
    image = np.zeros((400, 400, 3), np.uint8)
    for channel, (x, y) in marks.items():
        image[..., channel][np.hypot(columns - x, rows - y) < 0.06 * side] = 255
    box = Box(*(center - side / 2), side, side)
    picture = face_picture(image, box, tilt).astype(float)

    def place(channel):
        weights = picture[..., channel] / picture[..., channel].sum()
        grid = np.mgrid[:128, :128] + 0.5
        return (grid[1] * weights).sum(), (grid[0] * weights).sum()

    assert place(0) == pytest.approx((64 - 0.2 * 128, 64), abs=0.5)
    assert place(1) == pytest.approx((64 + 0.2 * 128, 64), abs=0.5)
    assert place(2) == pytest.approx((64, 64 + 0.3 * 128), abs=0.5)


@pytest.mark.parametrize('roll', [-180, -120, -30, 0, 15, 90, 175])
def test_the_tilt_of_a_head_that_only_rolls_is_its_roll(roll):
    tilt = math.degrees(eye_line_tilt_rad(head((0, 0, roll))))
    assert (tilt - roll + 180) % 360 - 180 == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize('position', [(0, 0, 1.0), (0.5, -0.3, 1.0), (-0.4, 0.4, 0.6)])
@pytest.mark.parametrize('pose', [(40, 0, 0), (-20, 30, 0), (30, -25, 20), (10, 10, -70)])
def test_the_tilt_is_that_of_the_line_through_the_eyes_as_seen(pose, position):
    one = head(pose, position)
    camera = CameraModel.pinhole(640, 480, 500.0)
    right, left = camera.project(FIVE_POINTS_M[:2] @ one.rotation_optical.T + one.position_m)
    expected = math.atan2(left[1] - right[1], left[0] - right[0])
    assert eye_line_tilt_rad(one) == pytest.approx(expected, abs=1e-6)


def test_landmarks_count_more_than_the_pose():
    points = np.array([[100, 100], [140, 120], [110, 130], [90, 140], [120, 155]], float)
    one = head((0, 0, -40), (0, 0, 1), points)
    assert eye_line_tilt_rad(one) == pytest.approx(math.atan2(20, 40))


@pytest.mark.parametrize('yaw', range(-180, 181, 5))
def test_from_the_side_and_from_behind_a_head_stays_upright(yaw):
    # In profile the mouth lies a little in front of the eyes.
    assert abs(math.degrees(eye_line_tilt_rad(head((yaw, 0, 0))))) < 10
    assert abs(math.degrees(eye_line_tilt_rad(head((yaw, 20, 0))))) < 50


@pytest.mark.parametrize('position', [(0, 0, 0.01), (0, 0, -1)])
def test_a_head_at_the_camera_or_behind_it_has_a_tilt(position):
    assert eye_line_tilt_rad(head((0, 0, 20), position)) == pytest.approx(math.radians(20))
