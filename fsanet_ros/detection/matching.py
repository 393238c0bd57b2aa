"""Which faces are the same, in one image or in two."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fsanet_ros.detection.detector import MAX_OVERLAP_OF_UNION
from fsanet_ros.types import Box, Face

# Boxes of one face in two images share so much of their union.
_SAME_FACE = 0.25
# A box of which so much lies in another is the same face at another scale: heads are not nested.
_NESTED = 0.8


def best_first(faces: Iterable[Face]) -> list[Face]:
    """Return faces without those that come twice, the highest score first."""
    kept: list[Face] = []
    for face in sorted(faces, key=lambda f: -f.score):
        if not any(_comes_twice(face.box, k.box) for k in kept):
            kept.append(face)
    return kept


def _comes_twice(box: Box, other: Box) -> bool:
    if box.iou(other) > MAX_OVERLAP_OF_UNION:
        return True
    smaller = min(box.area, other.area)
    return smaller > 0.0 and box.shared_area(other) > _NESTED * smaller


def others(faces: Iterable[Face], known: Sequence[Face]) -> list[Face]:
    """Return the faces that are none of the known ones."""
    return [face for face in faces if not any(is_same(face.box, k.box) for k in known)]


def nearest(faces: Iterable[Face], expected: Face) -> Face | None:
    """Return which of the faces is the expected one, None if none is."""
    best = max(faces, key=lambda f: f.box.iou(expected.box), default=None)
    return best if best is not None and is_same(best.box, expected.box) else None


def is_same(box: Box, other: Box) -> bool:
    """Whether boxes of two images are those of one face."""
    return box.iou(other) >= _SAME_FACE
