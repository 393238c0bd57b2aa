"""What drivers publish: images, depth, calibrations, frames; and parameters of launch files."""

from __future__ import annotations

import math
import random
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
from hypothesis import strategies as st

from fsanet_ros.depth import with_depth
from fsanet_ros.files.image_layout import ImageError
from fsanet_ros.files.image_messages import (
    SUPPORTED_ENCODINGS,
    bgr_from_compressed,
    bgr_from_image,
)
from fsanet_ros.geometry.camera import CameraModel
from fsanet_ros.geometry.camera_info import (
    Calibration,
    camera_from_info,
    rectified_camera_from_info,
)
from fsanet_ros.geometry.rotations import matrix_from_yaw_pitch_roll_deg
from fsanet_ros.ros.parameters import defaults_of, limits_of, nearest_name, problem, settings_from
from fsanet_ros.ros.settings import FORMER_NAMES, HeadPoseSettings
from fsanet_ros.types import Box, Face, Head, Square
from fuzzing.campaign import Target
from fuzzing.damage import Damaged

_NOISE = random.Random(5).randbytes(1 << 18)
_ODD_NUMBERS = (0.0, 1.0, -1.0, 1e8, -1e300, 1e-300, math.nan, math.inf, -math.inf)
_LARGE = (2**16, 2**31 - 1, 2**32 - 1)
_sides = st.one_of(st.integers(0, 40), st.sampled_from(_LARGE))
numbers = st.one_of(
    st.sampled_from(_ODD_NUMBERS), st.floats(-2000, 2000), st.floats(-1, 1), st.floats()
)


# ---- images

_encodings = st.one_of(
    st.sampled_from([*SUPPORTED_ENCODINGS, '32FC1', '64FC4', '8SC3', 'BGR8', '']),
    st.text(max_size=8),
)


@st.composite
def _images(draw: Any, encodings: st.SearchStrategy[str]) -> SimpleNamespace:
    width, height = draw(_sides), draw(_sides)
    encoding = draw(encodings)
    # Most are right, but for one thing.
    row = width * draw(st.sampled_from([1, 2, 3, 4, 6, 8]))
    step = max(0, row + draw(st.sampled_from([0, 0, 0, 1, 3, -1, 64])))
    size = step * height * draw(st.sampled_from([2, 2, 3, 6])) // 2
    size = max(0, size + draw(st.sampled_from([0, 0, 0, 0, -1, -7, 5])))
    data = _NOISE[: min(size, len(_NOISE))]
    if draw(st.booleans()):
        step = draw(st.sampled_from([step, 0, 2**32 - 1]))
    return SimpleNamespace(
        width=width,
        height=height,
        encoding=encoding,
        is_bigendian=draw(st.sampled_from([0, 0, 1, 255])),
        step=step,
        data=data,
    )


def _check_image(message: SimpleNamespace) -> None:
    try:
        picture = bgr_from_image(message)
    except ImageError as error:
        _check_text(error)
        return
    assert picture.dtype == np.uint8
    assert picture.shape == (message.height, message.width, 3)
    picture.max()  # every byte of it can be read


def _encoded() -> list[bytes]:
    color = np.frombuffer(_NOISE, np.uint8, 24 * 18 * 3).reshape(18, 24, 3)
    deep = np.frombuffer(_NOISE, np.uint16, 24 * 18).reshape(18, 24)
    pictures: list[tuple[str, Any]] = [
        *((kind, color) for kind in ('.png', '.jpg', '.webp', '.tiff', '.bmp', '.ppm')),
        *((kind, color[:, :, 0]) for kind in ('.png', '.jpg', '.pgm')),
        *((kind, deep) for kind in ('.png', '.tiff')),
    ]
    return [bytes(cv2.imencode(kind, image)[1]) for kind, image in pictures]


SEEDS_OF_PICTURES = [*_encoded(), b'', b'GIF89a\x18\x00\x12\x00', b'\0' * 50]
WORDS_OF_PICTURES = (b'IHDR', b'IDAT', b'\xff\xd8', b'\xff\xd9', b'\xff\xc0\0\x11\x08', b'VP8X')
_FORMATS = (
    *('jpeg', 'png', '', 'bgr8; jpeg compressed bgr8', 'rgb8; png compressed rgb8'),
    *('bayer_rggb8; png compressed ', 'mono16; png compressed', '16UC1; compressedDepth png'),
    *(';;;', 'bayer_', 'bayer_grbg8;jpeg compressed bgr8', 'bgr16;png compressed', '\0'),
)
_compressed = Damaged(
    lambda: SEEDS_OF_PICTURES,
    WORDS_OF_PICTURES,
    lambda data, number: SimpleNamespace(format=_FORMATS[number % len(_FORMATS)], data=data),
)


def _check_compressed(message: SimpleNamespace) -> None:
    try:
        picture = bgr_from_compressed(message)
    except ImageError as error:
        _check_text(error)
        return
    assert picture.dtype == np.uint8 and picture.ndim == 3 and picture.shape[2] == 3


# ---- depth

