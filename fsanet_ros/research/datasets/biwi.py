"""
BIWI Kinect Head Pose Database: 24 sequences of 20 people in front of a Kinect.

G. Fanelli, T. Weise, J. Gall, L. Van Gool, "Real Time Head Pose Estimation from Consumer Depth
Cameras", DAGM 2011. Each of the folders 01 to 24 holds frame_*_rgb.png, frame_*_pose.txt (rotation
and position of the head in the depth camera's optical frame, millimetres) and rgb.cal (the colour
camera).

The data set has no face boxes. A boxes.csv in its folder adds them, see read_biwi; without it, only
a face square around the projected head is known.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from fsanet_ros.files.untrusted import read_rows
from fsanet_ros.geometry import rotations
from fsanet_ros.research.datasets.labelled_images import BoxOf, LabelledImage, box_of_square
from fsanet_ros.research.detectors.face_squares import MTCNN
from fsanet_ros.types import Box, Square

BOXES = 'boxes.csv'
BOX_COLUMNS = ('picture', 'left', 'top', 'right', 'bottom')
MARGIN = 0.4  # of the official crop around MTCNN's box
BORDER = 1  # the box includes its last pixel, unlike in the authors' script for 300W-LP
FOLDERS = ('hpdb', 'faces_0', 'db_annotations')
# Protocol 2 tests on 8 sequences. The authors' choice is not published (data/
# TYY_create_db_biwi_70_30.py shuffles without a seed). These are every third, with 17 for 18 and 20
# for 21: 02 and 21, 03 and 15, 05 and 18, 07 and 22 show the same people (according to the data
# set's loading script at Hugging Face), and nobody may be on both sides.
PROTOCOL_2_TEST = ('03', '06', '09', '12', '15', '17', '20', '24')
# The position is that of the tip of the nose. The face square relative to it, seen from the front:
# its side, and its centre in the head's frame (below and behind the tip, so that it follows turns).
_SQUARE_M = 0.205
_NOSE_TO_CENTRE_M = np.array([0.0, 0.007, 0.03])


@dataclass(frozen=True, eq=False)
class ColourCamera:
    """
    The contents of rgb.cal.

    ``matrix``: float64 [3, 3], intrinsics in pixels. ``rotation``: float64 [3, 3] and
    ``translation_m``: float64 [3], from the depth camera's optical frame to the colour camera's.
    """

    matrix: NDArray[np.float64]
    rotation: NDArray[np.float64]
    translation_m: NDArray[np.float64]

    def project(self, point_m: NDArray[np.float64]) -> tuple[float, float, float]:
        """Project a point of the depth camera's frame to x, y in pixels and depth in metres."""
        x, y, z = (self.matrix @ (self.rotation @ point_m + self.translation_m)).tolist()
        return x / z, y / z, z


def read_biwi(root: str | Path) -> list[LabelledImage]:
    """
    Read BIWI with the authors' angles: those of the head in the depth camera's frame.

    Published tables use these angles; read_biwi_as_seen returns what a crop shows. boxes.csv in the
    folder holds MTCNN's boxes in the columns picture (01/frame_00003_rgb.png), left, top, right,
    bottom; ``./run boxes biwi`` makes it. Frames that are not in it are left out. Without the file,
    every frame is read, with a face square from the calibration.

    :param root: the folder with 01 to 24, or its parent
    :raises FileNotFoundError: if this is not BIWI, or a file is missing
    :raises ValueError: naming the damaged file
    """
    return _read(root, lambda pose: _read_pose(pose)[0])


def read_biwi_as_seen(root: str | Path) -> list[LabelledImage]:
    """
    Read BIWI as read_biwi does, but with the angles that a crop shows.

    They are relative to the ray from the colour camera to the head, see rotation_seen. Published
    tables do not use them, but they are what a network can tell without knowing the camera.
    """
    return _read(root, rotation_seen)


def rotation_in_colour_camera(pose: str | Path) -> NDArray[np.float64]:
    """
    Return R_optical of a frame relative to the camera that took the picture.

    :param pose: frame_*_pose.txt, with rgb.cal beside it
    :returns: float64 [3, 3]
    :raises FileNotFoundError: if one of them is missing
    :raises ValueError: if one of them is damaged
    """
    camera = read_colour_camera(Path(pose).with_name('rgb.cal'))
    turned: NDArray[np.float64] = camera.rotation @ _read_pose(Path(pose))[0]
    return turned


def rotation_seen(pose: str | Path) -> NDArray[np.float64]:
    """
    Return the rotation relative to the ray from the colour camera to the head, float64 [3, 3].

    :param pose: see rotation_in_colour_camera
    """
    camera = read_colour_camera(Path(pose).with_name('rgb.cal'))
    rotation, nose_m = _read_pose(Path(pose))
    ray = rotations.rotation_to_ray(camera.rotation @ nose_m + camera.translation_m)
    seen: NDArray[np.float64] = ray.T @ camera.rotation @ rotation
    return seen


def projected_face(pose: str | Path) -> Square:
    """
    Estimate where the face square is in the picture, from pose and calibration.

    :param pose: see rotation_in_colour_camera
    """
    camera = read_colour_camera(Path(pose).with_name('rgb.cal'))
    rotation, nose_m = _read_pose(Path(pose))
    x, y, distance_m = camera.project(nose_m + rotation @ _NOSE_TO_CENTRE_M)
    if distance_m <= 0:
        raise ValueError(f'{pose}: the head is behind the camera, expected its position in mm')
    return Square(x, y, float(camera.matrix[0, 0]) * _SQUARE_M / distance_m)


