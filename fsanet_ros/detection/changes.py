"""
Where something has changed in the images of a camera: somebody new is nowhere else.

Images are compared in cells of 8 x 8 pixels, of which 4 are looked at: a quarter of a millisecond
for 1920x1080.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from fsanet_ros.types import Image, Square

CELL_PX = 8
Cells = NDArray[np.int16]

# Grey levels by which a cell has to change: several times what a sensor's noise makes of it.
_LEAST_CHANGE = 12
_LEAST_CELLS = 2
# So many images in a row are compared with the same one: who is not found at first is looked at
# again.
LOOKS = 3


def cells_of(image: Image) -> Cells:
    """
    Return the brightness of an image in cells, int16 [rows, columns], at least one.

    :param image: uint8 [h, w, 3] BGR
    """
    height, width = image.shape[:2]
    step = CELL_PX // 2
    sparse = image[step // 2 :: step, step // 2 :: step, 1]
    if not sparse.size:
        sparse = image[:, :, 1]
    size = max(1, width // CELL_PX), max(1, height // CELL_PX)
    small = cv2.resize(np.ascontiguousarray(sparse), size, interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.int16)


def changed_cells(cells: Cells, earlier: Cells) -> NDArray[np.uint8]:
    """Return 1 where cells differ by more than noise and exposure, uint8, of their shape."""
    difference = cells - earlier
    # The camera's exposure changes the whole image.
    difference -= np.int16(np.median(difference[::4, ::4]))
    return (np.abs(difference) >= _LEAST_CHANGE).astype(np.uint8)


def has_changed(cells: Cells, earlier: Cells, known: Sequence[Square] = ()) -> bool:
    """
    Whether a face or more may have come: cells of another shape have.

    :param known: faces, in pixels of what the cells show, whose movement is no change
    """
    if cells.shape != earlier.shape:
        return True
    changed = changed_cells(cells, earlier)
    for square in known:
        _clear(changed, square)
    return int(np.count_nonzero(changed)) >= _LEAST_CELLS


class Changes:
    """Compares the images of one camera with earlier ones."""

    def __init__(self) -> None:
        """Start without an image: the whole of the first has changed."""
        self._earlier: deque[Cells] = deque(maxlen=LOOKS)

    def look(
        self, cells: Cells, image_size: tuple[int, int], known: Sequence[Square]
    ) -> tuple[int, int, int, int] | None:
        """
        Return the part of an image that differs from three looks ago, None if none does.

        :param cells: of the image
        :param image_size: its width and height in pixels
        :param known: faces of which it is known that they move
        :returns: left, top, width, height in pixels
        """
        if self._earlier and self._earlier[0].shape != cells.shape:
            self._earlier.clear()
        earlier = self._earlier[0] if self._earlier else None
        self._earlier.append(cells)
        if earlier is None:
            return 0, 0, *image_size
        changed = changed_cells(cells, earlier)
        for square in known:
            _clear(changed, square)
        return _bounds(changed, *image_size) if changed.any() else None


def _clear(changed: NDArray[np.uint8], square: Square) -> None:
    box = square.scaled(1.6).box
    left, right = (max(0, round(x / CELL_PX)) for x in (box.x, box.x + box.width))
    top, bottom = (max(0, round(y / CELL_PX)) for y in (box.y, box.y + box.height))
    changed[top:bottom, left:right] = 0


def _bounds(
    changed: NDArray[np.uint8], width: int, height: int
) -> tuple[int, int, int, int] | None:
    """Return the rectangle, in pixels, around all changes that are more than a cell."""
    _, _, stats, _ = cv2.connectedComponentsWithStats(changed, connectivity=8)
    blobs = stats[1:][stats[1:, cv2.CC_STAT_AREA] >= _LEAST_CELLS]
    if not len(blobs):
        return None
    left, top = (CELL_PX * int(blobs[:, k].min()) for k in (0, 1))
    right, bottom = (CELL_PX * int((blobs[:, k] + blobs[:, k + 2]).max() + 1) for k in (0, 1))
    return left, top, min(width, right) - left, min(height, bottom) - top
