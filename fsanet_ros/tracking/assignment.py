"""
Which head belongs to which track: the pairs with the least sum of how unlikely each is.

Where two want the same, the Hungarian method finds them.

The cost of a pair is minus twice its log-likelihood ratio, "this head is that track" against
"the track is not seen and the head is somebody new": squared Mahalanobis distances of the centre
and the size from where the track is expected, overlap of the boxes, turn of the head since it was
last seen, and how wide the guess is (a track that has been hidden explains everything around it a
little and nothing well). Pairs with a cost above 0 are not made.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from fsanet_ros.geometry.regions import shared_areas
from fsanet_ros.tracking.camera_motion import LEAST, common_shift_px
from fsanet_ros.tracking.motion import CENTER_NOISE, SIZE_NOISE, BoxMotion, size_and_aspect
from fsanet_ros.types import Box, FloatArray, Head

# What a pair may cost at most; less for a track that is not announced.
GATE = 40.0
UNANNOUNCED = 6.0
# Boxes that do not overlap at all.
NO_OVERLAP = 4.0
# Standard deviation of the turn between two images, in radians, and what each second adds.
TURN = 0.2
TURN_PER_S = 0.5
# That the camera has turned must explain the image so much better.
CAMERA_TURNED = 20.0
# Boxes of one image show the same face if they share this part of the smaller one.
SAME_FACE = 0.6


class Track(Protocol):
    """What is known of a head that was seen before."""

    motion: BoxMotion
    rotation: FloatArray
    unseen_s: float

    @property
    def announced(self) -> bool:
        """Whether it has an id."""


class _Measured(NamedTuple):
    """Boxes of the heads: float64 [heads, 2], [heads], [heads], and rotations [heads, 9]."""

    center: FloatArray
    log_size: FloatArray
    log_aspect: FloatArray
    rotation: FloatArray


class _Expected(NamedTuple):
    """The same of the tracks, the weights of deviations and the most that a pair may cost."""

    center: FloatArray
    log_size: FloatArray
    log_aspect: FloatArray
    rotation: FloatArray
    center_weight: FloatArray
    size_weight: FloatArray
    turn_weight: FloatArray
    allowed: FloatArray
    announced: FloatArray


class _Pairs(NamedTuple):
    """Heads [n] and tracks [n] that belong together, and their cost."""

    heads: NDArray[np.intp]
    tracks: NDArray[np.intp]
    cost: float


def assign(heads: Sequence[Head], tracks: Sequence[Track]) -> dict[int, int]:
    """
    Return the index of the track of each head that has one, by the head's index.

    Where the heads' places say that the camera has turned, all tracks are moved along.
    """
    if not heads or not tracks:
        return {}
    found, known = _measured(heads), _expected(tracks)
    pairs = _best_pairs(found, known)
    if _surprising(pairs, found, known):
        seen = known.announced > 0.0
        shift = common_shift_px(
            found.center, found.log_size, known.center[seen], known.log_size[seen]
        )
        if shift is not None:
            turned = _best_pairs(found, known._replace(center=known.center + shift))
            if turned.cost + CAMERA_TURNED < pairs.cost:
                pairs = turned
                for track in tracks:
                    track.motion.shift(float(shift[0]), float(shift[1]))
    return dict(zip(pairs.heads.tolist(), pairs.tracks.tolist(), strict=True))


def is_same_face(box: Box, other: Box) -> bool:
    """Return whether two boxes of one image show the same face."""
    return box.shared_area(other) > SAME_FACE * min(box.area, other.area)


def _measured(heads: Sequence[Head]) -> _Measured:
    boxes = [head.face.box for head in heads]
    values = np.array([(*box.center, *size_and_aspect(box)) for box in boxes])
    rotations = np.array([head.rotation_optical for head in heads]).reshape(-1, 9)
    return _Measured(values[:, :2], values[:, 2], values[:, 3], rotations)


def _expected(tracks: Sequence[Track]) -> _Expected:
    values = np.array([_expected_of(track) for track in tracks])
    rotations = np.array([track.rotation for track in tracks]).reshape(-1, 9)
    return _Expected(values[:, :2], values[:, 2], values[:, 3], rotations, *values[:, 4:].T)


def _expected_of(track: Track) -> tuple[float, ...]:
    motion = track.motion
    center, size = motion.center_variance, motion.log_size_variance
    turn = TURN**2 + (TURN_PER_S * track.unseen_s) ** 2
    # The widths of the guesses: two axes of place, one of size, three of rotation.
    wide = (center / CENTER_NOISE**2) ** 2 * (size / SIZE_NOISE**2) * (turn / TURN**2) ** 3
    allowed = GATE - math.log(wide) - (0.0 if track.announced else UNANNOUNCED)
    box = (motion.x, motion.y, motion.log_size, motion.log_aspect)
    weights = (1.0 / (center * motion.size**2), 1.0 / size, 1.0 / turn)
    return (*box, *weights, allowed, track.announced)


def _best_pairs(found: _Measured, known: _Expected) -> _Pairs:
    costs = _pair_costs(found, known)
    # What costs more than making no pair must not weigh; NaN does not either.
    gains = np.where(costs < 0.0, costs, 0.0)
    rows, columns = _assigned(gains)
    chosen = gains[rows, columns]
    made = chosen < 0.0
    return _Pairs(rows[made], columns[made], float(chosen.sum()))


def _assigned(gains: FloatArray) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return rows and columns of the pairs with the least sum, from a matrix without positives."""
    # Nothing is better than that each gets its best. Heads rarely come so near to each other that
    # two want the same.
    best = gains.argmin(axis=1)
    rows = np.flatnonzero(gains.min(axis=1) < 0.0)
    columns = best[rows]
    if len(set(columns.tolist())) == len(columns):
        return rows, columns
    # Here: it takes 48 MB and 0.3 s, which a node that sees one person need not spend.
    from scipy.optimize import linear_sum_assignment

    rows, columns = linear_sum_assignment(gains)
    return rows, columns