_HEAD = Head(
    face=Face(Box(10, 10, 12, 14), 0.9, Square(16.0, 17.0, 18.0)),
    rotation_optical=matrix_from_yaw_pitch_roll_deg((10.0, -5.0, 3.0)),
    position_m=np.array([0.01, -0.02, 0.8]),
)
_DEPTH_CAMERA = CameraModel.pinhole(40, 40, 80.0)
_depth_encodings = st.sampled_from(['16UC1', 'mono16', '32FC1', '64FC1', 'bgr8', ''])


def _check_depth(message: SimpleNamespace) -> None:
    from fsanet_ros.ros.input.depth_images import depth_from_image

    try:
        depth = depth_from_image(message)
    except ImageError as error:
        _check_text(error)
        return
    assert depth.shape == (message.height, message.width)
    head = with_depth(_HEAD, depth, _DEPTH_CAMERA)
    assert head.position_m is not None and np.isfinite(head.position_m).all()
    assert head.position_m[2] > 0


# ---- calibrations

_FIELDS = ('width', 'height', 'distortion_model', 'd', 'k', 'r', 'p', 'binning_x', 'binning_y')
_MODELS = (
    'plumb_bob',
    'rational_polynomial',
    'equidistant',
    'fisheye',
    'none',
    '',
    'omni',
    'Plumb',
)
_edits = st.lists(
    st.tuples(st.integers(0, 15), st.integers(0, 20), numbers, _sides), min_size=1, max_size=4
)
_places = np.array([[x, y] for x in (0.0, 320.0, 640.0) for y in (0.0, 240.0, 480.0)])
_points = np.array([[x, y, z] for x in (-1.0, 0.0, 2.0) for y in (-0.5, 0.7) for z in (-1.0, 1.0)])


def _info(edits: list[tuple[int, int, float, int]]) -> SimpleNamespace:
    roi = SimpleNamespace(x_offset=0, y_offset=0, width=0, height=0, do_rectify=False)
    info = SimpleNamespace(
        width=640,
        height=480,
        distortion_model='plumb_bob',
        d=np.array([-0.2, 0.05, 0.001, -0.0005, -0.01]),
        k=np.array([500.0, 0, 320, 0, 500, 240, 0, 0, 1]),
        r=np.eye(3).ravel(),
        p=np.array([500.0, 0, 320, 0, 0, 500, 240, 0, 0, 0, 1, 0]),
        binning_x=0,
        binning_y=0,
        roi=roi,
    )
    for which, place, number, side in edits:
        if which < len(_FIELDS):
            name = _FIELDS[which]
            if name in ('d', 'k', 'r', 'p'):
                values = getattr(info, name)
                if values.size:
                    values[place % values.size] = number
            else:
                is_model = name == 'distortion_model'
                setattr(info, name, _MODELS[side % len(_MODELS)] if is_model else side)
        elif which == 9:
            info.d = np.resize(info.d, side % 20)
        elif which == 10:
            info.d = np.zeros(side % 20)
        elif which == 11:
            info.k[:] = number
        elif which == 12:
            info.k[[0, 4]] = number
        else:
            setattr(roi, ('x_offset', 'width', 'height')[which - 13], side)
    return info


def _check_info(edits: list[tuple[int, int, float, int]]) -> None:
    info = _info(edits)
    for read in (camera_from_info, rectified_camera_from_info):
        calibration = Calibration(read)
        calibration.update(info)
        _check_text(calibration.state)
        camera = calibration.camera_for(640, 480)
        _check_text(calibration.state)
        if camera is None:
            assert calibration.state != 'calibrated'
            continue
        assert (camera.width, camera.height) == (640, 480)
        rays = camera.rays(_places)
        lengths = np.linalg.norm(rays, axis=1)
        assert np.allclose(lengths[np.isfinite(lengths)], 1.0)
        seen = np.isfinite(rays).all(axis=1)
        assert seen.any(), 'calibrated, and no ray anywhere'
        again = camera.project(rays[seen])
        assert np.allclose(again, _places[seen], atol=0.05, equal_nan=False), again
        camera.project(_points)


# ---- parameters

_values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=12),
    st.binary(max_size=4),
    st.lists(st.one_of(st.text(max_size=5), st.integers(-400, 400), st.floats()), max_size=3),
)
_LIMITS, _DEFAULTS = limits_of(HeadPoseSettings), defaults_of(HeadPoseSettings)
_parameters = st.tuples(st.sampled_from(sorted(_LIMITS)), _values, st.text(max_size=30))


def _check_parameter(drawn: tuple[str, Any, str]) -> None:
    name, value, other = drawn
    reason = problem(name, value, _DEFAULTS[name], _LIMITS[name])
    if reason:
        assert name in reason
    elif type(value) is type(_DEFAULTS[name]):  # the middleware sees to the type of the others
        settings_from(HeadPoseSettings, {name: value}).conflict()
    assert nearest_name(other, sorted(_LIMITS), FORMER_NAMES) in ('', *_LIMITS)


def _check_text(reason: object) -> None:
    text = str(reason)
    assert text and len(text) < 1500, f'{len(text)} characters: {text[:200]}'


TARGETS = [
    Target('images', _images(_encodings), _check_image, share=2.0),
    Target('compressed images', _compressed, _check_compressed, share=3.0),
    Target('depth images', _images(_depth_encodings), _check_depth),
    Target('camera_info', _edits, _check_info, share=2.0),
    Target('parameters', _parameters, _check_parameter),
]
