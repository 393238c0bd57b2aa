"""
Which part of an image is searched next, so that all of it is searched in a stated time.

A detector finds faces from some 10 pixels on. Images are therefore searched at a scale at which the
smallest face wanted has that size, cut into tiles that overlap, and at half of it, a quarter and so
on for the larger ones, until the whole image fits into one tile. Turned copies of the whole image
show the faces that lie on their side. All of these take turns, a few for each image.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from fsanet_ros.detection.changes import CELL_PX, LOOKS, Cells, has_changed
from fsanet_ros.detection.pauses import doubled_s
from fsanet_ros.detection.windows import Window
from fsanet_ros.types import Square

# The larger side of the landmarks' box, in pixels, from which detectors find most faces.
DETECTABLE_PX = 23.0
# Larger than the image is, nothing new is to be seen.
MAX_SCALE = 2.0
# What tiles have in common, in pixels as shown. A face up to 1/1.3 of that is in one of them with
# all of its box; a larger one is seen at half the scale.
OVERLAP_PX = 80
# Of a tile as shown: longest side, and area over that of a square.
TILE_PX, TILE_AREA = 480, 0.84
# The default: about 7 m away with a focal length of 930 pixels (1280x720, 69 degrees across).
SMALLEST_FACE_PX = 18.0
# The larger side of that box for a mean adult: 32 pixels at 4 m for a focal length of 930 pixels.
FACE_M = 0.138
# For an image, at most: with slow cameras a sweep takes longer.
TILES_PER_IMAGE = 2
# What has been seen often enough is seen again after that time, then after twice, four times ...
SETTLED_S, _LONGEST_S = 5.0, 40.0
# To see that a window has not changed costs such a part of a search; so many are passed at once.
_SETTLED_COST, _SETTLED_PASSED = 0.1, 8
# Where there is time, all is searched more often than it has to be.
_MOST_ROUNDS = 2
# With faces in view, what has never been seen is searched at this share of the pace, and all else
# may take what a detector does in so many seconds for each image.
_UNSEEN_BESIDE_FACES, _BESIDE_FACES_S = 0.3, 0.005
# Detectors see a small face in one place and miss it three pixels beside.
_STEPS_PX = (0, 3, 5)
TURNS_DEG = (90, 270, 180, 45, 315)
# A part that has changed is shown with so much around it, and is at least so large, in pixels.
_AROUND_PX, _LEAST_PX = 16, 96


@dataclass(frozen=True)
class SweepSettings:
    """
    What a sweep is to find, and how soon.

    ``smallest_face_px``: the larger side of the box around brows and chin. ``found_within_s``: all
    tiles are searched once in that time, 0: there is no sweep. ``detection_size``: longest side in
    pixels at which the detector is shown whole images, 0: as they are. ``tiles_per_s``: at most;
    where more would be needed, the smallest face is larger.
    """

    smallest_face_px: float = SMALLEST_FACE_PX
    found_within_s: float = 1.0
    detection_size: int = TILE_PX
    tiles_per_s: float = 27.0


class Sweep:
    """
    Hands out the windows of one camera's images, in turns, at the pace that the time asks for.

    Where nothing has changed since it was last seen, a window is left out: after three looks, in
    which it is moved by some pixels, and then for some seconds.
    """

    def __init__(self) -> None:
        """Start with the first window at the first image."""
        self._key: tuple[int, int, SweepSettings] | None = None
        self._turns: list[_Turn] = []
        self._next = 0
        self._owed = 0.0  # windows
        self._time_s = math.nan

    def next_windows(
        self,
        size: tuple[int, int],
        time_s: float,
        look_at_cells: Callable[[], Cells],
        settings: SweepSettings,
        known: Sequence[Square] = (),
    ) -> list[Window]:
        """
        Return the windows that are to be searched in an image.

        :param size: of the image, width and height in pixels; where it changes, the sweep begins
            anew
        :param time_s: the image's stamp
        :param look_at_cells: returns the image's cells; asked where windows are due
        :param known: faces that are followed: they take most of the time, and their movement is no
            reason to search
        """
        if settings.found_within_s <= 0.0:
            return []
        key = *size, settings
        if key != self._key:
            self._key, self._next = key, 0
            self._turns = [_Turn(window) for window in sweep_windows(*size, settings)]
        passed_s = time_s - self._time_s
        self._time_s = time_s
        if not passed_s >= 0.0:  # the first image, or a recording that starts again
            self._turns = [_Turn(turn.window) for turn in self._turns]
            self._owed = 1.0
        elif passed_s >= settings.found_within_s:  # what has not changed meanwhile stays settled
            self._owed = 1.0
        else:
            owed = passed_s / settings.found_within_s * len(self._turns)
            self._owed += self._paid(owed, settings) if known else owed * self._rounds(settings)
        count = min(math.floor(self._owed + 1e-6), TILES_PER_IMAGE)
        if not count:
            return []
        chosen = self._take(count, size, time_s, look_at_cells(), known)
        self._owed = min(self._owed - len(chosen), 1.0)
        return chosen

    def _rounds(self, settings: SweepSettings) -> int:
        """Return how often the whole sweep fits into its time."""
        fits = settings.tiles_per_s * settings.found_within_s // len(self._turns)
        return min(max(int(fits), 1), _MOST_ROUNDS)

    def _paid(self, owed: float, settings: SweepSettings) -> float:
        """Return the windows that an image with faces pays for, of those that others do."""
        if any(turn.is_unseen for turn in self._turns):
            return _UNSEEN_BESIDE_FACES * owed
        return min(owed, _BESIDE_FACES_S * settings.tiles_per_s)

    def _take(
        self,
        count: int,
        size: tuple[int, int],
        time_s: float,
        cells: Cells,
        known: Sequence[Square],
    ) -> list[Window]:
        """Return so many of the next windows that are worth a look, fewer where few are."""
        chosen: list[Window] = []
        for _ in range(min(len(self._turns), count + _SETTLED_PASSED)):
            if len(chosen) >= count:
                break
            turn = self._turns[self._next]
            self._next = (self._next + 1) % len(self._turns)
            if turn.is_settled(cells, time_s, known):
                self._owed -= _SETTLED_COST
            else:
                chosen.append(turn.take(cells, time_s, *size))
        return chosen


class _Turn:
    """A window that takes its turn, and what it last showed."""

    def __init__(self, window: Window) -> None:
        self.window = window
        self._cells: Cells | None = None
        self._looks = 0
        self._time_s = 0.0

    @property
    def is_unseen(self) -> bool:
        """Whether it has never been taken."""
        return self._cells is None

    def is_settled(self, cells: Cells, time_s: float, known: Sequence[Square]) -> bool:
        """Whether another look would show what the last ones have shown."""
        if self._cells is None:
            return False
        left, top = (start // CELL_PX * CELL_PX for start in (self.window.left, self.window.top))
        here = [Square(k.center_x - left, k.center_y - top, k.side) for k in known]
        if has_changed(self._part(cells), self._cells, here):
            self._looks = 0
        if self._looks < LOOKS:
            return False
        wait_s = doubled_s(SETTLED_S, self._looks - LOOKS, _LONGEST_S)
        return time_s - self._time_s < wait_s

    def take(self, cells: Cells, time_s: float, width: int, height: int) -> Window:
        """Return the window for the next look, moved by a few pixels as shown."""
        self._cells, self._time_s = self._part(cells), time_s
        step_px = _STEPS_PX[self._looks % len(_STEPS_PX)]
        self._looks += 1
        return self.window.moved(round(step_px / self.window.scale), width, height)

    def _part(self, cells: Cells) -> Cells:
        window = self.window
        rows = slice(window.top // CELL_PX, -(-(window.top + window.height) // CELL_PX))
        columns = slice(window.left // CELL_PX, -(-(window.left + window.width) // CELL_PX))
        return cells[rows, columns]


def sweep_windows(width: int, height: int, settings: SweepSettings) -> list[Window]:
    """Return the windows in which all faces of an image are seen, the finest scale first."""
    whole = whole_view(width, height, settings.detection_size).scale
    tile_px = min(settings.detection_size or TILE_PX, TILE_PX)
    finest = min(MAX_SCALE, DETECTABLE_PX / settings.smallest_face_px)
    most = max(1.0, settings.tiles_per_s * settings.found_within_s)
    turned = [turned_view(width, height, turn, tile_px) for turn in TURNS_DEG]
    upright = _pyramid(width, height, finest, whole, tile_px)
    while len(upright) + len(turned) > most and finest > whole:
        finest = max(whole, 0.95 * finest)
        upright = _pyramid(width, height, finest, whole, tile_px)
    whole_image = whole_view(width, height, settings.detection_size)
    return _interleaved([*upright, whole_image], turned)


def whole_view(width: int, height: int, detection_size: int) -> Window:
    """Return the whole image as a detector is shown it; its size is 0 for no limit."""
    scale = min(1.0, (detection_size or max(width, height)) / max(width, height))
    return Window(
        left=0,
        top=0,
        width=width,
        height=height,
        shown_width=max(1, round(width * scale)),
        shown_height=max(1, round(height * scale)),
    )


def close_view(part: tuple[int, int, int, int], width: int, height: int, whole: Window) -> Window:
    """
    Return a part of an image, in no more pixels than the whole has; the whole if that is as good.

    :param part: left, top, width, height in pixels
    :param width: of the image in pixels
    """
    left, right = _widened(part[0], part[2], width)
    top, bottom = _widened(part[1], part[3], height)
    longest, pixels = max(whole.shown_size), whole.shown_width * whole.shown_height
    area = (right - left) * (bottom - top)
    scale = min(MAX_SCALE, longest / max(right - left, bottom - top), math.sqrt(pixels / area))
    if scale < 1.1 * whole.scale:
        return whole
    shown = round((right - left) * scale), round((bottom - top) * scale)
    return Window(left, top, right - left, bottom - top, *shown)


def turned_view(width: int, height: int, turn_deg: int, tile_px: int) -> Window:
    """Return the whole image turned, in no more pixels than a tile has."""
    upright = whole_view(width, height, tile_px)
    view = replace(upright, turn_deg=turn_deg)
    longest = max(view.shown_size)
    if longest <= tile_px:
        return view
    smaller = tile_px / (longest + 1)
    return replace(
        view,
        shown_width=max(1, int(view.shown_width * smaller)),
        shown_height=max(1, int(view.shown_height * smaller)),
    )


def _widened(start: int, length: int, limit: int) -> tuple[int, int]:
    around = max(_AROUND_PX, (_LEAST_PX - length + 1) // 2)
    return max(0, start - around), min(limit, start + length + around)


def _pyramid(width: int, height: int, finest: float, whole: float, tile_px: int) -> list[Window]:
    windows: list[Window] = []
    scale = finest
    # A quarter more is not worth a search of its own.
    while scale > 1.25 * whole or (scale > 1.0 and whole >= 1.0):
        windows += _tiles(width, height, scale, tile_px)
        scale /= 2.0
    return windows


def _tiles(width: int, height: int, scale: float, tile_px: int) -> list[Window]:
    """Return the tiles that cover an image at a scale, row by row."""
    shown = round(width * scale), round(height * scale)
    columns, rows = _columns_and_rows(*shown, tile_px)
    across, down = _spans(width, columns, scale), _spans(height, rows, scale)
    return [
        Window(left, top, wide, high, round(wide * scale), round(high * scale))
        for top, high in down
        for left, wide in across
    ]


def _columns_and_rows(width: int, height: int, tile_px: int) -> tuple[int, int]:
    """Return the fewest tiles that are not too large."""
    best = None
    for columns in range(1, 200):
        wide = (width + OVERLAP_PX * (columns - 1)) / columns
        if wide > tile_px:
            continue
        highest = min(float(tile_px), TILE_AREA * tile_px**2 / wide)
        rows = max(1, math.ceil((height - OVERLAP_PX) / max(highest - OVERLAP_PX, 1.0)))
        count = columns * rows
        if best is None or count < best[0]:
            best = count, columns, rows
        if best is not None and columns > best[0]:
            break
    assert best is not None, 'no image is so wide'
    return best[1], best[2]


def _spans(length: int, count: int, scale: float) -> list[tuple[int, int]]:
    """Return start and length, in pixels of the image, of parts that overlap."""
    overlap = OVERLAP_PX / scale if count > 1 else 0.0
    size = min(length, math.ceil((length + overlap * (count - 1)) / count))
    return [(round(k * (length - size) / max(count - 1, 1)), size) for k in range(count)]


def _interleaved(many: list[Window], few: list[Window]) -> list[Window]:
    """Return both lists as one, the shorter spread over the longer."""
    placed = [((k + 0.5) / len(many), window) for k, window in enumerate(many)]
    placed += [((k + 0.5) / len(few), window) for k, window in enumerate(few)]
    return [window for _, window in sorted(placed, key=lambda pair: pair[0])]
