"""The faces that a recipe trains on, and the crops to validate with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fsanet_ros.files.downloads import sha256_of
from fsanet_ros.geometry import rotations
from fsanet_ros.research.augmentation.varied_crops import central_crops
from fsanet_ros.research.datasets import READERS
from fsanet_ros.research.datasets.biwi import PROTOCOL_2_TEST
from fsanet_ros.research.datasets.faces import (
    MAX_ANGLE_DEG,
    LabelledFaces,
    join,
    load_aflw_faces,
    load_rendered_faces,
    split,
)
from fsanet_ros.research.datasets.labelled_images import cut_faces
from fsanet_ros.research.training.marks_on_a_wall import pointing04_faces
from fsanet_ros.research.training.recipe import Recipe
from fsanet_ros.research.training.teacher import Labels, load_teacher

# Sets whose pictures are face squares already.
FACE_SQUARES = {'aflw': load_aflw_faces, 'rendered': load_rendered_faces}
# A teacher whose views differ by more does not know the pose.
MAX_SPREAD_DEG = 8.0


@dataclass(frozen=True)
class Sources:
    """
    The places of a recipe's faces.

    ``root``: the folder of its data. ``also``: by name, the folders of its further sets.
    ``teacher``: an ONNX file, where the recipe needs one. ``cache``: a folder to keep the
    teacher's labels in; None: they are made again each time.
    """

    root: Path
    also: Mapping[str, Path] = field(default_factory=dict)
    teacher: Path | None = None
    cache: Path | None = None


def load_training(recipe: Recipe, sources: Sources) -> tuple[LabelledFaces, LabelledFaces]:
    """
    Return the faces to train on and the held-out ones, which keep the labels of their file.

    :raises FileNotFoundError: if a folder does not hold its data set
    :raises ValueError: naming the damaged file or the missing source
    """
    _check(recipe, sources)
    training, aside = split_faces(load_faces(recipe, sources.root), recipe)
    if recipe.labels == 'teacher':
        training = _relabelled(training, sources)
    if not recipe.also:
        return training, aside
    parts = {name: _further(name, sources) for name in recipe.also}
    return join({recipe.data: training, **parts}), aside


def load_faces(recipe: Recipe, root: str | Path) -> LabelledFaces:
    """
    Read a recipe's data set, cut as its crop needs.

    :raises FileNotFoundError: if the folder does not hold that data set
    :raises ValueError: naming the damaged file
    """
    if recipe.data in FACE_SQUARES:
        if recipe.crop != 'face_square':
            raise ValueError(
                f'data is {recipe.data}: expected crop face_square, its pictures are those'
            )
        return FACE_SQUARES[recipe.data](root)
    return cut_faces(READERS[recipe.data](Path(root)), recipe.crop)


def split_faces(faces: LabelledFaces, recipe: Recipe) -> tuple[LabelledFaces, LabelledFaces]:
    """
    Return the faces to train on and the held-out ones.

    On BIWI the sequences on which protocol 2 tests are held out, so that training never sees them,
    unless the recipe's share is 0. For other data see faces.split.
    """
    if recipe.data != 'biwi' or not recipe.validation_share or faces.groups is None:
        return split(faces, recipe.validation_share, recipe.seed)
    aside = np.isin(faces.groups, PROTOCOL_2_TEST)
    return faces.select(~aside), faces.select(aside)


def crops_in_use(faces: LabelledFaces, recipe: Recipe) -> NDArray[np.uint8]:
    """Return the crops of faces without augmentation, uint8 [n, 64, 64, 3]."""
    if recipe.crop == 'official':
        return faces.pictures
    return central_crops(faces.pictures, recipe.crop_scale)


def _check(recipe: Recipe, sources: Sources) -> None:
    missing = [name for name in recipe.also if name not in sources.also]
    if missing:
        raise ValueError(
            f'the recipe also draws from {", ".join(missing)}: expected --also {missing[0]}=FOLDER'
        )
    if sources.teacher is None and (recipe.labels == 'teacher' or 'pointing04' in recipe.also):
        raise ValueError('the recipe needs a teacher: expected --teacher FILE.onnx')


def _relabelled(faces: LabelledFaces, sources: Sources) -> LabelledFaces:
    """Return the faces that the teacher is sure of, with its labels."""
    labels = _cached_labels(faces, sources)
    angles = rotations.yaw_pitch_roll_deg_from_matrix(labels.rotations)
    keep = (labels.spread_deg < MAX_SPREAD_DEG) & (np.abs(angles) <= MAX_ANGLE_DEG).all(axis=1)
    return LabelledFaces(
        faces.pictures, labels.rotations, angles, faces.names, faces.groups
    ).select(keep)


def _cached_labels(faces: LabelledFaces, sources: Sources) -> Labels:
    assert sources.teacher is not None
    teacher = load_teacher(sources.teacher)
    path = None if sources.cache is None else sources.cache / 'teacher_labels.npz'
    sha256 = sha256_of(sources.teacher)
    if path is not None and path.is_file():
        with np.load(path, allow_pickle=False) as kept:
            if str(kept['teacher']) == sha256 and np.array_equal(kept['name'], faces.names):
                return Labels(kept['rotations'], kept['spread_deg'])
    labels = teacher.label(faces.pictures)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(
            path,
            teacher=sha256,
            name=faces.names,
            rotations=labels.rotations,
            spread_deg=labels.spread_deg,
        )
    return labels


def _further(name: str, sources: Sources) -> LabelledFaces:
    if name == 'rendered':
        return load_rendered_faces(sources.also[name])
    assert sources.teacher is not None
    return pointing04_faces(sources.also[name], load_teacher(sources.teacher))
