"""What nobody waits for: searched at once, or beside the images that follow."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from fsanet_ros.detection.detector import FaceDetector
from fsanet_ros.detection.matching import best_first, others
from fsanet_ros.detection.places import NEAR_REACH, TILES_PX, at_places
from fsanet_ros.detection.windows import Window, detect_in
from fsanet_ros.types import Face, Image

# What windows show is looked at a second time before it counts: so less is enough at first.
SCORE_SHARE = 0.33
# Enlarged, faces of 18 pixels are as sure as any, and two thirds of what is none are below the
# first part of the way from the threshold to 1. Patterns are rarely as large as the third, the side
# of a face square: from there on the second part is enough for faces that were found turned; a face
# that stands on its head is half as sure upright.
_SURE_SHARE, _TURNED_SHARE, _LARGE_PX = 0.35, 0.15, 64.0
# With this share of the threshold a large face is looked at in the turns beside its own.
_NEARLY_SHARE = 0.6
# So many candidates are looked at a second time in a search.
_CANDIDATES = 6
_EIGHTHS_DEG = range(0, 360, 45)
_TURNED_TILE_PX = TILES_PX[1]
# Another turn has to score so much better.
_BETTER_SCORE = 0.05


@dataclass(frozen=True, eq=False)
class Job:
    """
    A search in an image, uint8 [h, w, 3] BGR, which is kept until the search is over.

    ``windows`` are searched for faces that are none of ``known``; those that are sure at a second
    look, enlarged, are found, if their face square has a side of ``least_side_px``: smaller ones
    are mostly patterns. ``to_turn``: faces of which the best turn is asked for, by any number.
    """

    detector: FaceDetector
    image: Image
    windows: Sequence[Window]
    known: Sequence[Face]
    least_side_px: float = 0.0
    to_turn: Mapping[int, Face] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to search."""
        return not self.windows and not self.to_turn


@dataclass(frozen=True, eq=False)
class Found:
    """``faces``: new ones. ``turned``: faces that were asked for, and as they are best seen."""

    faces: Sequence[Face] = ()
    turned: Mapping[int, tuple[Face, Face]] = field(default_factory=dict)


class SearchAtOnce:
    """Searches when it is asked to: what is found depends on the images alone."""

    ready = True

    def look(self, job: Job) -> Found:
        """Return what a search finds."""
        return search(job)

    def close(self) -> None:
        """Nothing runs."""


class SearchBeside:
    """
    Searches in a thread of its own, so that no image waits for it.

    What is found is handed out with the image that comes when the search is over.
    """

    def __init__(self) -> None:
        """The thread starts with the first search."""
        self._thread = ThreadPoolExecutor(1, thread_name_prefix='search')
        self._future: Future[Found] | None = None

    @property
    def ready(self) -> bool:
        """Whether a search can be started."""
        return self._future is None or self._future.done()

    def look(self, job: Job) -> Found:
        """
        Return what the search that is over has found, and start one if it can be started.

        :raises Exception: what the detector raised in the search that is over
        """
        found = Found()
        if self._future is not None and self._future.done():
            over, self._future = self._future, None
            found = over.result()
        if self._future is None and not job.is_empty:
            self._future = self._thread.submit(search, job)
        return found

    def close(self) -> None:
        """Wait for what runs, some milliseconds."""
        self._thread.shutdown()


def search(job: Job) -> Found:
    """Return what a search finds."""
    unsure = detect_in_all(job.detector, job.image, job.windows)
    large = [face for face in unsure if face.square.side >= job.least_side_px]
    unknown = others(large, job.known)[:_CANDIDATES]
    faces = confirmed(job.detector, job.image, unknown)
    return Found(faces, _best_turned(job))


def detect_in_all(detector: FaceDetector, image: Image, windows: Iterable[Window]) -> list[Face]:
    """Return what may be faces in windows of an image, the best first and none twice."""
    return best_first(
        face for window in windows for face in detect_in(detector, image, window, SCORE_SHARE)
    )


def confirmed(detector: FaceDetector, image: Image, unsure: Sequence[Face]) -> list[Face]:
    """Return which faces are sure at a second look, enlarged, as they are then seen."""
    looks = at_places(unsure, TILES_PX[0], detector, image, score_share=_NEARLY_SHARE)
    found = list(looks.values())
    sure = [face for face in found if face.score >= _least_score(detector, face)]
    # A large face may lie between two turns.
    nearly = [face for face in others(found, sure) if face.square.side >= _LARGE_PX]
    turned = [
        replace(face, turn_deg=(face.turn_deg + turn) % 360.0)
        for face in nearly
        for turn in (45.0, -45.0)
    ]
    again = at_places(turned, TILES_PX[0], detector, image).values()
    sure += [face for face in again if face.score >= _least_score(detector, face)]
    return best_first(sure)


def _least_score(detector: FaceDetector, face: Face) -> float:
    threshold = float(getattr(detector, 'score_threshold', 0.0))
    is_large_and_turned = face.turn_deg != 0.0 and face.square.side >= _LARGE_PX
    share = _TURNED_SHARE if is_large_and_turned else _SURE_SHARE
    return threshold + share * (1.0 - threshold)


def _best_turned(job: Job) -> dict[int, tuple[Face, Face]]:
    """Return faces as they were and in the turn in which they score best."""
    asked = [
        replace(face, turn_deg=float(turn))
        for face in job.to_turn.values()
        for turn in _EIGHTHS_DEG
    ]
    # Where they are is known: little around them is shown, and so they are shown large.
    reaches = [NEAR_REACH] * len(asked)
    found = at_places(asked, _TURNED_TILE_PX, job.detector, job.image, reaches=reaches)
    best: dict[int, tuple[Face, Face]] = {}
    for place, (number, face) in enumerate(job.to_turn.items()):
        first = place * len(_EIGHTHS_DEG)
        turns = [found[k] for k in range(first, first + len(_EIGHTHS_DEG)) if k in found]
        best[number] = face, _best_of_turns(face, turns)
    return best


def _best_of_turns(face: Face, turns: Sequence[Face]) -> Face:
    """Return a face as it is, unless it is seen better in another turn, at the same scale."""
    best = max(turns, key=lambda f: f.score, default=face)
    as_it_is = max((f.score for f in turns if f.turn_deg == face.turn_deg), default=0.0)
    return best if best.score > as_it_is + _BETTER_SCORE else face
