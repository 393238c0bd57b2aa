"""
BIWI Kinect Head Pose Database: 24 sequences of 20 people before a Kinect.

G. Fanelli, T. Weise, J. Gall, L. Van Gool, "Real Time Head Pose Estimation from Consumer Depth
Cameras", DAGM 2011. A folder 01 to 24 each, with frame_*_rgb.png, frame_*_pose.txt (rotation and
position of the head in the depth camera's optical frame, millimetres) and rgb.cal (the colour
camera).

The data set has no boxes of the faces. boxes.csv in its folder gives them, see read_biwi; without
it, only a face square around the projected head is known.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fsanet_ros.geometry import rotations
from fsanet_ros.learning.labelled_images import BoxOf, LabelledImage

BOXES = 'boxes.csv'
MARGIN = 0.4  # of the official crop around MTCNN's box
FOLDERS = ('hpdb', 'faces_0', 'db_annotations')
# Protocol 2 tests on 8 sequences. Which the authors drew is not published (data/
# TYY_create_db_biwi_70_30.py shuffles without a seed): these are what the recipe official_biwi
# keeps aside.
PROTOCOL_2_TEST = ('02', '08', '16', '17', '18', '22', '23', '24')
# The position is that of the nose's tip. What the face square has there, seen from the front: its
# side, and its centre in the head's frame (below the tip and behind it, so that it follows turns).
_SQUARE_M = 0.205
_NOSE_TO_CENTRE_M = np.array([0.0, 0.007, 0.03])


@dataclass(frozen=True, eq=False)
class ColourCamera:
    """
    What rgb.cal holds.

    ``matrix``: float64 [3, 3], intrinsics in pixels. ``rotation``: float64 [3, 3] and
    ``translation_m``: float64 [3], from the depth camera's optical frame to the colour camera's.
    """

    matrix: NDArray[np.float64]
    rotation: NDArray[np.float64]
    translation_m: NDArray[np.float64]

    def project(self, point_m: NDArray[np.float64]) -> tuple[float, float, float]:
        """Return x, y in pixels and the distance along the axis of a point of the depth camera."""
        x, y, z = (self.matrix @ (self.rotation @ point_m + self.translation_m)).tolist()
        return x / z, y / z, z


def read_biwi(root: str | Path) -> list[LabelledImage]:
    """
    Read BIWI with the authors' angles: those of the head in the depth camera's frame.

    The colour camera is turned against it by about a degree, which the literature's tables leave
    out; ``rotation_in_colour_camera`` has what is right. boxes.csv in the folder has the columns
    picture (01/frame_00003_rgb.png), left, top, right, bottom; frames that are not in it are left
    out. Without the file every frame is read, with a face square from the calibration.

    :param root: the folder that holds 01 to 24, or the one above it
    :raises FileNotFoundError: if it does not, or a file is missing
    :raises ValueError: naming the file that does not hold what it should
    """
    root = Path(root)
    for folder in (root, *(root / name for name in FOLDERS)):
        pictures = sorted(folder.glob('[0-9][0-9]/frame_*_rgb.png'))
        if pictures:
            break
    else:
        raise FileNotFoundError(
            f'{root} is not BIWI: expected folders 01 to 24 with frame_*_rgb.png and '
            'frame_*_pose.txt'
        )
    if (folder / BOXES).is_file():
        return _with_boxes(folder)
    sequences = {picture.parent for picture in pictures}
    cameras = {sequence: read_colour_camera(sequence / 'rgb.cal') for sequence in sequences}
    return [_with_camera(_pose_of(picture), cameras[picture.parent]) for picture in pictures]


def rotation_in_colour_camera(pose: str | Path) -> NDArray[np.float64]:
    """
    Return R_optical of a frame in the frame of the camera that took its picture.

    :param pose: frame_*_pose.txt, with rgb.cal beside it
    :returns: float64 [3, 3]
    :raises FileNotFoundError: if one of them is missing
    :raises ValueError: if one holds something else
    """
    camera = read_colour_camera(Path(pose).with_name('rgb.cal'))
    turned: NDArray[np.float64] = camera.rotation @ _read_pose(Path(pose))[0]
    return turned


def read_colour_camera(path: Path) -> ColourCamera:
    """
    Read rgb.cal: intrinsics, four numbers of distortion (all 0), rotation, translation, size.

    :raises FileNotFoundError: if it is missing
    :raises ValueError: if it holds something else
    """
    numbers = _read_numbers(path, 27, 'the calibration of the colour camera')
    matrix, rotation = numbers[:9].reshape(3, 3), numbers[13:22].reshape(3, 3)
    if not np.allclose(rotation @ rotation.T, np.eye(3), atol=1e-3):
        raise ValueError(f'{path}: {rotation.tolist()} is no rotation')
    return ColourCamera(matrix, rotation, numbers[22:25] / 1000.0)


def _with_boxes(folder: Path) -> list[LabelledImage]:
    table = folder / BOXES
    with table.open(newline='', encoding='utf-8') as file:
        return [_with_box(folder, row, table) for row in csv.DictReader(file)]


def _with_box(folder: Path, row: dict[str, str], table: Path) -> LabelledImage:
    try:
        left, top, right, bottom = (float(row[k]) for k in ('left', 'top', 'right', 'bottom'))
        path = folder / row['picture']
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f'{table}: {row} is no box, expected picture,left,top,right,bottom'
        ) from error
    return _labelled(_pose_of(path), box=(left, top, right, bottom))


def _with_camera(pose: Path, camera: ColourCamera) -> LabelledImage:
    rotation, nose_m = _read_pose(pose)
    x, y, distance_m = camera.project(nose_m + rotation @ _NOSE_TO_CENTRE_M)
    # The box that face squares are made from is smaller than they are by sqrt(2).
    half = float(camera.matrix[0, 0]) * _SQUARE_M / distance_m / np.sqrt(8.0)
    return _labelled(pose, square_box=(x - half, y - half, x + half, y + half))


def _labelled(
    pose: Path, box: BoxOf | None = None, square_box: BoxOf | None = None
) -> LabelledImage:
    # The matrix of the file read in our convention gives the authors' angles.
    yaw, pitch, roll = rotations.yaw_pitch_roll_deg_from_matrix(_read_pose(pose)[0]).tolist()
    picture = pose.with_name(pose.name.replace('_pose.txt', '_rgb.png'))
    group = pose.parent.name
    return LabelledImage(picture, box, (yaw, pitch, roll), group, MARGIN, square_box)


def _pose_of(picture: Path) -> Path:
    return picture.with_name(picture.name.replace('_rgb.png', '_pose.txt'))


def _read_pose(path: Path) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return rotation and position in metres."""
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
