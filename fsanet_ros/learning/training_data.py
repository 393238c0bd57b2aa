"""The faces that a recipe trains on, and the crops that it is judged by."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fsanet_ros.learning.augmentation import central_crops
from fsanet_ros.learning.datasets import READERS
from fsanet_ros.learning.datasets.biwi import PROTOCOL_2_TEST
from fsanet_ros.learning.faces import LabelledFaces, load_aflw_faces, split
from fsanet_ros.learning.labelled_images import cut_faces
from fsanet_ros.learning.recipe import Recipe


def load_faces(recipe: Recipe, root: str | Path) -> LabelledFaces:
    """
    Read a recipe's data set, cut as the recipe's crop needs it.

    :raises FileNotFoundError: if the folder does not hold that data set
    :raises ValueError: naming the file that does not hold what it should
    """
    if recipe.data == 'aflw':
        if recipe.crop != 'face_square':
            raise ValueError('data is aflw: expected crop face_square, its pictures are those')
        return load_aflw_faces(root)
    return cut_faces(READERS[recipe.data](Path(root)), recipe.crop)


def split_faces(faces: LabelledFaces, recipe: Recipe) -> tuple[LabelledFaces, LabelledFaces]:
    """
    Return the faces to train on and those kept aside.

    On BIWI the sequences that protocol 2 tests on are kept aside, unless the recipe's share is 0:
    else training would see what the evaluation tests on. Elsewhere see faces.split.
    """
    if recipe.data != 'biwi' or not recipe.validation_share or faces.groups is None:
        return split(faces, recipe.validation_share, recipe.seed)
    aside = np.isin(faces.groups, PROTOCOL_2_TEST)
    return faces.select(~aside), faces.select(aside)


def crops_in_use(faces: LabelledFaces, recipe: Recipe) -> NDArray[np.uint8]:
    """Return what the network sees of faces when nothing is varied, uint8 [n, 64, 64, 3]."""
    if recipe.crop == 'official':
        return faces.pictures
    return central_crops(faces.pictures, recipe.crop_scale)
