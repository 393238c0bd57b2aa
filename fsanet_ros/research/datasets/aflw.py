"""
Faces of AFLW with a teacher's labels: the set that our weights are trained on.

Not AFLW as published: faces_120.zip holds face squares of 120 x 120 pixels, labels.npz their poses.
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
    Return the faces that training with this share and seed does not see.

    The pictures end at the face square: crops that reach further, such as the official one, are
    cut off there.

    :param validation_share: of the persons, 0 to 1, as in the recipe; ``seed``: of the split
    :raises FileNotFoundError: naming the file that is missing
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
