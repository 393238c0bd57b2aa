"""The faces that a recipe trains on, and the crops to validate with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fsanet_ros.files.array_files import Layout, read_arrays
from fsanet_ros.files.downloads import sha256_of
from fsanet_ros.research.augmentation.varied_crops import central_crops
from fsanet_ros.research.datasets import READERS
from fsanet_ros.research.datasets.biwi import PROTOCOL_2_TEST
from fsanet_ros.research.datasets.faces import (
    MAX_ANGLE_DEG,
    LabelledFaces,
    join,
    joined,
    load_aflw_faces,
    load_rendered_faces,
    split,
    split_indices,
)
from fsanet_ros.research.datasets.labelled_images import cut_faces
from fsanet_ros.research.evaluation.pose_errors import smallest_angles_deg
from fsanet_ros.research.training.marks_on_a_wall import pointing04_faces
from fsanet_ros.research.training.recipe import Recipe, load_recipe
from fsanet_ros.research.training.teacher import Labels, Teacher, load_teacher
from fsanet_ros.research.training.teachers import CALIBRATIONS, Teachers, load_teachers

# Sets whose pictures are face squares already.
FACE_SQUARES = {'aflw': load_aflw_faces, 'rendered': load_rendered_faces}
# A teacher whose views differ by more does not know the pose.
MAX_SPREAD_DEG = 8.0
# Of labels that are expected to be so far off, one is not trained on, the other counts half.
MAX_SIGMA_DEG, HALF_WEIGHT_DEG = 12.0, 5.0
# Nobody is judged by a label that is expected to be further off.
SURE_DEG = 8.0
_LABELS: Layout = {
    'teacher': ('texts', ()),
    'name': ('texts', ('n',)),
    'rotations': ('numbers', ('n', 3, 3)),
    'spread_deg': ('numbers', ('n',)),
}
_SIGMA: Layout = {'sigma_deg': ('numbers', ('n',))}


@dataclass(frozen=True)
class Sources:
    """
    The places of a recipe's faces.

    ``root``: the folder of its data. ``also``: by name, the folders of its further sets; several of
    rendered heads. ``teachers``: ONNX files, where the recipe needs them; all but the first are for
    labels: teachers. ``cache``: a folder to keep the labels in; None: they are made each time.
    """

    root: Path
    also: Mapping[str, Sequence[Path]] = field(default_factory=dict)
    teachers: Sequence[Path] = ()
    cache: Path | None = None


def load_training(recipe: Recipe, sources: Sources) -> tuple[LabelledFaces, LabelledFaces]:
    """
    Return the faces to train on and the held-out ones, which keep the labels of their file.

    :raises FileNotFoundError: if a folder does not hold its data set
    :raises ValueError: naming the damaged file or the missing source
    """
    _check(recipe, sources)
    training, aside = split_faces(load_faces(recipe, sources.root), recipe)
    if recipe.labels != 'file':
        training = _relabelled(training, recipe, sources)
    if not recipe.also:
        return training, aside
    parts = {name: load_further(name, recipe, sources) for name in recipe.also}
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
    if not sources.teachers and (recipe.labels != 'file' or 'pointing04' in recipe.also):
        raise ValueError('the recipe needs a teacher: expected --teacher FILE.onnx')


def _relabelled(faces: LabelledFaces, recipe: Recipe, sources: Sources) -> LabelledFaces:
    """Return the faces that the teachers are sure of, with their labels."""
    labels = _cached_labels(faces, recipe, sources)
    angles = smallest_angles_deg(labels.rotations)
    keep = (labels.spread_deg < MAX_SPREAD_DEG) & (np.abs(angles) <= MAX_ANGLE_DEG).all(axis=1)
    weights = None
    if labels.sigma_deg is not None:
        keep &= labels.sigma_deg < MAX_SIGMA_DEG
        weights = 1.0 / (1.0 + (labels.sigma_deg / HALF_WEIGHT_DEG) ** 2)
    return LabelledFaces(
        faces.pictures, labels.rotations, angles, faces.names, faces.groups, weights=weights
    ).select(keep)


def _cached_labels(faces: LabelledFaces, recipe: Recipe, sources: Sources) -> Labels:
    path = None if sources.cache is None else sources.cache / 'teacher_labels.npz'
    key = labels_key(recipe.labels, sources.teachers)
    if path is not None and path.is_file():
        kept = read_labels(path, faces.names, key)
        if kept is not None:
            return kept
    labels = _teacher(recipe, sources).label(faces.pictures)
    if path is not None:
        write_labels(path, faces.names, key, labels)
    return labels


def labels_key(kind: str, teachers: Sequence[Path]) -> str:
    """Return what tells labels of some teachers from those of others, or of other corrections."""
    key = ' '.join(sha256_of(path) for path in teachers)
    if kind == 'teachers':
        key += f' {sha256_of(CALIBRATIONS)}'
    return key


def read_labels(path: Path, names: NDArray[np.str_], key: str) -> Labels | None:
    """Return the labels that write_labels wrote; None if they are of other faces or teachers."""
    kept = read_arrays(path, _LABELS, _SIGMA)
    if str(kept['teacher']) != key or not np.array_equal(kept['name'], names):
        return None
    return Labels(kept['rotations'], kept['spread_deg'], kept.get('sigma_deg'))


def write_labels(path: Path, names: NDArray[np.str_], key: str, labels: Labels) -> None:
    """Write labels of faces: rotations, spread_deg and, where it is known, sigma_deg."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Of Any: NumPy's types take each for savez's own keyword.
    arrays: dict[str, Any] = {
        'teacher': key,
        'name': names,
        'rotations': labels.rotations,
        'spread_deg': labels.spread_deg,
    }
    if labels.sigma_deg is not None:
        arrays['sigma_deg'] = labels.sigma_deg
    np.savez(path, **arrays)


def _teacher(recipe: Recipe, sources: Sources) -> Teacher | Teachers:
    if recipe.labels == 'teachers':
        return load_teachers(sources.teachers)
    return load_teacher(sources.teachers[0])


def load_further(name: str, recipe: Recipe, sources: Sources) -> LabelledFaces:
    """
    Return a further set of a recipe: rendered or pointing04.

    :raises FileNotFoundError: if a folder does not hold that set
    :raises ValueError: if there are several folders of a set that has one, or no teacher
    """
    folders = sources.also[name]
    if name == 'rendered':
        return joined(load_rendered_faces(folder) for folder in folders)
    if len(folders) > 1:
        raise ValueError(f'--also {name} is given {len(folders)} times: expected one folder')
    return pointing04_faces(folders[0], _teacher(recipe, sources))


def load_kept_aside(root: Path, labels: Path | None, recipe: str) -> LabelledFaces:
    """
    Return the faces that a recipe's training does not see, with labels of a file where it is given.

    Those that the labels are not sure of are left out.

    :raises OSError: if a file cannot be read
    :raises ValueError: if the labels are damaged, or of other faces
    """
    faces = load_aflw_faces(root)
    settings = load_recipe(recipe)
    aside = split_indices(len(faces), settings.validation_share, settings.seed)[1]
    if labels is None:
        return faces.select(aside)
    known = read_arrays(labels, {**_LABELS, **_SIGMA})
    if not np.array_equal(known['name'], faces.names):
        raise ValueError(f'{labels} labels other faces than {root} holds')
    turned, sure = known['rotations'], known['sigma_deg'] < SURE_DEG
    angles = smallest_angles_deg(turned)
    relabelled = LabelledFaces(faces.pictures, turned, angles, faces.names)
    return relabelled.select(aside[sure[aside]])
