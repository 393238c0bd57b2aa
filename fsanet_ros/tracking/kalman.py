"""
Kalman filters for values whose velocity changes at random and dies away.

The velocity is an Ornstein-Uhlenbeck process: over the time of some images it is constant, over
longer it is forgotten, so that what is hidden is not sent far away (in target tracking: the
"integrated Ornstein-Uhlenbeck" or, one derivative higher, Singer's model; Bar-Shalom, Li,
Kirubarajan, Estimation with Applications to Tracking and Navigation, 2001, section 8.2). The model
is exact for any time between images, so irregular stamps need no care.

Values of several axes that are measured together, with the same noise, share one covariance.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Step:
    """
    What a velocity does over some time.

    A velocity v moves the value by ``travel_s`` v and becomes ``decay`` v. The others are what
    chance adds to the covariance, for a velocity whose standard deviation is 1.
    """

    travel_s: float
    decay: float
    value_variance: float
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
            value_variance=keeps_s * keeps_s * spread,
            covariance=keeps_s * lost * lost,
            velocity_variance=1.0 - decay * decay,
        )


class Uncertainty:
    """The covariance of a value and its velocity: ``value``, ``both`` and ``velocity``."""

    __slots__ = ('both', 'value', 'velocity')

    def __init__(self, noise: float, speed: float) -> None:
        """Start with one measurement of standard deviation ``noise`` and an unknown velocity."""
        self.value = noise * noise
        self.both = 0.0
        self.velocity = speed * speed

    def grow(self, step: Step, speed: float) -> None:
        """Let time pass; ``speed`` is the standard deviation of the velocity."""
        travel, decay, driven = step.travel_s, step.decay, speed * speed
        self.value += travel * (2.0 * self.both + travel * self.velocity)
        self.value += driven * step.value_variance
        self.both = decay * (self.both + travel * self.velocity) + driven * step.covariance
        self.velocity = decay * decay * self.velocity + driven * step.velocity_variance

    def shrink(self, noise: float) -> tuple[float, float]:
        """Take in a measurement; return by how much value and velocity follow what it adds."""
        variance = self.value + noise * noise
        gain, velocity_gain = self.value / variance, self.both / variance
        self.velocity -= velocity_gain * self.both
        self.both -= gain * self.both
        self.value -= gain * self.value
        return gain, velocity_gain
