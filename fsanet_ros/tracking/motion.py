"""
Where a face's box is expected: a Kalman filter on its centre and the logarithm of its size.

Velocities are taken to change at random and to die away (an Ornstein-Uhlenbeck process, the
"integrated Ornstein-Uhlenbeck" model of target tracking: Bar-Shalom, Li, Kirubarajan, Estimation
with Applications to Tracking and Navigation, 2001, section 8.2.3 with the velocity in the place
of the acceleration). For the time of some images that is constant velocity; a head that is hidden
is not sent out of the image. The model is exact for any time between images, so irregular stamps
need no care.

All lengths count in units of the face's size: a near face moves and jitters more.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from fsanet_ros.types import Box

# Noise of a detector's box: the centre's in units of the size, the size's as a share.
CENTER_NOISE = 0.05
SIZE_NOISE = 0.1
# How fast faces move: standard deviation in sizes per second (a walker across the view: 8) and of
# the logarithm of the size per second; and for how long they keep doing so.
SPEED = 4.0
KEEPS_SPEED_S = 1.0
GROWTH = 0.6
KEEPS_GROWTH_S = 0.5


@dataclass(frozen=True)
class Step:
    """What an Ornstein-Uhlenbeck velocity of standard deviation 1 does in some time."""

    travel_s: float  # way over velocity
    decay: float
    way_variance: float
    covariance: float
    velocity_variance: float

    @classmethod
    def over(cls, elapsed_s: float, keeps_s: float) -> Step:
        """Return the step over ``elapsed_s`` for a velocity that is kept for ``keeps_s``."""
        ratio = elapsed_s / keeps_s
        lost = -math.expm1(-ratio)
        decay = 1.0 - lost
        # For short steps the closed form is a small difference of large numbers.
        spread = 2.0 * ratio**3 / 3.0 if ratio < 1e-3 else 2.0 * (ratio - lost) - lost * lost
        return cls(
            travel_s=keeps_s * lost,
            decay=decay,
            way_variance=keeps_s**2 * spread,
            covariance=keeps_s * lost**2,
            velocity_variance=1.0 - decay**2,
        )


@dataclass(frozen=True)
class Steps:
    """The same for centre and size; all boxes of a tracker share it."""

    center: Step
    size: Step

    @classmethod
    def over(cls, elapsed_s: float) -> Steps:
        """Return the steps over ``elapsed_s`` seconds."""
        return cls(Step.over(elapsed_s, KEEPS_SPEED_S), Step.over(elapsed_s, KEEPS_GROWTH_S))


class _Uncertainty:
    """The covariance of a value and its velocity, and the gains that follow from it."""

    def __init__(self, noise: float, speed: float) -> None:
        self.value = noise * noise
        self.both = 0.0
        self.velocity = speed * speed

    def grow(self, step: Step, speed: float) -> None:
        s, driven = step, speed * speed
        self.value += s.travel_s * (2.0 * self.both + s.travel_s * self.velocity)
        self.value += driven * s.way_variance
        self.both = s.decay * (self.both + s.travel_s * self.velocity) + driven * s.covariance
        self.velocity = s.decay**2 * self.velocity + driven * s.velocity_variance

    def shrink(self, noise: float) -> tuple[float, float]:
        """Take a measurement in; return the gains for the value and its velocity."""
        variance = self.value + noise * noise
        gain, velocity_gain = self.value / variance, self.both / variance
        self.velocity -= velocity_gain * self.both
        self.both -= gain * self.both
        self.value -= gain * self.value
        return gain, velocity_gain


class BoxMotion:
    """
    One face's expected box.

    ``x``, ``y``: the centre in pixels. ``size``: the root of the box's area in pixels.
    ``log_aspect``: half the logarithm of width over height.
    """

    def __init__(self, box: Box) -> None:
        self.x, self.y = box.center
        self.log_size, self.log_aspect = size_and_aspect(box)
        self.size = math.exp(self.log_size)
        self._vx = self._vy = self._growth = 0.0
        self._center = _Uncertainty(CENTER_NOISE, SPEED)
        self._log_size = _Uncertainty(SIZE_NOISE, GROWTH)

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
        self.size = math.exp(self.log_size)

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
        self.size = math.exp(self.log_size)

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
