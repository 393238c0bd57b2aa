"""
Find the faces of a video: where they were, where something has changed, and in turns everywhere.

From one image to the next a face moves by a part of its size: faces that are known are looked for
in small squares of the image (places.py), which takes a fraction of the time of a whole image. Who
comes new is looked for in the whole image now and then, where the image has changed (changes.py),
and in a sweep through the image at its full resolution (sweep.py). With faces in view nothing of
that has to be waited for (searching.py).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property

from fsanet_ros.detection.changes import LOOKS, Cells, Changes, cells_of
from fsanet_ros.detection.detector import FaceDetector
from fsanet_ros.detection.known import Known
from fsanet_ros.detection.matching import best_first, is_same, nearest, others
from fsanet_ros.detection.mounting import find_upright
from fsanet_ros.detection.places import TILES_PX, at_places, tile_size
from fsanet_ros.detection.searching import (
    Found,
    Job,
    SearchAtOnce,
    SearchBeside,
    confirmed,
    detect_in_all,
)
from fsanet_ros.detection.sweep import (
    FACE_M,
    SMALLEST_FACE_PX,
    Sweep,
    SweepSettings,
    close_view,
    whole_view,
)
from fsanet_ros.detection.turned_away import TurnedAway
from fsanet_ros.detection.windows import Window
from fsanet_ros.types import Face, Image

__all__ = ['FaceFollower', 'SearchAtOnce', 'SearchBeside']

# Less than the detector's threshold is enough for a face that was sure so short a time ago.
_SURE_S, _UNSURE_SHARE = 1.0, 0.5
# A face that is not found where it should be is looked for there for so long.
LOST_S = 0.5
# Where a face square has this many pixels in a whole view, that shows it.
_SEEN_IN_WHOLE_PX = 24.0
# While an image waits, so many candidates are looked at again.
_CANDIDATES_NOW = 2
# Faces whose best turn is asked for in a search.
_TURNS = 2
# A new face may be so much smaller than the smallest that is searched for.
_SMALLER = 0.75
# Where nothing has changed, whole images are searched as often after some looks.
_STILL_S = 1.0
# Tiles in a second that a detector can be asked for, if it does not say so itself.
_TILES_PER_S = 25.0


class _Look:
    """An image, what belongs to it, and what is worked out of it when it is asked for."""

    def __init__(
        self, detector: FaceDetector, image: Image, time_s: float, detection_size: int
    ) -> None:
        self.detector, self.image, self.time_s = detector, image, time_s
        self.size = image.shape[1], image.shape[0]
        self.whole = whole_view(*self.size, detection_size)
        self.threshold: float = getattr(detector, 'score_threshold', 0.0)

    @cached_property
    def cells(self) -> Cells:
        return cells_of(self.image)


class FaceFollower:
    """
    Finds the faces of one camera's images, with any detector.

    All may be set at any time: ``period_s``, how often whole images are searched, 0: each, and then
    nothing else is. ``detection_size``: in pixels; what a detector is shown is no larger.
    ``smallest_face_px``, ``found_within_s``: how small a new face may be (the larger side of the
    box around brows and chin) and how soon it is searched for, 0: only whole images are searched;
    see sweep.SweepSettings. ``max_distance_m`` replaces the smallest face where ``focal_px``, the
    camera's focal length in pixels, is known, 0: it does not. ``turned_away_s``: how long a
    head that is still there without being found is returned, as a face that is not seen.
    ``mounting_deg``: how far the camera is turned clockwise, seen from behind it, one of
    MOUNTINGS_DEG.
    """

    def __init__(
        self, period_s: float, detection_size: int, search: SearchAtOnce | SearchBeside
    ) -> None:
        """
        Start with nobody.

        :param detection_size: longest side in pixels at which the detector sees images; see
            FaceDetector
        :param search: how images are searched while all faces are where they are expected
        """
        self.period_s = period_s
        self.detection_size = detection_size
        self.smallest_face_px = SMALLEST_FACE_PX
        self.found_within_s = 1.0
        self.max_distance_m = 0.0
        self.focal_px: float | None = None
        self.turned_away_s = 3.0
        self.mounting_deg = 0
        self._search = search
        self._sweep = Sweep()
        self._changes = Changes()
        self._turned_away = TurnedAway()
        self._known: list[Known] = []
        self._count = 0
        self._asked: tuple[FaceDetector, float, int] | None = None
        self._seen_s = self._searched_s = self._compared_s = -math.inf
        self._still = 0  # searches of the whole image in a row in which nothing had changed

    def find(self, detector: FaceDetector, image: Image, time_s: float) -> list[Face]:
        """
        Return the faces in an image, as ``FaceDetector.detect`` does, and who has turned away.

        :param image: uint8 [h, w, 3] BGR
        :param time_s: its stamp
        :raises ValueError: if the image has another shape or type
        """
        return find_upright(
            lambda upright: self._find(detector, upright, time_s), image, self.mounting_deg
        )

    def _find(self, detector: FaceDetector, image: Image, time_s: float) -> list[Face]:
        if self.period_s <= 0.0:
            return detector.detect(image)
        recent = 0.0 <= time_s - self._seen_s < self.period_s
        self._seen_s = time_s
        look = _Look(detector, image, time_s, self.detection_size)
        asked = detector, look.threshold, self.detection_size
        if asked != self._asked:  # another may see what was looked at, and miss what is known
            self._asked, self._known, self._searched_s, self._still = asked, [], -math.inf, 0
        expected = [known.expected(time_s) for known in self._known]
        sides = [face.square.side for face in expected]
        size = tile_size(sides, look.whole.shown_size) if recent else 0
        seen = self._follow(look, expected, size)
        now = self._window_now(look, seen, recent and bool(size or not expected))
        found = detect_in_all(detector, image, [now] if now else [])
        sure = [face for face in found if now is look.whole and face.score >= look.threshold]
        if not size:
            seen = _pair(look, expected, sure)
        new = others(sure, list(seen.values()))
        if now is not None and now is not look.whole:
            large = [face for face in found if face.square.side >= self._least_side_px]
            unsure = others(large, list(seen.values()))[:_CANDIDATES_NOW]
            new += confirmed(detector, image, unsure)
        beside = self._search_beside(look, seen, new)
        # They were found in an earlier image.
        unseen = others(beside.faces, [*seen.values(), *new])
        new += at_places(unseen, TILES_PX[0], detector, image).values()
        self._keep(look, expected, seen, new)
        self._turn(beside.turned)
        faces = best_first(known.face for known in self._known if not known.missed)
        return faces + self._turned_away.look(image, time_s, faces, self.turned_away_s)

    def close(self) -> None:
        """End what runs."""
        self._search.close()

    def _follow(self, look: _Look, expected: Sequence[Face], size: int) -> dict[int, Face]:
        """Return which of the known are where they are expected, by their index."""
        if not size:
            return {}
        reaches = [known.reach for known in self._known]
        found = at_places(
            expected,
            size,
            look.detector,
            look.image,
            reaches=reaches,
            score_share=_UNSURE_SHARE,
        )
        return {
            index: face
            for index, face in found.items()
            if face.score >= look.threshold or look.time_s - self._known[index].sure_s <= _SURE_S
        }

    def _window_now(self, look: _Look, seen: dict[int, Face], recent: bool) -> Window | None:
        """Return what must be searched before the image is answered."""
        if not recent or self._lost_a_near_one(seen, look.whole.scale):
            self._searched_s = self._compared_s = look.time_s
            self._still = 0
            return look.whole
        if seen:
            return None
        changed = self._changed(look, [])
        return look.whole if self._whole_is_due(look.time_s, changed) else changed

    def _changed(self, look: _Look, seen: Sequence[Face]) -> Window | None:
        """Return what has changed besides the faces that are seen, None if nothing has."""
        known = [face.square for face in seen]
        changed = self._changes.look(look.cells, look.size, known)
        return None if changed is None else close_view(changed, *look.size, look.whole)

    def _search_beside(self, look: _Look, seen: dict[int, Face], new: Sequence[Face]) -> Found:
        """Start what is searched beside the images that follow, if it can be; see Job."""
        windows: list[Window] = []
        to_turn: dict[int, Face] = {}
        known = [*seen.values(), *new]
        if self._search.ready:
            settings = self._sweep_settings(look.detector)
            squares = [face.square for face in known]
            windows = self._sweep.next_windows(
                look.size, look.time_s, lambda: look.cells, settings, squares
            )
            if known and not 0.0 <= look.time_s - self._compared_s < self.period_s:
                windows[:0] = self._due_windows(look, known)
            to_turn = self._take_those_to_turn(seen, look.time_s)
        return self._search.look(
            Job(
                look.detector,
                look.image,
                windows,
                known,
                self._least_side_px,
                to_turn,
            )
        )

    @property
    def _smallest_px(self) -> float:
        """The larger side of the landmarks' box of the smallest face that is searched for."""
        if self.max_distance_m > 0.0 and self.focal_px is not None:
            return FACE_M * self.focal_px / self.max_distance_m
        return self.smallest_face_px

    @property
    def _least_side_px(self) -> float:
        """The side of the smallest face square that a new face may have."""
        return _SMALLER * math.sqrt(2.0) * self._smallest_px

    def _sweep_settings(self, detector: FaceDetector) -> SweepSettings:
        return SweepSettings(
            self._smallest_px,
            self.found_within_s,
            self.detection_size,
            getattr(detector, 'tiles_per_s', _TILES_PER_S),
        )

    def _due_windows(self, look: _Look, known: Sequence[Face]) -> list[Window]:
        """Return what has changed besides the known faces, or the whole image."""
        self._compared_s = look.time_s
        changed = self._changed(look, known)
        if changed is not None:
            self._still = 0
            return [changed]
        return [look.whole] if self._whole_is_due(look.time_s, None) else []

    def _whole_is_due(self, time_s: float, changed: Window | None) -> bool:
        """Whether the whole image is to be searched now, and if so take it for searched."""
        if changed is not None:
            self._still = 0
        period_s = self.period_s if self._still < LOOKS else max(self.period_s, _STILL_S)
        if 0.0 <= time_s - self._searched_s < period_s:
            return False
        self._searched_s = time_s
        self._still += 1
        return True

    def _lost_a_near_one(self, seen: dict[int, Face], scale: float) -> bool:
        """Whether somebody has just gone missing whom a whole view would show."""
        return any(
            index not in seen
            and not known.missed
            and known.face.square.side * scale >= _SEEN_IN_WHOLE_PX
            for index, known in enumerate(self._known)
        )

    def _keep(
        self,
        look: _Look,
        expected: Sequence[Face],
        seen: dict[int, Face],
        new: Sequence[Face],
    ) -> None:
        """Take in the faces of an image: those seen again, the new and for a while the lost."""
        found = best_first([*seen.values(), *new])
        time_s = look.time_s
        known: list[Known] = []
        for index, one in enumerate(self._known):
            face = seen.get(index)
            if face is not None:
                if any(face is other for other in found):
                    known.append(one.seen_again(face, time_s, face.score >= look.threshold))
            elif 0.0 <= time_s - one.seen_s <= LOST_S and not any(
                is_same(other.box, expected[index].box) for other in found
            ):
                known.append(replace(one, missed=one.missed + 1))
        for face in new:
            if any(face is f for f in found):
                self._count += 1
                known.append(Known(face, time_s, time_s, number=self._count))
        self._known = known

    def _take_those_to_turn(self, seen: dict[int, Face], time_s: float) -> dict[int, Face]:
        """Return some of the seen whose best turn is to be asked for, by their numbers."""
        due = [index for index in seen if self._known[index].turn_is_due(time_s)]
        due = sorted(due, key=lambda index: self._known[index].turned_s)[:_TURNS]
        for index in due:
            self._known[index] = self._known[index].asked_to_turn(time_s)
        return {self._known[index].number: seen[index] for index in due}

    def _turn(self, turned: Mapping[int, tuple[Face, Face]]) -> None:
        """Take in how faces are best seen."""
        if turned:
            self._known = [
                known.turned(*turned[known.number]) if known.number in turned else known
                for known in self._known
            ]


def _pair(look: _Look, expected: Sequence[Face], found: Sequence[Face]) -> dict[int, Face]:
    """Return which of the expected a whole image shows, or their place where it is too small."""
    seen = {}
    for index, one in enumerate(expected):
        face = nearest(found, one)
        if face is not None and not one.turn_deg:  # its place shows a turned one upright
            seen[index] = face
    unseen = [index for index in range(len(expected)) if index not in seen]
    places = at_places([expected[k] for k in unseen], TILES_PX[-1], look.detector, look.image)
    return seen | {unseen[k]: face for k, face in places.items()}
