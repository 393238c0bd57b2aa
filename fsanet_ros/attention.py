"""
Which of some known targets each head is turned to.

The direction of a face is not that of the eyes: people look to some 20 degrees beside it.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from fsanet_ros.geometry.directions import angle_to_target, probability_in_disc
from fsanet_ros.tracking.tracker import TrackedHead
from fsanet_ros.types import FloatArray, Head

NOBODY = ''  # the target of a head that is turned to none of them

# Nearer than this to the sellion is inside the head: no target, but a frame of the head itself.
MIN_DISTANCE_M = 0.1
# Where the camera is seen from a head without position: its rotation is against the ray.
_TO_CAMERA = np.array([0.0, 0.0, -1.0])
_UNKNOWN = np.full((3, 3), np.nan)


@dataclass(frozen=True, eq=False)
class AttentionState:
    """
    What one head is turned to in one image.

    ``target`` is a target's name, the id of another head, or empty; ``duration_s`` is how long it
    has been so. ``candidates`` are the targets whose direction is known; for each of them
    ``angles_rad``, float64 [k], is the angle between the face's direction and the target as seen
    from the sellion, and ``probabilities``, float64 [k], the probability that the true angle is
    below the threshold: NaN where a covariance that it needs is not known.
    """

    id: str
    target: str
    duration_s: float
    candidates: tuple[str, ...]
    angles_rad: FloatArray
    probabilities: FloatArray


@dataclass
class _Memory:
    """What is kept of a head from image to image."""

    since_s: float
    head: Head
    target: str = NOBODY


@dataclass(frozen=True, eq=False)
class _Targets:
    """Names, positions [m, 3] and their covariances [m, 3, 3]."""

    names: list[str]
    positions_m: FloatArray
    covariances_m2: FloatArray


class AttentionEstimator:
    """
    Says what the heads of one camera are turned to, image by image.

    A target is taken when the angle to it falls below ``threshold_deg`` and left when it rises
    above ``threshold_deg + hysteresis_deg``. Among several the nearest is taken; one that is held
    is given up for another below the threshold when that is nearer by ``hysteresis_deg``.
    With ``heads_as_targets`` heads may be turned to one another. The three can be changed at any
    time.
    """

    def __init__(
        self,
        threshold_deg: float = 20.0,
        hysteresis_deg: float = 5.0,
        *,
        heads_as_targets: bool = False,
    ) -> None:
        """Start with nobody; the threshold is above 0, the hysteresis at least 0 degrees."""
        self.threshold_deg = threshold_deg
        self.hysteresis_deg = hysteresis_deg
        self.heads_as_targets = heads_as_targets
        self._memories: dict[str, _Memory] = {}
        self._now_s = -math.inf

    def update(
        self,
        tracked: Sequence[TrackedHead],
        alive_ids: Collection[str],
        targets: Mapping[str, ArrayLike],
        time_s: float,
    ) -> list[AttentionState]:
        """
        Return what the heads of one image are turned to, in the order of ``tracked``.

        A head without a position can only be turned to the camera, a target at (0, 0, 0): its
        rotation is then taken to be against the ray to the face, as it is where the camera is
        not calibrated.

        :param alive_ids: the heads that are still followed, also those that this image does not
            show; these keep their state and, as targets, their last position. All others are
            forgotten
        :param targets: positions [3] in the camera's optical frame, metres, by name; a head whose
            id is one of the names is no target itself
        :param time_s: the image's stamp; where it is earlier than the last one, everything is
            forgotten
        """
        if time_s < self._now_s:
            self._memories.clear()
        self._now_s = time_s
        self._remember(tracked, alive_ids, time_s)
        if not tracked:
            return []
        known = self._targets(targets)
        angles, probabilities = self._angles([t.head for t in tracked], known)
        states = []
        for t, row, probability in zip(tracked, angles, probabilities, strict=True):
            is_known = np.isfinite(row)
            if t.id in known.names and t.id not in targets:
                is_known[known.names.index(t.id)] = False
            columns = np.flatnonzero(is_known)
            names = tuple(known.names[column] for column in columns)
            memory = self._memories[t.id]
            target = self._choose(memory.target, dict(zip(names, row[columns], strict=True)))
            if target != memory.target:
                memory.target, memory.since_s = target, time_s
            duration_s = time_s - memory.since_s
            states.append(
                AttentionState(t.id, target, duration_s, names, row[columns], probability[columns])
            )
        return states

    def reset(self) -> None:
        """Forget everybody."""
        self._memories.clear()
        self._now_s = -math.inf

    def _remember(
        self, tracked: Sequence[TrackedHead], alive_ids: Collection[str], time_s: float
    ) -> None:
        alive = {*alive_ids, *(t.id for t in tracked)}
        self._memories = {id_: m for id_, m in self._memories.items() if id_ in alive}
        for t in tracked:
            memory = self._memories.setdefault(t.id, _Memory(time_s, t.head))
            memory.head = t.head

    def _targets(self, targets: Mapping[str, ArrayLike]) -> _Targets:
        names = list(targets)
        positions = [np.asarray(position, np.float64) for position in targets.values()]
        covariances = [np.zeros((3, 3))] * len(names)
        if self.heads_as_targets:
            for id_, memory in self._memories.items():
                head = memory.head
                if head.position_m is not None and id_ not in targets:
                    names.append(id_)
                    positions.append(head.position_m)
                    covariances.append(_or_unknown(head.position_covariance_m2))
        return _Targets(
            names,
            np.array(positions).reshape(-1, 3),
            np.array(covariances).reshape(-1, 3, 3),
        )

    def _angles(self, heads: Sequence[Head], targets: _Targets) -> tuple[FloatArray, FloatArray]:
        """Return angle in radians, NaN where it is not known, and probability, both [n, m]."""
        position, position_covariance = _positions(heads)
        to_target = targets.positions_m - position[:, None]
        covariance = targets.covariances_m2 + position_covariance[:, None]
        without = np.array([head.position_m is None for head in heads])
        if without.any():
            at_camera = ~targets.positions_m.any(axis=1)
            seen = without[:, None] & at_camera
            to_target[seen], covariance[seen] = _TO_CAMERA, 0.0
        known = np.einsum('nmi,nmi->nm', to_target, to_target) > MIN_DISTANCE_M**2  # NaN: not
        to_target[~known] = _TO_CAMERA
        rotation = np.array([head.rotation_optical for head in heads])
        rotation_covariance = np.array(
            [_or_unknown(head.rotation_covariance_rad2) for head in heads]
        )
        angles, errors = angle_to_target(rotation, to_target, rotation_covariance, covariance)
        probabilities = probability_in_disc(angles, errors, math.radians(self.threshold_deg))
        return np.where(known, angles, np.nan), probabilities

    def _choose(self, held: str, angles_rad: Mapping[str, float]) -> str:
        """Return the target, with hysteresis, of a head that held one before."""
        threshold = math.radians(self.threshold_deg)
        hysteresis = math.radians(self.hysteresis_deg)
        nearest = min(angles_rad, key=lambda name: angles_rad[name], default=NOBODY)
        if nearest != NOBODY and angles_rad[nearest] >= threshold:
            nearest = NOBODY
        if held not in angles_rad or angles_rad[held] > threshold + hysteresis:
            return nearest
        if nearest != NOBODY and angles_rad[nearest] < angles_rad[held] - hysteresis:
            return nearest
        return held


def _positions(heads: Sequence[Head]) -> tuple[FloatArray, FloatArray]:
    """Return positions [n, 3] and covariances [n, 3, 3], NaN where they are not known."""
    unknown = _UNKNOWN[0]
    positions = [unknown if h.position_m is None else h.position_m for h in heads]
    covariances = [_or_unknown(h.position_covariance_m2) for h in heads]
    return np.array(positions), np.array(covariances)


def _or_unknown(covariance: FloatArray | None) -> FloatArray:
    return _UNKNOWN if covariance is None else covariance
