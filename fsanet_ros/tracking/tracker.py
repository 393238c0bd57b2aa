"""
Identities: which head of this image is which of the last ones.

Each head that is seen has a track, which predicts where it will be (motion.py); the heads of an
image are assigned to the tracks as a whole (assignment.py). All times are the images' stamps.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fsanet_ros.tracking.assignment import assign, is_same_face
from fsanet_ros.tracking.motion import BoxMotion, Steps
from fsanet_ros.tracking.smoothing import SMOOTHINGS, Smoother, make_smoother
from fsanet_ros.types import FloatArray, Head

__all__ = ['SMOOTHINGS', 'HeadTracker', 'TrackedHead']

# Between two images a head is not hidden, however short it may be hidden: a slow camera, down to
# 0.5 Hz, whose images may come late.
BETWEEN_IMAGES_S = 2.5
# So many images in a row without it are the end of a face that is not announced; one, if it was
# seen only once.
UNANNOUNCED_MISSES = 2
_ROUNDING_S = 1e-6
# A head that is not found any more may have turned away if it was turned by so much, 45 degrees.
_AWAY_COSINE = math.sqrt(0.5)


@dataclass(frozen=True, eq=False)
class TrackedHead:
    """
    A head with its identity.

    ``head``: smoothed; its ``face`` is the detection as it is. ``age_s``: the time since the head
    was first seen, which is before it was announced.
    """

    id: str
    head: Head
    age_s: float


def _looks_away(head: Head) -> bool:
    """Whether a head's face points so far from the camera that it may soon be out of sight."""
    nose = head.nose_direction
    if head.position_m is None:
        return bool(-nose[2] < _AWAY_COSINE)
    return bool(-nose @ head.position_m < _AWAY_COSINE * np.linalg.norm(head.position_m))


class _Track:
    """One head from image to image; ``id`` is empty until it is announced."""

    def __init__(self, head: Head, time_s: float, smoother: Smoother) -> None:
        self.id = ''
        self.first_seen_s = self.last_seen_s = time_s
        self.unseen_s = 0.0
        self.seen, self.missed = 1, 0
        self.motion = BoxMotion(head.face.box)
        self.rotation: FloatArray = head.rotation_optical
        self.looked_away = _looks_away(head)
        self.is_away = False
        self.smoother = smoother
        self.head = smoother.smooth(head, time_s)

    @property
    def announced(self) -> bool:
        return self.id != ''

    def advance(self, steps: Steps, time_s: float) -> None:
        self.motion.advance(steps)
        self.unseen_s = time_s - self.last_seen_s

    def see(self, head: Head, time_s: float) -> None:
        self.motion.correct(head.face.box)
        if head.rotation_known:
            self.rotation = head.rotation_optical
            self.looked_away = _looks_away(head)
        self.head = self.smoother.smooth(head, time_s)
        self.last_seen_s, self.unseen_s = time_s, 0.0
        self.seen, self.missed = self.seen + 1, 0

    def stay(self, head: Head, time_s: float) -> None:
        """Take in where the head is that has turned away."""
        self.motion.correct(head.face.box)
        self.head = self.smoother.smooth(head, time_s)
        self.is_away = True

    def age_s(self, time_s: float) -> float:
        return time_s - self.first_seen_s


def is_id_prefix(text: str) -> bool:
    """Tell whether ids may start with a text: they become parts of frames' and topics' names."""
    return text.isascii() and text.isalnum() and text[0].isalpha()


