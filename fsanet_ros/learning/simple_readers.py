"""
300W-LP and BIWI in their original layouts, as far as training needs them.

Training knows of a data set only what LabelledImage holds: another reader that returns those can
take the place of these.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.io import loadmat
from tqdm import tqdm

from fsanet_ros.geometry import rotations
from fsanet_ros.learning.labelled_images import LabelledImage

SUBSETS = tuple(
    f'{name}{flip}' for name in ('AFW', 'HELEN', 'IBUG', 'LFPW') for flip in ('', '_Flip')
)
BIWI_BOXES = 'boxes.csv'
BIWI_MARGIN = 0.4  # of the official crop around MTCNN's box


def read_300w_lp(root: str | Path) -> list[LabelledImage]:
    """
    Read 300W-LP (Zhu, Lei, Liu, Shi, Li, CVPR 2016): a .jpg and a .mat for each face.

    The box is that of the 2D landmarks (pt2d) with positive coordinates. Faces that were rendered
    from the same one, and their mirrored pictures, are one group.

    :param root: the folder that holds AFW, HELEN, ...; some of them may be missing
    :raises FileNotFoundError: if it holds none of them
    :raises ValueError: naming the file that does not hold what it should
    """
    root = Path(root)
    folders = [root / name for name in SUBSETS if (root / name).is_dir()]
    paths = [path for folder in folders for path in sorted(folder.glob('*.mat'))]
    if not paths:
        raise FileNotFoundError(
            f'{root} is not 300W-LP: expected .jpg and .mat files in {", ".join(SUBSETS)}'
        )
    with tqdm(paths, desc='reading labels', unit='face', leave=False) as bar:
        return [_read_300w_lp_face(path) for path in bar]


def _read_300w_lp_face(path: Path) -> LabelledImage:
    picture = path.with_suffix('.jpg')
    if not picture.is_file():
        raise FileNotFoundError(f'{picture} is missing: expected the picture of {path.name}')
    try:
        content: dict[str, Any] = loadmat(path, variable_names=('Pose_Para', 'pt2d'))
    except Exception as error:  # SciPy raises many kinds for damaged files
        raise ValueError(f'{path} is not a readable .mat file ({error})') from error
    pose, points = _array(content, 'Pose_Para', path).ravel(), _array(content, 'pt2d', path)
    if pose.size < 3 or points.ndim != 2 or points.shape[0] != 2:
        raise ValueError(
            f'{path}: Pose_Para is {pose.shape}, pt2d {points.shape}; expected pitch, yaw, roll '
            'in radians and x, y of the landmarks'
        )
    points = points[:, (points > 0).all(axis=0)]
    if points.shape[1] < 2:
        raise ValueError(f'{path}: pt2d has {points.shape[1]} points inside, expected 68')
    pitch, yaw, roll = np.degrees(pose[:3].astype(np.float64)).tolist()
    box = (*points.min(axis=1).tolist(), *points.max(axis=1).tolist())
    return LabelledImage(picture, box, (yaw, pitch, roll), path.stem.rpartition('_')[0])


def _array(content: dict[str, Any], name: str, path: Path) -> NDArray[Any]:
    if name not in content:
        raise ValueError(f'{path} has no {name}: expected a .mat file of 300W-LP')
    return np.asarray(content[name])


def read_biwi(root: str | Path) -> list[LabelledImage]:
    """
    Read BIWI (Fanelli, Weise, Gall, Van Gool, DAGM 2011): frame_*_rgb.png and frame_*_pose.txt.

    The sequences are the groups. The data set has no boxes: they are read from boxes.csv with the
    columns picture (01/frame_00003_rgb.png), left, top, right, bottom; frames that are not in it
    are left out.

    :param root: the folder that holds 01 to 24 and boxes.csv
    :raises FileNotFoundError: if it does not
    :raises ValueError: naming the file that does not hold what it should
    """
    root = Path(root)
    if not any(root.glob('[0-9][0-9]/frame_*_pose.txt')):
        raise FileNotFoundError(
            f'{root} is not BIWI: expected folders 01 to 24 with frame_*_rgb.png and '
            'frame_*_pose.txt'
        )
    table = root / BIWI_BOXES
    if not table.is_file():
        raise FileNotFoundError(
            f'{table} is missing: expected picture,left,top,right,bottom of each face'
        )
    with table.open(newline='', encoding='utf-8') as file:
        return [_biwi_face(root, row, table) for row in csv.DictReader(file)]


def _biwi_face(root: Path, row: dict[str, str], table: Path) -> LabelledImage:
    try:
        left, top, right, bottom = (float(row[k]) for k in ('left', 'top', 'right', 'bottom'))
        name = row['picture']
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f'{table}: {row} is no box, expected picture,left,top,right,bottom'
        ) from error
    path = root / name
    pose = path.with_name(path.name.replace('_rgb.png', '_pose.txt'))
    try:
        numbers = np.array(pose.read_text(encoding='utf-8').split()[:9], np.float64).reshape(3, 3)
    except ValueError as error:
        raise ValueError(f'{pose} holds no rotation: expected 3 x 3 numbers') from error
    # The matrix of the file read in our convention gives the authors' angles.
    yaw, pitch, roll = rotations.yaw_pitch_roll_deg_from_matrix(numbers).tolist()
    group = path.parent.name
    return LabelledImage(path, (left, top, right, bottom), (yaw, pitch, roll), group, BIWI_MARGIN)
