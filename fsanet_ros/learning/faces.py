"""Labelled face pictures in memory, and the sets that training and validation read them from."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

MAX_ANGLE_DEG = 99.0
MAX_FLIP_DISAGREEMENT_DEG = 12.0


@dataclass(frozen=True, eq=False)
class LabelledFaces:
    """
    Pictures of faces with their poses.

    ``pictures``: uint8 [n, s, s, 3] BGR, the whole face square (or, where a recipe's crop is
    official, that crop). ``rotations``: float64 [n, 3, 3], R_optical against the ray to the face.
    ``angles_deg``: float64 [n, 3] yaw, pitch, roll.
    ``groups``: [n], who or which sequence it is, where that is known; faces of a group stay
    together when a set is split.
    """

    pictures: NDArray[np.uint8]
    rotations: NDArray[np.float64]
    angles_deg: NDArray[np.float64]
    names: NDArray[np.str_]
    groups: NDArray[np.str_] | None = None

    def __len__(self) -> int:
        """Return the number of faces."""
        return len(self.names)

    def select(self, index: NDArray[np.bool_] | NDArray[np.int64]) -> LabelledFaces:
        """Return some of the faces."""
        return LabelledFaces(
            self.pictures[index],
            self.rotations[index],
            self.angles_deg[index],
            self.names[index],
            None if self.groups is None else self.groups[index],
        )


def load_aflw_faces(root: str | Path) -> LabelledFaces:
    """
    Load AFLW faces with a teacher's labels: faces_120.zip and labels.npz in ``root``.

    Faces on which the teacher contradicts itself (mirrored picture, 12 degrees) and faces with an
    angle beyond 99 degrees, as in the paper, are left out.

    :raises FileNotFoundError: naming the file that is missing
    :raises ValueError: if pictures and labels are not in the same order
    """
    root = Path(root)
    for name in ('faces_120.zip', 'labels.npz'):
        if not (root / name).is_file():
            raise FileNotFoundError(
                f'{root / name} is missing: expected faces_120.zip and labels.npz'
            )
    labels = np.load(root / 'labels.npz', allow_pickle=False)
    angles = labels['yaw_pitch_roll_deg'].astype(np.float64)
    keep = (labels['flip_disagreement_deg'] < MAX_FLIP_DISAGREEMENT_DEG) & (
        np.abs(angles) <= MAX_ANGLE_DEG
    ).all(axis=1)
    names = labels['name'][keep]
    pictures = _read_zip(root / 'faces_120.zip', [str(name) for name in names])
    rotations = labels['rotation_optical'][keep].astype(np.float64)
    return LabelledFaces(pictures, rotations, angles[keep], names)


def split(
    faces: LabelledFaces, validation_share: float, seed: int
) -> tuple[LabelledFaces, LabelledFaces]:
    """
    Return training and validation faces; the same for the same seed.

    Where groups are known, the share is of them, and none is in both.
    """
    if faces.groups is not None:
        groups = np.unique(faces.groups)
        order = np.random.default_rng(seed).permutation(len(groups))
        chosen = groups[order[: round(validation_share * len(groups))]]
        aside = np.isin(faces.groups, chosen)
        return faces.select(~aside), faces.select(aside)
    order = np.random.default_rng(seed).permutation(len(faces))
    kept_aside = round(validation_share * len(faces))
    return faces.select(np.sort(order[kept_aside:])), faces.select(np.sort(order[:kept_aside]))


def _read_zip(path: Path, names: list[str]) -> NDArray[np.uint8]:
    with zipfile.ZipFile(path) as archive:
        pictures = []
        for name in tqdm(names, desc=f'reading {path.name}', unit='face', leave=False):
            data = np.frombuffer(archive.read(name), np.uint8)
            picture = cv2.imdecode(data, cv2.IMREAD_COLOR)
            if picture is None:
                raise ValueError(f'{path}: {name} is not a readable picture')
            pictures.append(picture)
    return np.stack(pictures).astype(np.uint8, copy=False)