class HeadTracker:
    """
    Gives the heads of one camera their identities, image by image.

    ``announce_s``: how long a new head must have been seen before it is given an id, in seconds,
    and then in two images at least; 0: at once. ``keep_s``: how long a head may be unseen and
    keep its id. ``turned_away_s``: how long a head is kept that has turned away, of unknown
    orientation. All may be set at any time.
    """

    def __init__(
        self,
        id_prefix: str = 'h',
        *,
        announce_s: float = 0.05,
        keep_s: float = 1.0,
        turned_away_s: float = 3.0,
        smoothing: str = 'light',
    ) -> None:
        """
        Start with nobody.

        :param id_prefix: what ids start with, a letter first; a number follows
        :param smoothing: of the poses; one of SMOOTHINGS
        :raises ValueError: if the prefix cannot be part of a frame's and a topic's name, or if
            there is no such smoothing
        """
        if not is_id_prefix(id_prefix):
            raise ValueError(
                f'the id prefix is {id_prefix!r}, expected a letter and then letters or digits'
            )
        self.announce_s = announce_s
        self.keep_s = keep_s
        self.turned_away_s = turned_away_s
        self._prefix = id_prefix
        self._count = 0
        self._tracks: list[_Track] = []
        self._now_s = -math.inf
        self._smoothing = 'none'
        self.smoothing = smoothing

    @property
    def smoothing(self) -> str:
        """How poses are smoothed, one of SMOOTHINGS; a change holds from the next image on."""
        return self._smoothing

    @smoothing.setter
    def smoothing(self, smoothing: str) -> None:
        if smoothing not in SMOOTHINGS:
            raise ValueError(
                f'the smoothing is {smoothing!r}, expected one of {", ".join(SMOOTHINGS)}'
            )
        if smoothing == self._smoothing:
            return
        self._smoothing = smoothing
        for track in self._tracks:
            track.smoother = make_smoother(smoothing)

    @property
    def ids(self) -> list[str]:
        """The heads that are announced and not ended, also the hidden, as of the last image."""
        return [track.id for track in self._tracks if track.announced]

    def update(self, heads: Sequence[Head], time_s: float) -> list[TrackedHead]:
        """
        Take in the heads of one image; return those that are announced, in the same order.

        :param time_s: the image's stamp; where it is earlier than the last one (a bag that starts
            again), everybody is forgotten, and ids go on counting
        """
        self._advance(time_s)
        track_of = self._see(heads, time_s)
        self._tracks = [track for track in self._tracks if self._goes_on(track)]
        seen = [track_of[index] for index in sorted(track_of)]
        for track in seen:
            self._announce(track, time_s)
        return [
            TrackedHead(track.id, track.head, track.age_s(time_s))
            for track in seen
            if track.announced
        ]

    def reset(self) -> None:
        """Forget everybody; ids go on counting."""
        self._tracks.clear()
        self._now_s = -math.inf

    def _advance(self, time_s: float) -> None:
        if time_s < self._now_s:
            self._tracks.clear()
        if self._tracks:
            steps = Steps.over(time_s - self._now_s)
            for track in self._tracks:
                track.advance(steps, time_s)
            self._tracks = [track for track in self._tracks if self._goes_on(track)]
        self._now_s = time_s

    def _see(self, heads: Sequence[Head], time_s: float) -> dict[int, _Track]:
        """Assign the heads to tracks, old and new; return each head's track by its index."""
        tracks = self._tracks
        track_of = {row: tracks[column] for row, column in assign(heads, tracks).items()}
        for track in tracks:
            track.missed += 1
            track.is_away = False
        for index, track in list(track_of.items()):
            if heads[index].face.seen:
                track.see(heads[index], time_s)
            elif self._has_turned_away(track):
                track.stay(heads[index], time_s)
            else:
                del track_of[index]
        for index, head in enumerate(heads):
            box = head.face.box
            if not head.face.seen:
                continue
            # A second box of a face that has a track is nobody new.
            if index in track_of or any(is_same_face(box, heads[o].face.box) for o in track_of):
                continue
            track = _Track(head, time_s, make_smoother(self._smoothing))
            tracks.append(track)
            track_of[index] = track
        return track_of

    def _has_turned_away(self, track: _Track) -> bool:
        in_time = track.unseen_s <= self.turned_away_s
        return in_time and track.announced and track.looked_away

    def _goes_on(self, track: _Track) -> bool:
        if not track.missed:
            return track.unseen_s <= max(self.keep_s, BETWEEN_IMAGES_S)
        if not track.announced and track.missed >= min(track.seen, UNANNOUNCED_MISSES):
            return False
        return track.unseen_s <= self.keep_s or (track.is_away and self._has_turned_away(track))

    def _announce(self, track: _Track, time_s: float) -> None:
        if track.announced:
            return
        long_enough = track.age_s(time_s) >= self.announce_s - _ROUNDING_S
        if self.announce_s <= 0 or (long_enough and track.seen >= 2):
            self._count += 1
            track.id = f'{self._prefix}{self._count}'