def poses_of(root: str | Path) -> list[Path]:
    """
    Return the frame_*_pose.txt that belongs to each picture, whether it exists or not.

    :raises FileNotFoundError: if there are no pictures
    """
    root = Path(root)
    for folder in (root, *(root / name for name in FOLDERS)):
        poses = {*folder.glob('[0-9][0-9]/frame_*_pose.txt')}
        poses |= {pose_of(path) for path in folder.glob('[0-9][0-9]/frame_*_rgb.png')}
        if poses:
            return sorted(poses)
    raise FileNotFoundError(
        f'{root} is not BIWI: expected folders 01 to 24 with frame_*_rgb.png and frame_*_pose.txt'
    )


def pose_of(picture: Path) -> Path:
    """Return the path of a picture's pose."""
    return picture.with_name(picture.name.replace('_rgb.png', '_pose.txt'))


def picture_of(pose: Path) -> Path:
    """Return the path of a pose's picture; raise FileNotFoundError if it does not exist."""
    picture = pose.with_name(pose.name.replace('_pose.txt', '_rgb.png'))
    if not picture.is_file():
        raise FileNotFoundError(f'{picture} is missing: expected the picture of {pose.name}')
    return picture


@lru_cache(maxsize=32)
def read_colour_camera(path: Path) -> ColourCamera:
    """
    Read rgb.cal: intrinsics, four distortion coefficients (all 0), rotation, translation, size.

    :raises FileNotFoundError: if it is missing
    :raises ValueError: if it is damaged
    """
    numbers = _read_numbers(path, 27, 'the calibration of the colour camera')
    matrix, rotation = numbers[:9].reshape(3, 3), numbers[13:22].reshape(3, 3)
    if not np.allclose(rotation @ rotation.T, np.eye(3), atol=1e-3):
        raise ValueError(f'{path}: {rotation.tolist()} is not a rotation matrix')
    return ColourCamera(matrix, rotation, numbers[22:25] / 1000.0)


def _read(
    root: str | Path, rotation_of: Callable[[Path], NDArray[np.float64]]
) -> list[LabelledImage]:
    read_colour_camera.cache_clear()  # the files may have changed
    poses = poses_of(root)
    table = poses[0].parents[1] / BOXES
    boxes: dict[Path, BoxOf | None] = dict.fromkeys(poses)
    if table.is_file():
        boxes = dict(_read_boxes(table))
    with tqdm(boxes.items(), 'reading labels', unit='face', leave=False, disable=None) as b:
        return [_labelled(pose, box, rotation_of(pose)) for pose, box in b]


def _labelled(pose: Path, box: BoxOf | None, rotation: NDArray[np.float64]) -> LabelledImage:
    # Read in our convention, the file's matrix gives the authors' angles.
    yaw, pitch, roll = rotations.yaw_pitch_roll_deg_from_matrix(rotation).tolist()
    if box is None:
        square = projected_face(pose)
    else:
        left, top, right, bottom = box
        square = MTCNN.square(Box(left, top, right - left, bottom - top))
    return LabelledImage(
        picture_of(pose),
        box,
        (yaw, pitch, roll),
        pose.parent.name,
        MARGIN,
        box_of_square(square),
        border=BORDER,
    )


def _read_boxes(table: Path) -> Iterator[tuple[Path, BoxOf]]:
    """Yield the pose and the box of each picture in boxes.csv."""
    expected = f'expected {",".join(BOX_COLUMNS)} in pixels'
    for where, row in read_rows(table, BOX_COLUMNS, expected):
        yield _box_row(row, table, where, expected)


def _box_row(row: dict[str, str], table: Path, where: str, expected: str) -> tuple[Path, BoxOf]:
    try:
        left, top, right, bottom = (float(row[name]) for name in BOX_COLUMNS[1:])
    except (TypeError, ValueError) as error:
        raise ValueError(f'{where} is not a box: {expected}') from error
    if not (math.isfinite(left + top + right + bottom) and left < right and top < bottom):
        raise ValueError(f'{where}: the box {left}, {top}, {right}, {bottom} is empty: {expected}')
    picture = table.parent / row['picture']
    if not picture.name.endswith('_rgb.png'):
        raise ValueError(f'{where} names {picture}: expected a picture frame_*_rgb.png')
    return pose_of(picture), (left, top, right, bottom)


def _read_pose(path: Path) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the rotation, and the position in metres."""
    numbers = _read_numbers(path, 12, 'a rotation and a position')
    return numbers[:9].reshape(3, 3), numbers[9:12] / 1000.0


def _read_numbers(path: Path, count: int, what: str) -> NDArray[np.float64]:
    if not path.is_file():
        raise FileNotFoundError(f'{path} is missing: expected {what}')
    try:
        numbers = np.array(path.read_text(encoding='utf-8').split(), np.float64)
    except ValueError as error:
        raise ValueError(f'{path} is damaged: expected {count} numbers, {what}') from error
    if len(numbers) != count or not np.isfinite(numbers).all():
        raise ValueError(f'{path} holds {len(numbers)} numbers, expected {count}, {what}')
    return numbers
