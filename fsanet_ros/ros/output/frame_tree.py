"""
Where frames are: a small tree of transforms like that of tf2, for positions and poses.

tf2_ros is not everywhere where this package runs, and is more than a handful of positions per
image needs. As in tf2, static transforms hold for all times, others are interpolated at the stamp
that is asked for. Unlike in tf2, that stamp may be a little newer than the newest transform: the
newest is then taken, so that an image does not have to wait for the next one.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from operator import itemgetter

import numpy as np

from fsanet_ros.arrays import FloatArray
from fsanet_ros.files.texts import shortened
from fsanet_ros.geometry.quaternions import Quaternion, Vector, inverse, product, rotated, slerp

Sample = tuple[float, Vector, Quaternion]  # stamp in seconds, translation, rotation

KEEP_S = 5.0  # of each edge
TOLERANCE_S = 0.25  # how far a stamp may lie outside of what is kept
# A stamp that much older than the newest of its edge: a recording starts again. Less is disorder.
JUMP_S = 1.0
# Edges that are so much older than the newest are dropped: of people who are gone, say.
FORGET_S = 60.0

_stamp_of = itemgetter(0)


class FrameError(LookupError):
    """A frame's position is not known; the text says why."""


@dataclass
class _Edge:
    parent: str
    static: bool
    samples: list[Sample] = field(default_factory=list)  # by stamp; static: the last one


