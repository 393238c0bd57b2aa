"""
300W-LP and AFLW2000-3D: a .jpg and a .mat per face.

X. Zhu, Z. Lei, X. Liu, H. Shi, S. Z. Li, "Face Alignment Across Large Poses: A 3D Solution",
CVPR 2016. Pose_Para holds pitch, yaw and roll in radians, with the signs of the README.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.io import loadmat
from tqdm import tqdm

from fsanet_ros.files.untrusted import mapped_in_a_process
from fsanet_ros.research.datasets.labelled_images import BoxOf, LabelledImage

SUBSETS = tuple(
    f'{name}{flip}' for name in ('AFW', 'HELEN', 'IBUG', 'LFPW') for flip in ('', '_Flip')
)
_VARIABLES = ('Pose_Para', 'pt2d', 'pt3d_68')


def read_300w_lp(root: str | Path) -> list[LabelledImage]:
    """
    Read 300W-LP: the folders AFW, AFW_Flip, HELEN, ...; some of them may be missing.

    All faces rendered from one photograph, and their mirrored pictures, form a group.

    :raises FileNotFoundError: if the folder holds none of them
    :raises ValueError: naming the damaged file
    """
    root = _existing(root)
    folders = [root / name for name in SUBSETS if (root / name).is_dir()]
    paths = [path for folder in folders for path in sorted(folder.glob('*.mat'))]
    if not paths:
        raise FileNotFoundError(
            f'{root} is not 300W-LP: expected .jpg and .mat files in {", ".join(SUBSETS)}'
        )
    return _read(paths, lambda path: path.stem.rpartition('_')[0])


def read_aflw2000(root: str | Path) -> list[LabelledImage]:
    """
    Read AFLW2000-3D: image00002.jpg, image00002.mat, ... in the folder or in its AFLW2000.

    :raises FileNotFoundError: if there are none
    :raises ValueError: naming the damaged file
    """
    root = _existing(root)
    folder = root / 'AFLW2000' if (root / 'AFLW2000').is_dir() else root
    paths = sorted(folder.glob('*.mat'))
    if not paths:
        raise FileNotFoundError(
            f'{root} is not AFLW2000-3D: expected image00002.jpg, image00002.mat and so on'
        )
    return _read(paths, lambda path: path.stem)


def _existing(root: str | Path) -> Path:
    if not Path(root).is_dir():
        raise FileNotFoundError(f'{root} is not a folder: expected the folder of the data set')
    return Path(root)


def _read(paths: list[Path], group_of: Any) -> list[LabelledImage]:
    with tqdm(paths, desc='reading labels', unit='face', leave=False, disable=None) as bar:
        # SciPy's reader is C, and crashes on some damaged files.
        contents = mapped_in_a_process(_content, bar, ['scipy.io', __name__])
        return [
            _face(path, content, group_of(path))
            for path, content in zip(paths, contents, strict=True)
        ]


def _content(path: Path) -> dict[str, Any]:
    """
    Return the variables of a .mat file.

    :raises ValueError: if it cannot be read
    """
    try:
        found: dict[str, Any] = loadmat(path, variable_names=_VARIABLES)
    except Exception as error:  # SciPy raises many kinds for damaged files
        reason = ' '.join(str(error).split())
        raise ValueError(f'{path} is not a readable .mat file ({reason})') from error
    return {name: found[name] for name in _VARIABLES if name in found}


def _face(path: Path, content: dict[str, Any], group: str) -> LabelledImage:
    picture = path.with_suffix('.jpg')
    if not picture.is_file():
        raise FileNotFoundError(f'{picture} is missing: expected the picture of {path.name}')
    pose = _numbers(content, 'Pose_Para', path).ravel()[:3]
    if pose.size < 3 or not np.isfinite(pose).all():
        raise ValueError(f'{path}: Pose_Para is {pose}, expected pitch, yaw, roll in radians')
    pitch, yaw, roll = np.degrees(pose).tolist()
    box = official_box(_points(content, 'pt2d', path), path)
    square_box = None
    if 'pt3d_68' in content:
        square_box = _box_around(_points(content, 'pt3d_68', path))
    return LabelledImage(picture, box, (yaw, pitch, roll), group, square_box=square_box)


def official_box(points: NDArray[np.float64], path: Path) -> BoxOf:
    """
    Return the box of the 2D landmarks from which the authors make their crops.

    Points with a coordinate of 0 or less are dropped, by x or by y, whichever drops more, as
    data/type1/TYY_create_db_type1.py of the official code does.

    :param points: float64 [2, n]
    """
    in_x, in_y = points > 0.0
    kept = in_y if in_x.sum() > in_y.sum() else in_x
    if kept.sum() < 2:
        raise ValueError(f'{path}: pt2d has {kept.sum()} points inside the picture, expected more')
    return _box_around(points[:, kept])


def _points(content: dict[str, Any], name: str, path: Path) -> NDArray[np.float64]:
    points = _numbers(content, name, path)
    if points.ndim != 2 or points.shape[0] not in (2, 3) or not np.isfinite(points).all():
        raise ValueError(f'{path}: {name} is {points.shape}, expected x and y of landmarks')
    return points[:2]


def _numbers(content: dict[str, Any], name: str, path: Path) -> NDArray[np.float64]:
    if name not in content:
        raise ValueError(f'{path} has no {name}: expected a .mat file of 300W-LP or AFLW2000-3D')
    try:
        return np.asarray(content[name], np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f'{path}: {name} holds no numbers') from error


def _box_around(points: NDArray[np.float64]) -> BoxOf:
    left, top = points.min(axis=1).tolist()
    right, bottom = points.max(axis=1).tolist()
    return left, top, right, bottom
