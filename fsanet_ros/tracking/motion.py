"""
Where a face's box is expected: a Kalman filter on its centre and the logarithm of its size.

All lengths count in units of the face's size: a near face moves and jitters more.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from fsanet_ros.tracking.kalman import Step, Uncertainty
from fsanet_ros.types import Box

# Noise of a detector's box: the centre's in units of the size, the size's as a share.
CENTER_NOISE = 0.05
SIZE_NOISE = 0.1
# How fast faces move: standard deviation in sizes per second (a walker across the view: 8) and of
# the logarithm of the size per second; and for how long they keep doing so.
SPEED = 2.5
KEEPS_SPEED_S = 1.0
GROWTH = 0.2
KEEPS_GROWTH_S = 0.25


@dataclass(frozen=True)
class Steps:
    """The passing of some time, for all boxes."""

    center: Step
    size: Step

    @classmethod
    def over(cls, elapsed_s: float) -> Steps:
        """Return the steps over ``elapsed_s`` seconds."""
        return cls(Step.over(elapsed_s, KEEPS_SPEED_S), Step.over(elapsed_s, KEEPS_GROWTH_S))


class BoxMotion:
    """
    One face's expected box.

    ``x``, ``y``: the centre in pixels. ``log_size``: the logarithm of ``size``, the root of the
    box's area in pixels. ``log_aspect``: half the logarithm of width over height.
    """

    def __init__(self, box: Box) -> None:
        self.x, self.y = box.center
        self.log_size, self.log_aspect = size_and_aspect(box)
        self._vx = self._vy = self._growth = 0.0
        self._center = Uncertainty(CENTER_NOISE, SPEED)
        self._log_size = Uncertainty(SIZE_NOISE, GROWTH)

    def advance(self, steps: Steps) -> None:
        """Move on in time."""
        center, size = steps.center, steps.size
        self.x += center.travel_s * self._vx
        self.y += center.travel_s * self._vy
        self._vx *= center.decay
        self._vy *= center.decay
        self._center.grow(center, SPEED)
        self.log_size += size.travel_s * self._growth
        self._growth *= size.decay
        self._log_size.grow(size, GROWTH)

    def correct(self, box: Box) -> None:
        """Take in where the face was found."""
        x, y = box.center
        log_size, self.log_aspect = size_and_aspect(box)
        gain, velocity_gain = self._center.shrink(CENTER_NOISE)
        dx, dy = x - self.x, y - self.y
        self.x += gain * dx
        self.y += gain * dy
        self._vx += velocity_gain * dx
        self._vy += velocity_gain * dy
        gain, velocity_gain = self._log_size.shrink(SIZE_NOISE)
        grown = log_size - self.log_size
        self.log_size += gain * grown
        self._growth += velocity_gain * grown

    def shift(self, x: float, y: float) -> None:
        """Move in the image, in pixels, because the camera has turned."""
        self.x += x
        self.y += y

    @property
    def size(self) -> float:
        """The root of the box's area, in pixels."""
        return math.exp(self.log_size)

    @property
    def center_variance(self) -> float:
        """How far from (x, y) the face may be found: variance per axis, in squared sizes."""
        return self._center.value + CENTER_NOISE**2

    @property
    def log_size_variance(self) -> float:
        """The same of the logarithm of the size."""
        return self._log_size.value + SIZE_NOISE**2


def size_and_aspect(box: Box) -> tuple[float, float]:
    """Return the logarithm of the root of the area, and half that of width over height."""
    width, height = math.log(max(box.width, 1.0)), math.log(max(box.height, 1.0))
    return (width + height) / 2.0, (width - height) / 2.0