class FrameTree:
    """
    Transforms, as they come from /tf and /tf_static, and positions in the tree they make.

    Frames' names may start with '/', as of old; it is left out. A frame that gets another parent
    loses its transforms to the old one.
    """

    def __init__(self, keep_s: float = KEEP_S, tolerance_s: float = TOLERANCE_S) -> None:
        """
        Start empty.

        :param keep_s: how long transforms are kept
        :param tolerance_s: how far a stamp may lie before the oldest or after the newest
            transform that is kept; the nearest is then taken
        """
        self.keep_s = keep_s
        self.tolerance_s = tolerance_s
        self._edges: dict[str, _Edge] = {}
        self._next_sweep_s = -math.inf

    def add(
        self,
        parent: str,
        child: str,
        stamp_s: float,
        translation: Sequence[float],
        quaternion: Sequence[float],
        static: bool = False,
    ) -> None:
        """
        Take the pose of a child in its parent.

        Where time jumps back, all that is not static is forgotten.

        :param translation: x, y, z in metres
        :param quaternion: x, y, z, w, of any length but 0
        :raises ValueError: if the transform is none
        """
        parent, child = parent.lstrip('/'), child.lstrip('/')
        x, y, z, w = quaternion
        norm = math.sqrt(x * x + y * y + z * z + w * w)
        if not child or not parent or child == parent:
            raise ValueError(f'{_named(parent, child)} names no two frames')
        if not (math.isfinite(sum(translation) + norm) and norm > 1e-6):
            raise ValueError(f'{_named(parent, child)} is not a number or has no rotation')
        tx, ty, tz = translation
        sample = stamp_s, (tx, ty, tz), (w / norm, x / norm, y / norm, z / norm)
        edge = self._edges.get(child)
        if edge is None or edge.parent != parent or edge.static != static:
            edge = self._edges[child] = _Edge(parent, static)
        if static:
            edge.samples = [sample]
            return
        if edge.samples and stamp_s < edge.samples[-1][0] - JUMP_S:
            self.forget_moving()
            self._edges[child] = edge = _Edge(parent, static)
        self._insert(edge, sample)
        self._sweep(stamp_s)

    def position(self, of: str, in_frame: str, stamp_s: float) -> FloatArray:
        """
        Return the origin of a frame in another frame, float64 [3], metres.

        :raises FrameError: if it is not known; the text says what is missing
        """
        of, in_frame = of.lstrip('/'), in_frame.lstrip('/')
        if of == in_frame:
            return np.zeros(3)
        up, down = self._way(of, in_frame)
        point: Vector = (0.0, 0.0, 0.0)
        for name in up:
            translation, rotation = self._sample(name, stamp_s)
            point = _add(rotated(rotation, point), translation)
        for name in reversed(down):
            translation, rotation = self._sample(name, stamp_s)
            point = rotated(inverse(rotation), _subtract(point, translation))
        return np.array(point)

    def pose(self, of: str, in_frame: str, stamp_s: float) -> tuple[FloatArray, Quaternion]:
        """
        Return the origin of a frame in another frame, as ``position`` does, and its rotation.

        :raises FrameError: if it is not known; the text says what is missing
        """
        position = self.position(of, in_frame, stamp_s)
        rotation: Quaternion = (1.0, 0.0, 0.0, 0.0)
        up, down = self._way(of.lstrip('/'), in_frame.lstrip('/'))
        for name in up:
            rotation = product(self._sample(name, stamp_s)[1], rotation)
        for name in reversed(down):
            rotation = product(inverse(self._sample(name, stamp_s)[1]), rotation)
        return position, rotation

    def common_ancestor(self, one: str, other: str) -> str:
        """
        Return the lowest frame that both hang from, which may be one of the two.

        :raises FrameError: if there is none; the text says what is missing
        """
        one, other = one.lstrip('/'), other.lstrip('/')
        up, _ = self._way(one, other)
        return self._edges[up[-1]].parent if up else one

    def forget_moving(self) -> None:
        """Forget all that is not static."""
        self._edges = {child: edge for child, edge in self._edges.items() if edge.static}
        self._next_sweep_s = -math.inf

    def _insert(self, edge: _Edge, sample: Sample) -> None:
        samples, stamp_s = edge.samples, sample[0]
        if not samples or stamp_s > samples[-1][0]:
            samples.append(sample)
        else:
            place = bisect_right(samples, stamp_s, key=_stamp_of)
            if samples[place - 1][0] == stamp_s:
                samples[place - 1] = sample  # sent again
            else:
                samples.insert(place, sample)
        if samples[0][0] < samples[-1][0] - 2.0 * self.keep_s:
            # Half of them at once, so that no transform pays for moving the list.
            first = bisect_right(samples, samples[-1][0] - self.keep_s, key=_stamp_of)
            del samples[:first]

    def _sweep(self, now_s: float) -> None:
        if now_s < self._next_sweep_s:
            return
        self._next_sweep_s = now_s + FORGET_S / 2.0
        self._edges = {
            child: edge
            for child, edge in self._edges.items()
            if edge.static or edge.samples[-1][0] > now_s - FORGET_S
        }

    def _way(self, of: str, in_frame: str) -> tuple[list[str], list[str]]:
        """Return the frames below the common ancestor on the ways up from both."""
        up, down = self._ancestry(of), self._ancestry(in_frame)
        if up[-1] != down[-1]:
            for name, way in ((of, up), (in_frame, down)):
                if len(way) == 1 and not any(e.parent == name for e in self._edges.values()):
                    raise FrameError(f'no frame {name!r} on /tf or /tf_static')
            raise FrameError(
                f'{of!r} and {in_frame!r} are not connected: the one ends at {up[-1]!r}, '
                f'the other at {down[-1]!r}'
            )
        while up and down and up[-1] == down[-1]:
            up.pop()
            down.pop()
        return up, down

    def _ancestry(self, name: str) -> list[str]:
        way, edge = [name], self._edges.get(name)
        while edge is not None:
            if edge.parent in way:
                raise FrameError(f'the frames above {name!r} form a ring at {edge.parent!r}')
            way.append(edge.parent)
            edge = self._edges.get(edge.parent)
        return way

    def _sample(self, child: str, stamp_s: float) -> tuple[Vector, Quaternion]:
        edge = self._edges[child]
        samples = edge.samples
        if edge.static:
            return samples[0][1:]
        oldest_s, newest_s = samples[0][0], samples[-1][0]
        if stamp_s >= newest_s:
            if stamp_s > newest_s + self.tolerance_s:
                raise FrameError(
                    f'{child!r} in {edge.parent!r} is {stamp_s - newest_s:.1f} s older than '
                    'the image'
                )
            return samples[-1][1:]
        if stamp_s <= oldest_s:
            if stamp_s < oldest_s - self.tolerance_s:
                raise FrameError(
                    f'{child!r} in {edge.parent!r} is known only from {oldest_s - stamp_s:.1f} s '
                    'after the image'
                )
            return samples[0][1:]
        after = bisect_right(samples, stamp_s, key=_stamp_of)
        return _between(samples[after - 1], samples[after], stamp_s)


def _named(parent: str, child: str) -> str:
    return f'the transform from {shortened(parent, 80)!r} to {shortened(child, 80)!r}'


def _between(a: Sample, b: Sample, stamp_s: float) -> tuple[Vector, Quaternion]:
    share = (stamp_s - a[0]) / (b[0] - a[0])
    (ax, ay, az), (bx, by, bz) = a[1], b[1]
    translation = ax + share * (bx - ax), ay + share * (by - ay), az + share * (bz - az)
    return translation, slerp(a[2], b[2], share)


def _add(a: Vector, b: Vector) -> Vector:
    return a[0] + b[0], a[1] + b[1], a[2] + b[2]


def _subtract(a: Vector, b: Vector) -> Vector:
    return a[0] - b[0], a[1] - b[1], a[2] - b[2]
