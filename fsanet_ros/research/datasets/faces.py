"""Labelled face pictures in memory, and the sets that training and validation load."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from fsanet_ros.files.array_files import Layout, read_arrays
from fsanet_ros.files.untrusted import ZIP_ERRORS

ZIP, LABELS = 'faces_120.zip', 'labels.npz'
SIDE_PX = 120
MAX_ANGLE_DEG = 99.0
MAX_FLIP_DISAGREEMENT_DEG = 12.0
_POSES: Layout = {
    'name': ('texts', ('n',)),
    'yaw_pitch_roll_deg': ('numbers', ('n', 3)),
    'rotation_optical': ('numbers', ('n', 3, 3)),
}
_AFLW: Layout = {**_POSES, 'flip_disagreement_deg': ('numbers', ('n',))}
_RENDERED: Layout = {**_POSES, 'in_range': ('yes or no', ('n',))}
_PEOPLE: Layout = {'person': ('texts', ('n',))}
_WORN: Layout = {'name': ('texts', ('n',)), 'covered': ('texts', ('n',))}


@dataclass(frozen=True, eq=False)
class LabelledFaces:
    """
    Pictures of faces with their poses.

    ``pictures``: uint8 [n, s, s, 3] BGR, the whole face square, or the official crop if the recipe
    asks for it. ``rotations``: float64 [n, 3, 3], R_optical relative to the ray to the face.
    ``angles_deg``: float64 [n, 3] yaw, pitch, roll. ``groups``: [n], the person or sequence if
    known; a split never separates the faces of a group. ``sets``: [n], the set that a face is from
    if there are several. ``weights``: float64 [n], how much each counts when samples are drawn;
    None: all alike.
    """

    pictures: NDArray[np.uint8]
    rotations: NDArray[np.float64]
    angles_deg: NDArray[np.float64]
    names: NDArray[np.str_]
    groups: NDArray[np.str_] | None = None
    sets: NDArray[np.str_] | None = None
    weights: NDArray[np.float64] | None = None

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
            None if self.sets is None else self.sets[index],
            None if self.weights is None else self.weights[index],
        )


def join(parts: Mapping[str, LabelledFaces]) -> LabelledFaces:
    """
    Join several sets of faces into one that keeps the sets' names.

    :raises ValueError: if their pictures differ in size
    """
    sizes = {name: part.pictures.shape[1:] for name, part in parts.items()}
    if len(set(sizes.values())) > 1:
        raise ValueError(f'the sets have pictures of different sizes ({sizes}): expected one size')
    every = list(parts.values())
    return LabelledFaces(
        np.concatenate([part.pictures for part in every]),
        np.concatenate([part.rotations for part in every]),
        np.concatenate([part.angles_deg for part in every]),
        np.concatenate([part.names for part in every]),
        sets=np.concatenate([np.full(len(part), name) for name, part in parts.items()]),
        weights=np.concatenate(
            [np.ones(len(part)) if part.weights is None else part.weights for part in every]
        ),
    )


def joined(parts: Iterable[LabelledFaces]) -> LabelledFaces:
    """Join folders of one set of faces, such as rendered heads; who is who is forgotten."""
    every = join({str(number): part for number, part in enumerate(parts)})
    return replace(every, sets=None)


def load_rendered_faces(root: str | Path) -> LabelledFaces:
    """
    Load rendered heads as ./run render writes them: faces_120.zip and labels.npz in ``root``.

    Heads turned beyond the range of the paper's network are left out.

    :raises FileNotFoundError: naming the missing file
    """
    labels = _read_labels(Path(root), _RENDERED, _PEOPLE)
    angles = labels['yaw_pitch_roll_deg'].astype(np.float64)
    return _rendered(
        root, labels, labels['in_range'] & (np.abs(angles) <= MAX_ANGLE_DEG).all(axis=1)
    )


def load_turned_away(root: str | Path) -> LabelledFaces:
    """
    Load the rendered heads whose yaw is beyond the range of the paper's network.

    :raises FileNotFoundError: naming the missing file
    """
    labels = _read_labels(Path(root), _RENDERED, _PEOPLE)
    return _rendered(root, labels, np.abs(labels['yaw_pitch_roll_deg'][:, 0]) > MAX_ANGLE_DEG)


def covered_of_rendered(root: str | Path, names: NDArray[np.str_]) -> NDArray[np.bool_]:
    """
    Return whether each of some rendered heads wears something, bool [n].

    :raises FileNotFoundError: naming the file that is missing
    """
    labels = _read_labels(Path(root), _WORN)
    worn = dict(zip(labels['name'].tolist(), labels['covered'].tolist(), strict=True))
    return np.array([worn[name] != 'none' for name in names.tolist()])


def _rendered(
    root: str | Path, labels: Mapping[str, NDArray[Any]], keep: NDArray[np.bool_]
) -> LabelledFaces:
    angles = labels['yaw_pitch_roll_deg'].astype(np.float64)
    names = labels['name'][keep]
    pictures = _read_zip(Path(root) / ZIP, [str(name) for name in names])
    rotations = labels['rotation_optical'][keep].astype(np.float64)
    people = labels['person'][keep].astype(np.str_) if 'person' in labels else None
    return LabelledFaces(pictures, rotations, angles[keep], names, people)


def _read_labels(
    root: Path, layout: Layout, optional: Layout | None = None
) -> dict[str, NDArray[Any]]:
    for name in (ZIP, LABELS):
        if not (root / name).is_file():
            raise FileNotFoundError(f'{root / name} is missing: expected {ZIP} and {LABELS}')
    return read_arrays(root / LABELS, layout, optional)


def load_aflw_faces(root: str | Path) -> LabelledFaces:
    """
    Load AFLW faces with a teacher's labels: faces_120.zip and labels.npz in ``root``.

    Left out are faces on which the teacher contradicts itself by more than 12 degrees when the
    picture is mirrored, and, as in the paper, faces with an angle beyond 99 degrees.

    :raises FileNotFoundError: naming the missing file
    :raises ValueError: if one of the two is damaged, or pictures are missing
    """
    names, rotations, angles = kept_aflw_labels(root)
    pictures = _read_zip(Path(root) / ZIP, [str(name) for name in names])
    return LabelledFaces(pictures, rotations, angles, names)


def kept_aflw_labels(
    root: str | Path,
) -> tuple[NDArray[np.str_], NDArray[np.float64], NDArray[np.float64]]:
    """
    Return names, rotations [n, 3, 3] and angles [n, 3] of the faces that load_aflw_faces loads.

    :raises FileNotFoundError: naming the missing file
    """
    labels = _read_labels(Path(root), _AFLW)
    angles = labels['yaw_pitch_roll_deg'].astype(np.float64)
    keep = (labels['flip_disagreement_deg'] < MAX_FLIP_DISAGREEMENT_DEG) & (
        np.abs(angles) <= MAX_ANGLE_DEG
    ).all(axis=1)
    return labels['name'][keep], labels['rotation_optical'][keep].astype(np.float64), angles[keep]


def split(
    faces: LabelledFaces, validation_share: float, seed: int
) -> tuple[LabelledFaces, LabelledFaces]:
    """
    Return training and validation faces, always the same for a seed.

    If groups are known, the share counts groups, and no group is in both parts.
    """
    if faces.groups is not None:
        groups = np.unique(faces.groups)
        order = np.random.default_rng(seed).permutation(len(groups))
        chosen = groups[order[: round(validation_share * len(groups))]]
        aside = np.isin(faces.groups, chosen)
        return faces.select(~aside), faces.select(aside)
    training, kept_aside = split_indices(len(faces), validation_share, seed)
    return faces.select(training), faces.select(kept_aside)


def split_indices(
    count: int, validation_share: float, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return which of ``count`` faces to train on and which to hold out."""
    order = np.random.default_rng(seed).permutation(count)
    kept_aside = round(validation_share * count)
    return np.sort(order[kept_aside:]), np.sort(order[:kept_aside])


def _read_zip(path: Path, names: list[str]) -> NDArray[np.uint8]:
    pictures = np.empty((len(names), SIDE_PX, SIDE_PX, 3), np.uint8)
    try:
        with zipfile.ZipFile(path) as archive:
            bar = tqdm(names, desc=f'reading {path.name}', unit='face', leave=False, disable=None)
            for picture, name in zip(pictures, bar, strict=True):
                picture[...] = _face_square(archive.read(name), f'{path}: {name}')
    except ZIP_ERRORS as error:
        raise ValueError(
            f'{path} does not hold the pictures that {LABELS} names ({error}): copy both again'
        ) from error
    return pictures


def _face_square(content: bytes, name: str) -> NDArray[np.uint8]:
    picture = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR) if content else None
    if picture is None:
        raise ValueError(f'{name} is not a readable picture')
    if picture.shape[:2] != (SIDE_PX, SIDE_PX):
        height, width = picture.shape[:2]
        raise ValueError(
            f'{name} has {width}x{height} pixels: expected face squares of {SIDE_PX}x{SIDE_PX}'
        )
    return picture.astype(np.uint8, copy=False)
