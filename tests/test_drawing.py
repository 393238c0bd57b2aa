"""Pictures of heads: the image is left alone, and nothing that a head can be breaks it."""

import numpy as np
import pytest

from fsanet_ros.drawing import AXIS_COLORS, draw_heads
from fsanet_ros.geometry.camera import CameraModel
from fsanet_ros.geometry.rotations import matrix_from_yaw_pitch_roll_deg
from fsanet_ros.types import Box, Face, Head, Square


def head(x=80.0, y=60.0, side=40.0, pose=(20, 10, 5), position=None):
    box = Box(x, y, side, side)
    face = Face(box, 0.9, Square(*box.center, side))
    position = None if position is None else np.array(position, float)
    return Head(face, matrix_from_yaw_pitch_roll_deg(pose), position)


def grey(height=240, width=320):
    return np.full((height, width, 3), 128, np.uint8)


def test_the_image_is_not_modified():
    image = grey()
    image.setflags(write=False)
    drawn = draw_heads(image, [('h1', head())])
    assert (image == 128).all()
    assert (drawn != 128).any() and drawn.shape == image.shape and drawn.dtype == np.uint8


def test_nobody_is_an_equal_copy():
    image = grey()
    drawn = draw_heads(image, [])
    assert (drawn == image).all() and not np.shares_memory(drawn, image)


@pytest.mark.parametrize(
    'one',
    [
        head(-500, -500),
        head(1e7, 1e7),
        head(-1e9, 20, 1e12),
        head(310, 230),
        head(side=0.0),
        head(pose=(90, 0, 0)),
        head(pose=(0, 0, 180)),
        head(position=(0, 0, 0.01)),
        head(position=(0, 0, -1)),
        head(position=(1e6, 1e6, 1.0)),
        head(position=(0, 0, 1e9)),
        head(position=(np.nan, 0, 1)),
    ],
)
@pytest.mark.parametrize('size', [(240, 320), (1, 1), (3, 500)])
def test_any_head_in_any_image_is_drawn_or_left_out(one, size):
    distortion = np.array([-0.3, 0.1, 0.0, 0.0])
    k = np.array([[300.0, 0, 160], [0, 300.0, 120], [0, 0, 1]])
    for camera in (None, CameraModel(320, 240, k, distortion)):
        assert draw_heads(grey(*size), [('h1', one)], camera).shape == (*size, 3)


def colored(picture, color):
    return np.argwhere((np.abs(picture.astype(int) - color) < 30).all(axis=2))


def test_axes_are_those_of_the_face_frame():
    image = np.zeros((400, 400, 3), np.uint8)
    # The nose to the image's left, so x (red) goes to the left, z (blue) up.
    drawn = draw_heads(image, [('', head(150, 150, 100, pose=(60, 0, 0)))])
    red, _, blue = (colored(drawn, color) for color in AXIS_COLORS)
    assert red[:, 1].min() < 160 and red[:, 1].max() < 210
    assert blue[:, 0].min() < 150 and blue[:, 0].max() < 210


def test_axes_with_a_position_are_drawn_in_perspective():
    camera = CameraModel.pinhole(400, 400, 400.0)
    image = np.zeros((400, 400, 3), np.uint8)
    spread = []
    for distance in (1.0, 2.0):
        one = head(150, 150, 100, pose=(0, 0, 0), position=(0, 0, distance))
        drawn = draw_heads(image, [('', one)], camera, axis_length_m=0.2)
        spread.append(np.ptp(colored(drawn, AXIS_COLORS[2])[:, 0]))
    assert spread[0] == pytest.approx(80, abs=10)
    assert spread[1] == pytest.approx(40, abs=10)
