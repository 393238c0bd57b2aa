"""
Identities: which head of this image is which of the last ones.

Heads are assigned to tracks by the Hungarian method over the distance of their boxes from where
the tracks are expected, on the images' clock.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from fsanet_ros.types import Box, Head

# A head is never taken for one whose box is further than this from where it is expected, in units
# of the boxes' mean size; size counts as well, as a factor of e.
MAX_DISTANCE = 1.0
# How fast the estimate of a box's velocity follows, and how fast it is forgotten unseen.
VELOCITY_TIME_S = 0.15
_FORBIDDEN = 1e6


@dataclass(frozen=True, eq=False)
class TrackedHead:
    """A head with its identity; ``age_s`` is the time since it was first seen."""

    id: str
    head: Head
    age_s: float


@dataclass
class _Track:
    id: str
    first_seen_s: float
    last_seen_s: float
    box: Box
    velocity: tuple[float, float] = (0.0, 0.0)  # pixels per second

    def expected_center(self, time_s: float) -> tuple[float, float]:
        # The velocity dies away, so that a head that is hidden is not sent out of the image.
        elapsed = time_s - self.last_seen_s
        travelled = VELOCITY_TIME_S * (1.0 - math.exp(-elapsed / VELOCITY_TIME_S))
        x, y = self.box.center
        return x + self.velocity[0] * travelled, y + self.velocity[1] * travelled

    def update(self, box: Box, time_s: float) -> None:
        elapsed = time_s - self.last_seen_s
        if elapsed > 0:
            follow = 1.0 - math.exp(-elapsed / VELOCITY_TIME_S)
            steps = zip(self.velocity, box.center, self.box.center, strict=True)
            vx, vy = (v + follow * ((new - old) / elapsed - v) for v, new, old in steps)
            self.velocity = (vx, vy)
        self.box, self.last_seen_s = box, time_s


class HeadTracker:
    """Gives the heads of one camera their identities, image by image."""

    def __init__(self, keep_s: float = 1.0, id_prefix: str = 'h') -> None:
        """
        Start with nobody.

        :param keep_s: how long a head may be unseen and keep its id, in seconds
        :param id_prefix: what ids start with, a letter first; a number follows
        :raises ValueError: if the prefix cannot be part of a frame's and a topic's name
        """
        if not (id_prefix.isascii() and id_prefix.isalnum() and id_prefix[0].isalpha()):
            raise ValueError(
                f'the id prefix is {id_prefix!r}, expected a letter and then letters or digits'
            )
        self.keep_s = keep_s
        self._prefix = id_prefix
        self._count = 0
        self._tracks: list[_Track] = []
        self._now_s = -math.inf

    def update(self, heads: Sequence[Head], time_s: float) -> list[TrackedHead]:
        """
        Give the heads of one image their ids, in the order of the heads.

        :param time_s: the image's stamp; where it is earlier than the last one (a bag that starts
            again), everybody is forgotten, and ids go on counting
        """
        if time_s < self._now_s:
            self._tracks.clear()
        self._now_s = time_s
        self._tracks = [t for t in self._tracks if time_s - t.last_seen_s <= self.keep_s]
        track_of = self._assign(heads, time_s)
        tracked = []
        for index, head in enumerate(heads):
            track = track_of.get(index)
            if track is None:
                track = self._begin(head, time_s)
            else:
                track.update(head.face.box, time_s)
            tracked.append(TrackedHead(track.id, head, time_s - track.first_seen_s))
        return tracked

    def reset(self) -> None:
        """Forget everybody; ids go on counting."""
        self._tracks.clear()
        self._now_s = -math.inf

    def _begin(self, head: Head, time_s: float) -> _Track:
        self._count += 1
        track = _Track(f'{self._prefix}{self._count}', time_s, time_s, head.face.box)
        self._tracks.append(track)
        return track

    def _assign(self, heads: Sequence[Head], time_s: float) -> dict[int, _Track]:
        """Return the track of each head that has one, by the head's index."""
        if not heads or not self._tracks:
            return {}
        costs = np.array(
            [[_distance(track, head.face.box, time_s) for track in self._tracks] for head in heads]
        )
        rows, columns = linear_sum_assignment(np.where(costs <= MAX_DISTANCE, costs, _FORBIDDEN))
        return {
            int(row): self._tracks[column]
            for row, column in zip(rows, columns, strict=True)
            if costs[row, column] <= MAX_DISTANCE
        }


def _distance(track: _Track, box: Box, time_s: float) -> float:
    x, y = track.expected_center(time_s)
    size, known_size = _size(box), _size(track.box)
    apart = math.hypot(box.center[0] - x, box.center[1] - y) / ((size + known_size) / 2.0)
    return apart + abs(math.log(size / known_size))


def _size(box: Box) -> float:
    return math.sqrt(max(box.width * box.height, 1.0))