def _pair_costs(found: _Measured, known: _Expected) -> FloatArray:
    """Return the cost of each pair, float64 [heads, tracks]."""
    away = found.center[:, None] - known.center
    grown = found.log_size[:, None] - known.log_size
    costs = (away * away).sum(axis=-1) * known.center_weight + grown * grown * known.size_weight
    # 3 - trace = 2 - 2 cos(angle): the squared angle while it is small.
    turned = 3.0 - found.rotation @ known.rotation.T
    costs += np.nan_to_num(turned) * known.turn_weight  # NaN: nothing is known of it
    costs += NO_OVERLAP * (1.0 - _overlap(found, known))
    return costs - known.allowed


def _overlap(found: _Measured, known: _Expected) -> FloatArray:
    """Return the intersection over union of all pairs of boxes, float64 [heads, tracks]."""
    of_heads, of_tracks = _corners(found), _corners(known)
    shared = shared_areas(of_heads[:, None], of_tracks)
    # The size is the root of the area.
    areas = np.exp(2.0 * found.log_size)[:, None] + np.exp(2.0 * known.log_size)
    return shared / (areas - shared)


def _corners(boxes: _Measured | _Expected) -> FloatArray:
    """Return left, top, right, bottom of boxes in pixels, float64 [n, 4]."""
    width = np.exp(boxes.log_size + boxes.log_aspect)
    height = np.exp(boxes.log_size - boxes.log_aspect)
    half = np.stack([width, height], axis=1) / 2.0
    return np.concatenate([boxes.center - half, boxes.center + half], axis=1)


def _surprising(pairs: _Pairs, found: _Measured, known: _Expected) -> bool:
    """Return whether heads are left over, or most are not where they were expected."""
    count = min(len(found.log_size), int(known.announced.sum()))
    if count < 2 or len(pairs.heads) == 0:
        return count >= 2
    away = np.abs(found.center[pairs.heads] - known.center[pairs.tracks]).max(axis=1)
    size = np.exp(known.log_size[pairs.tracks])
    return len(pairs.heads) < count or float(np.median(away / size)) > LEAST
