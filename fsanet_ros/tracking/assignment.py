"""
Which head belongs to which track: the Hungarian method over how unlikely each pair is.

The cost of a pair is minus twice its log-likelihood ratio, "this head is that track" against
"the track is not seen and the head is somebody new": squared Mahalanobis distances of the centre
and the size from where the track is expected, overlap of the boxes, turn of the head since it was
last seen, and how wide the guess is (a track that has been hidden explains everything around it a
little and nothing well). Pairs with a cost above 0 are not made.

Squared distances also make a camera that pans harmless: moving all heads by the same amount adds
the same to every complete assignment.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

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
# A box of which this share lies in another's, or the other way round, shows the same face.
SAME_FACE = 0.6

_COLUMNS = 9


class Track(Protocol):
    """What is known of a head that was seen before."""

    motion: BoxMotion
    rotation: FloatArray
    unseen_s: float
    announced: bool


def assign(heads: Sequence[Head], tracks: Sequence[Track]) -> dict[int, int]:
    """Return the index of the track of each head that has one, by the head's index."""
    if not heads or not tracks:
        return {}
    costs = pair_costs(heads, tracks)
    # What costs more than making no pair must not weigh; NaN does not either.
    rows, columns = linear_sum_assignment(np.where(costs < 0.0, costs, 0.0))
    return {
        row: column
        for row, column in zip(rows.tolist(), columns.tolist(), strict=True)
        if costs[row, column] < 0.0
    }


def pair_costs(heads: Sequence[Head], tracks: Sequence[Track]) -> FloatArray:
    """Return the cost of each pair, float64 [heads, tracks]."""
    found = np.array([_measured(head.face.box) for head in heads])[:, None, :]
    known = np.array([_expected(track) for track in tracks]).T
    x, y, log_size, log_aspect, center_variance, size_variance, turn, allowed = known
    dx, dy = found[..., 0] - x, found[..., 1] - y
    grown = found[..., 2] - log_size
    costs = (dx * dx + dy * dy) / center_variance + grown * grown / size_variance
    # 3 - trace = 2 - 2 cos(angle), the squared angle while it is small.
    turned = np.array([head.rotation_optical for head in heads]).reshape(-1, _COLUMNS)
    before = np.array([track.rotation for track in tracks]).reshape(-1, _COLUMNS)
    costs += (3.0 - turned @ before.T) * turn
    sizes = np.exp(np.stack([log_size + log_aspect, log_size - log_aspect]))
    costs += NO_OVERLAP * (1.0 - _overlap(dx, dy, found, sizes))
    return costs - allowed


def is_same_face(box: Box, other: Box) -> bool:
    """Return whether two boxes of one image show the same face."""
    width = min(box.x + box.width, other.x + other.width) - max(box.x, other.x)
    height = min(box.y + box.height, other.y + other.height) - max(box.y, other.y)
    if width <= 0 or height <= 0:
        return False
    return width * height > SAME_FACE * min(box.width * box.height, other.width * other.height)


def _measured(box: Box) -> tuple[float, ...]:
    return (*box.center, *size_and_aspect(box), max(box.width, 1.0), max(box.height, 1.0))


def _expected(track: Track) -> tuple[float, ...]:
    motion = track.motion
    center, size = motion.center_variance, motion.log_size_variance
    turn = TURN**2 + (TURN_PER_S * track.unseen_s) ** 2
    # The widths of the guesses: two axes, size, three of rotation.
    allowed = GATE - 2.0 * math.log(center / CENTER_NOISE**2) - math.log(size / SIZE_NOISE**2)
    allowed -= 3.0 * math.log(turn / TURN**2)
    if not track.announced:
        allowed -= UNANNOUNCED
    return (
        *(motion.x, motion.y, motion.log_size, motion.log_aspect),
        *(center * motion.size**2, size, 1.0 / turn, allowed),
    )


def _overlap(
    dx: FloatArray, dy: FloatArray, found: FloatArray, expected: FloatArray
) -> NDArray[np.float64]:
    """Return intersection over union [heads, tracks]."""
    width, height = found[..., 4], found[..., 5]
    common_x = np.minimum(np.minimum(width, expected[0]), (width + expected[0]) / 2 - abs(dx))
    common_y = np.minimum(np.minimum(height, expected[1]), (height + expected[1]) / 2 - abs(dy))
    common = np.maximum(common_x, 0.0) * np.maximum(common_y, 0.0)
    return common / (width * height + expected[0] * expected[1] - common)
