"""
Heads whose face is found no more although they are still there: who turns away.

What was around a face in one image is looked for in the next: a patch of some hundred pixels,
compared by normalised correlation, a tenth of a millisecond for each head. It is cut anew in each
image, as a head that turns soon looks different.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from fsanet_ros.detection.matching import is_same
from fsanet_ros.types import Face, Image

# Pixels of a patch that are compared, a side; its side over the face square's; and how far around
# it is looked for, in sides.
_PATCH_PX, _AROUND, _REACH = 24, 1.3, 0.5
# Correlation from which a patch is the same, 0 to 1, and the contrast, in grey levels, below which
# a patch looks like any other.
_LEAST_MATCH, _LEAST_CONTRAST = 0.6, 6.0


@dataclass(frozen=True, eq=False)
class _Patch:
    """Every ``step``-th pixel of a square of an image, uint8 [24, 24], whose corner is there."""

    pixels: NDArray[np.uint8]
    left: int
    top: int
    step: int


@dataclass(frozen=True, eq=False)
class _Head:
    """A head, its patch in the last image, and when its face was seen last."""

    face: Face
    patch: _Patch
    seen_s: float


class TurnedAway:
    """Keeps the heads of one camera's images whose faces were found a moment ago."""

    def __init__(self) -> None:
        """Start with nobody."""
        self._heads: list[_Head] = []

    def look(self, image: Image, time_s: float, faces: Sequence[Face], keep_s: float) -> list[Face]:
        """
        Return the heads that are still there without being found, as faces that are not seen.

        :param image: uint8 [h, w, 3] BGR
        :param time_s: its stamp
        :param faces: that were found in it
        :param keep_s: for how long after a face was found
        """
        away: list[_Head] = []
        for head in self._heads:
            if not 0.0 <= time_s - head.seen_s <= keep_s or _is_among(head.face, faces):
                continue
            moved = _moved(head, image)
            if moved is not None and not _is_among(moved.face, [*faces, *(h.face for h in away)]):
                away.append(moved)
        cut = [(face, _cut(image, face)) for face in faces] if keep_s > 0.0 else []
        self._heads = [_Head(face, patch, time_s) for face, patch in cut if patch is not None]
        self._heads += away
        return [head.face for head in away]


def _is_among(face: Face, others: Sequence[Face]) -> bool:
    return any(is_same(face.box, other.box) for other in others)


def _cut(image: Image, face: Face) -> _Patch | None:
    """Return the patch of a face, None at the image's border."""
    step = max(1, round(_AROUND * face.square.side / _PATCH_PX))
    side = _PATCH_PX * step
    left, top = (round(c - side / 2.0) for c in (face.square.center_x, face.square.center_y))
    return _cut_at(image, left, top, step)


def _cut_at(image: Image, left: int, top: int, step: int) -> _Patch | None:
    side = _PATCH_PX * step
    if min(left, top) < 0 or left + side > image.shape[1] or top + side > image.shape[0]:
        return None
    pixels = image[top : top + side : step, left : left + side : step, 1]
    return _Patch(np.ascontiguousarray(pixels), left, top, step)


def _moved(head: _Head, image: Image) -> _Head | None:
    """Return a head where its patch is in this image, None if it is nowhere near."""
    patch = head.patch
    if float(patch.pixels.std()) < _LEAST_CONTRAST:
        return None
    reach = round(_REACH * _PATCH_PX)
    before_x, before_y = (min(reach, start // patch.step) for start in (patch.left, patch.top))
    left, top = patch.left - before_x * patch.step, patch.top - before_y * patch.step
    right, bottom = (start + (_PATCH_PX + reach) * patch.step for start in (patch.left, patch.top))
    around = np.ascontiguousarray(image[top : bottom : patch.step, left : right : patch.step, 1])
    if min(around.shape) < _PATCH_PX:  # the camera has changed its size
        return None
    match = cv2.matchTemplate(around, patch.pixels, cv2.TM_CCOEFF_NORMED)
    _, best, _, (column, row) = cv2.minMaxLoc(match)
    if not best >= _LEAST_MATCH:
        return None
    # Between the pixels that are compared: else a slow head is lost bit by bit.
    x = round((column + _peak(match[row], column) - before_x) * patch.step)
    y = round((row + _peak(match[:, column], row) - before_y) * patch.step)
    face = replace(head.face.moved(x, y), score=0.0, landmarks=None, seen=False)
    moved = _cut_at(image, patch.left + x, patch.top + y, patch.step)
    return None if moved is None else _Head(face, moved, head.seen_s)


def _peak(values: NDArray[np.float32], index: int) -> float:
    """Return how far from its greatest value a curve is greatest, -0.5 to 0.5."""
    if not 0 < index < len(values) - 1:
        return 0.0
    before, here, after = values[index - 1 : index + 2].tolist()
    bend = before - 2.0 * here + after
    return 0.5 * (before - after) / bend if bend < 0.0 else 0.0
