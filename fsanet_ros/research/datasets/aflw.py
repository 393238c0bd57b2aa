"""
AFLW faces with a teacher's labels: the set that our weights are trained on.

This is not AFLW as published: faces_120.zip holds face squares of 120 x 120 pixels, and labels.npz
their poses.
"""

from __future__ import annotations

from pathlib import Path

from fsanet_ros.research.datasets.faces import ZIP, kept_aflw_labels, split_indices
from fsanet_ros.research.datasets.labelled_images import LabelledImage, box_of_square
from fsanet_ros.types import Square

_SIDE_PX = 120


def read_aflw_kept_aside(
    root: str | Path, validation_share: float, seed: int
) -> list[LabelledImage]:
    """
    Return the faces that a training with this share and seed never sees.

    The pictures end at the face square, and so do crops that would reach beyond it, such as the
    official one.

    :param validation_share: share of the people to hold out, 0 to 1, as in the recipe
    :param seed: seed of the split
    :raises FileNotFoundError: naming the missing file
    """
    names, _, angles = kept_aflw_labels(root)
    aside = split_indices(len(names), validation_share, seed)[1]
    middle = _SIDE_PX / 2
    box = box_of_square(Square(middle, middle, _SIDE_PX))
    archive = Path(root) / ZIP
    return [
        LabelledImage(
            Path(str(names[i])), box, tuple(angles[i].tolist()), str(names[i]), archive=archive
        )
        for i in aside
    ]
