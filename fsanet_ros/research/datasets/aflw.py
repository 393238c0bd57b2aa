"""
Faces of AFLW with a teacher's labels: the set that our weights are trained on.

Not AFLW as published: faces_120.zip holds face squares of 120 x 120 pixels, labels.npz their poses.
"""

from __future__ import annotations

from pathlib import Path

from fsanet_ros.research.datasets.faces import ZIP, kept_aflw_labels, split_indices
from fsanet_ros.research.datasets.labelled_images import LabelledImage, box_of_square
from fsanet_ros.research.training.recipe import Recipe
from fsanet_ros.types import Square

_SIDE_PX = 120


def read_aflw_kept_aside(root: str | Path, recipe: Recipe) -> list[LabelledImage]:
    """
    Return the faces that a recipe's training does not see.

    The pictures end at the face square: crops that reach further, such as the official one, are
    cut off there.

    :raises FileNotFoundError: naming the file that is missing
    """
    names, _, angles = kept_aflw_labels(root)
    aside = split_indices(len(names), recipe.validation_share, recipe.seed)[1]
    middle = _SIDE_PX / 2
    box = box_of_square(Square(middle, middle, _SIDE_PX))
    archive = Path(root) / ZIP
    return [
        LabelledImage(
            Path(str(names[i])), box, tuple(angles[i].tolist()), str(names[i]), archive=archive
        )
        for i in aside
    ]
