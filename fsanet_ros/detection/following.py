"""
Find the faces of a video: in the whole image now and then, in between where they were.

From one image to the next a face moves by a part of its size. The places where faces were, each at
a scale at which a face is neither large nor small to a detector, are put side by side into one
small picture, which takes a fraction of the time of a whole image. A face that is missing there is
looked for in the whole image at once; who comes new is seen when that is searched next, which need
not be waited for.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from fsanet_ros.detection.detector import MAX_OVERLAP_OF_UNION, FaceDetector
from fsanet_ros.detection.shrinking import shrink
from fsanet_ros.geometry.regions import cut_square
from fsanet_ros.types import Box, Face, Image, Square

# Sides in pixels of a place as it is searched: the first that is small enough for all places
# together. They are a whole number of times larger in the image, the smallest of _FACTORS with
# which the face square and what it may move by until the next image lie in it.
TILES_PX = (128, 96, 64)
_FACTORS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32)
_REACH = 1.75
# Places together have at most the first part of the pixels of a whole image as it is searched; the
# smallest ones may have the second.
_WANTED, _MOST = 0.25, 0.55
# Boxes of one face in two images share so much of their union.
_SAME_FACE = 0.25


class _Tile(NamedTuple):
    """
    A square of the image, and where it is in the picture of all.

    ``left``, ``top``: of the square, ``size`` times ``factor`` pixels wide. ``column``, ``row``: in
    the picture, where it is ``size`` pixels wide.
    """

    left: int
    top: int
    factor: int
    size: int
    column: int
    row: int

    def cut(self, image: Image) -> Image:
        """Return what is there, uint8 [size, size, 3]."""
        square = cut_square(image, self.left, self.top, self.size * self.factor)
        return shrink(square, self.size, self.size)

    def in_image(self, face: Face) -> Face:
        """Return a face of the picture of all as one of the image."""
        scale = self.factor
        x = self.left - self.column * self.size * scale
        y = self.top - self.row * self.size * scale
        box, square = face.box.scaled(scale, scale), face.square
        return Face(
            Box(box.x + x, box.y + y, box.width, box.height),
            face.score,
            Square(square.center_x * scale + x, square.center_y * scale + y, square.side * scale),
            None if face.landmarks is None else face.landmarks * scale + (x, y),
        )


class SearchAtOnce:
    """Searches a whole image when it is due: what is found depends on the images alone."""

    def look(
        self, detector: FaceDetector, image: Image, known: Sequence[Face], is_due: bool
    ) -> list[Face]:
        """Return the faces in an image, uint8 [h, w, 3] BGR, if a search is due."""
        return detector.detect(image) if is_due else []

    def close(self) -> None:
        """Nothing runs."""


class SearchBeside:
    """
    Searches whole images in a thread of its own, so that no image waits for it.

    Who is found is looked for in the image that comes when the search is over.
    """

    def __init__(self) -> None:
        """The thread starts with the first search."""
        self._thread = ThreadPoolExecutor(1, thread_name_prefix='search')
        self._future: Future[list[Face]] | None = None

    def look(
        self, detector: FaceDetector, image: Image, known: Sequence[Face], is_due: bool
    ) -> list[Face]:
        """
        Return who is in an image besides the known, and start a search if it is due.

        :param image: uint8 [h, w, 3] BGR; it is kept until the search is over
        :raises Exception: what the detector raised in the search that is over
        """
        new: list[Face] = []
        if self._future is not None and self._future.done():
            new = _others(self._future.result(), known)
            self._future = None
        if is_due and self._future is None:
            self._future = self._thread.submit(detector.detect, image)
        return _around(new, TILES_PX[0], detector, image)

    def close(self) -> None:
        """Wait for what runs, some milliseconds."""
        self._thread.shutdown()


class FaceFollower:
    """
    Finds the faces of one camera's images, with any detector.

    ``period_s``: how often whole images are searched; 0: each. ``detection_size``: in pixels. Both
    may be set at any time.
    """

    def __init__(
        self, period_s: float, detection_size: int, search: SearchAtOnce | SearchBeside
    ) -> None:
        """
        Start with nobody.

        :param detection_size: longest side in pixels at which the detector sees images; see
            FaceDetector
        :param search: how whole images are searched while all faces are where they are expected
        """
        self.period_s = period_s
        self.detection_size = detection_size
        self._search = search
        self._known: list[Face] = []
        self._seen_s = self._searched_s = -math.inf

    def find(self, detector: FaceDetector, image: Image, time_s: float) -> list[Face]:
        """
        Return the faces in an image, as ``FaceDetector.detect`` does.

        :param image: uint8 [h, w, 3] BGR
        :param time_s: its stamp
        :raises ValueError: if the image has another shape or type
        """
        recent = 0.0 <= time_s - self._seen_s < self.period_s
        size = self._tile_size(image) if recent and self._known else 0
        self._seen_s = time_s
        followed = _around(self._known, size, detector, image) if size else []
        if size and len(followed) == len(self._known):
            is_due = not 0.0 <= time_s - self._searched_s < self.period_s
            others = self._search.look(detector, image, followed, is_due)
        else:
            is_due = True
            others = detector.detect(image)
        if is_due:
            self._searched_s = time_s
        if not size:
            # Those who were followed to where a whole image shows them too small.
            followed = _around(_others(self._known, others), TILES_PX[-1], detector, image)
        found = _best_first([*followed, *others])
        self._known = found if self.period_s > 0.0 else []
        return found

    def close(self) -> None:
        """End what runs."""
        self._search.close()

    def _tile_size(self, image: Image) -> int:
        """Return the pixels to search each place with, 0 if a whole image takes no longer."""
        longest = max(image.shape[:2])
        size = min(self.detection_size or longest, longest)
        whole = image.shape[0] * image.shape[1] * (size / longest) ** 2
        columns, rows = _grid(len(self._known))
        for tile in TILES_PX:
            share = columns * rows * tile**2 / whole
            # A detector shrinks what is larger than its size.
            if columns * tile <= size and share <= (_WANTED if tile > TILES_PX[-1] else _MOST):
                return tile
        return 0


def _around(known: Sequence[Face], size: int, detector: FaceDetector, image: Image) -> list[Face]:
    """
    Return what is found of faces at the places where they were.

    :param size: pixels to search each place with, a side
    """
    if not known:
        return []
    columns, rows = _grid(len(known))
    picture = np.zeros((rows * size, columns * size, 3), np.uint8)
    tiles = [_tile(face.square, size, *divmod(i, columns)) for i, face in enumerate(known)]
    for tile in tiles:
        row, column = tile.row * size, tile.column * size
        picture[row : row + size, column : column + size] = tile.cut(image)
    in_tile: dict[tuple[int, int], list[Face]] = {}
    for face in detector.detect(picture):
        x, y = face.box.center
        in_tile.setdefault((int(y // size), int(x // size)), []).append(face)
    found = []
    for face, tile in zip(known, tiles, strict=True):
        here = [tile.in_image(f) for f in in_tile.get((tile.row, tile.column), [])]
        best = max(here, key=lambda f: f.box.iou(face.box), default=None)
        if best is not None and _same(best.box, face.box):
            found.append(best)
    return found


def _tile(square: Square, size: int, row: int, column: int) -> _Tile:
    wanted = _REACH * square.side / size
    factor = next((factor for factor in _FACTORS if factor >= wanted), _FACTORS[-1])
    half = size * factor / 2.0
    left, top = round(square.center_x - half), round(square.center_y - half)
    return _Tile(left, top, factor, size, column, row)


def _grid(count: int) -> tuple[int, int]:
    """Return columns and rows for tiles."""
    columns = math.ceil(math.sqrt(count))
    return columns, math.ceil(count / columns)


def _best_first(faces: Sequence[Face]) -> list[Face]:
    """Return faces without those that come twice, the highest score first."""
    kept: list[Face] = []
    for face in sorted(faces, key=lambda f: -f.score):
        if not any(face.box.iou(other.box) > MAX_OVERLAP_OF_UNION for other in kept):
            kept.append(face)
    return kept


def _others(faces: Sequence[Face], known: Sequence[Face]) -> list[Face]:
    """Return the faces that are none of the known ones."""
    return [face for face in faces if not any(_same(face.box, k.box) for k in known)]


def _same(box: Box, other: Box) -> bool:
    return box.iou(other) >= _SAME_FACE
