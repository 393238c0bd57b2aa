"""
Smooth poses: one filter per head, on the images' clock.

Rotations are filtered on the manifold of rotations: a Kalman filter whose state is a rotation and
a rotation velocity, and whose errors are rotation vectors (the tangent space of SO(3); Sola,
Deray, Atchuthan, A micro Lie theory for state estimation in robotics, 2018, section V). It treats
all directions alike, so nothing happens at yaw 90 degrees or where angles wrap, and a camera that
is mounted otherwise sees the same heads. As in the one-euro filter (Casiez, Roussel, Vogel, CHI
2012), what moves is followed faster than what rests; other than there, the velocity is used to
predict, which costs less lag for the same calm (docs/concepts/tracking.md has the figures).

Positions are filtered as direction and logarithm of the range, in which the noise does not depend
on where the head is: a box that jitters by one percent moves the distance by one percent.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from fsanet_ros.geometry import quaternions
from fsanet_ros.geometry.quaternions import Quaternion, Vector
from fsanet_ros.tracking.kalman import Step, Uncertainty
from fsanet_ros.types import FloatArray, Head

#: Names for make_smoother. Not off: YAML reads that as false.
SMOOTHINGS = ('none', 'light', 'strong')
#: After a longer gap there is nothing to be smoothed, in seconds.
RESET_S = 0.5
_KEEPS_S = 0.3


class Smoother(Protocol):
    """Smooths the poses of one head, image by image."""

    def smooth(self, head: Head, time_s: float) -> Head:
        """Return the head with a smoother pose; ``time_s`` is the image's stamp."""


@dataclass(frozen=True)
class Calm:
    """
    How much is smoothed.

    ``noise``: standard deviation of the measurements. ``speed_at_rest``: standard deviation of
    the velocity of what rests, and ``speed_share``: how much of the velocity is added for what
    moves. Only their ratios to the noise matter.
    """

    noise: float
    speed_at_rest: float
    speed_share: float

    def speed(self, velocity: float) -> float:
        """Return the standard deviation of the velocity for what moves at ``velocity``."""
        return math.hypot(self.speed_at_rest, self.speed_share * velocity)


@dataclass(frozen=True)
class Strength:
    """Rotation in radians, direction in metres across the ray, range in shares of it."""

    rotation: Calm
    across: Calm
    log_range: Calm


STRENGTHS = {
    'light': Strength(
        rotation=Calm(0.035, 0.26, 1.0),
        across=Calm(0.002, 0.02, 1.0),
        log_range=Calm(0.02, 0.15, 1.0),
    ),
    'strong': Strength(
        rotation=Calm(0.035, 0.09, 0.5),
        across=Calm(0.002, 0.005, 0.5),
        log_range=Calm(0.02, 0.04, 0.5),
    ),
}


def make_smoother(smoothing: str) -> Smoother:
    """Return a new filter for one head; ``smoothing`` is one of SMOOTHINGS."""
    return NoSmoother() if smoothing == 'none' else PoseSmoother(STRENGTHS[smoothing])


class NoSmoother:
    """Leaves heads as they are."""

    def smooth(self, head: Head, time_s: float) -> Head:
        """Return the same head."""
        return head


class PoseSmoother:
    """
    Smooths rotation and position; covariances stay as they are.

    It starts anew after a gap of more than RESET_S, where time goes back, and, for the position,
    where it is unknown or the distance comes from another source.
    """

    def __init__(self, strength: Strength) -> None:
        self._strength = strength
        self._time_s = -math.inf
        self._rotation: RotationFilter | None = None
        self._position: PositionFilter | None = None
        self._from_depth = False

    def smooth(self, head: Head, time_s: float) -> Head:
        """Return the head with a smoother pose; ``time_s`` is the image's stamp."""
        elapsed_s = time_s - self._time_s
        if not 0.0 <= elapsed_s <= RESET_S:
            self._rotation = self._position = None
            elapsed_s = 0.0
        self._time_s = time_s
        step = Step.over(elapsed_s, _KEEPS_S)
        return dataclasses.replace(
            head,
            rotation_optical=self._smooth_rotation(head.rotation_optical, step),
            position_m=self._smooth_position(head, step),
        )

    def _smooth_rotation(self, rotation: FloatArray, step: Step) -> FloatArray:
        found = quaternions.from_matrix(rotation)
        if self._rotation is not None and math.isfinite(found[0]):
            return quaternions.to_matrix(self._rotation.follow(found, step))
        usable = math.isfinite(found[0])
        self._rotation = RotationFilter(found, self._strength.rotation) if usable else None
        return rotation

    def _smooth_position(self, head: Head, step: Step) -> FloatArray | None:
        if head.position_m is None:
            self._position = None
            return None
        found: Vector = tuple(head.position_m.tolist())
        usable = 0.0 < _length(found) < math.inf
        same_source = head.distance_from_depth == self._from_depth
        self._from_depth = head.distance_from_depth
        if self._position is not None and usable and same_source:
            return np.array(self._position.follow(found, step))
        self._position = PositionFilter(found, self._strength) if usable else None
        return head.position_m


class RotationFilter:
    """A rotation and how it turns, as a Kalman filter."""

    def __init__(self, rotation: Quaternion, calm: Calm) -> None:
        self._calm = calm
        self._rotation = rotation
        self._velocity: Vector = (0.0, 0.0, 0.0)  # radians per second, in the optical frame
        self._uncertainty = Uncertainty(calm.noise, calm.speed_at_rest)

    def follow(self, found: Quaternion, step: Step) -> Quaternion:
        """Take in a rotation; return the smoothed one."""
        calm, velocity = self._calm, self._velocity
        self._uncertainty.grow(step, calm.speed(_length(velocity)))
        expected = quaternions.turned(self._rotation, velocity, step.travel_s)
        missing = quaternions.turn_between(expected, found)
        gain, velocity_gain = self._uncertainty.shrink(calm.noise)
        self._rotation = quaternions.turned(expected, missing, gain)
        self._velocity = _combined(step.decay, velocity, velocity_gain, missing)
        return self._rotation


class PositionFilter:
    """A direction and a range, as two Kalman filters; positions behind the camera are fine."""

    def __init__(self, position_m: Vector, strength: Strength) -> None:
        self._across, self._along = strength.across, strength.log_range
        self._direction = _unit(position_m)
        self._log_range = math.log(_length(position_m))
        self._velocity: Vector = (0.0, 0.0, 0.0)  # of the direction, per second
        self._log_velocity = 0.0
        # The noise across the ray is in metres: in the direction it is smaller from afar.
        range_m = _length(position_m)
        self._uncertainty = Uncertainty(
            self._across.noise / range_m, self._across.speed_at_rest / range_m
        )
        self._log_uncertainty = Uncertainty(self._along.noise, self._along.speed_at_rest)

    def follow(self, position_m: Vector, step: Step) -> Vector:
        """Take in a position; return the smoothed one."""
        range_m = math.exp(self._follow_range(math.log(_length(position_m)), step))
        x, y, z = self._follow_direction(_unit(position_m), range_m, step)
        return x * range_m, y * range_m, z * range_m

    def _follow_range(self, log_range: float, step: Step) -> float:
        velocity = self._log_velocity
        self._log_uncertainty.grow(step, self._along.speed(velocity))
        expected = self._log_range + step.travel_s * velocity
        gain, velocity_gain = self._log_uncertainty.shrink(self._along.noise)
        missing = log_range - expected
        self._log_range = expected + gain * missing
        self._log_velocity = step.decay * velocity + velocity_gain * missing
        return self._log_range

    def _follow_direction(self, direction: Vector, range_m: float, step: Step) -> Vector:
        velocity = self._velocity
        speed_m_s = self._across.speed(_length(velocity) * range_m)
        self._uncertainty.grow(step, speed_m_s / range_m)
        expected = _unit(_combined(1.0, self._direction, step.travel_s, velocity))
        missing = _combined(1.0, direction, -1.0, expected)
        gain, velocity_gain = self._uncertainty.shrink(self._across.noise / range_m)
        self._direction = _unit(_combined(1.0, expected, gain, missing))
        self._velocity = _combined(step.decay, velocity, velocity_gain, missing)
        return self._direction


def _length(v: Vector) -> float:
    return math.sqrt(v[0] * v[0] + v[1] * v[1] + v[2] * v[2])


def _unit(v: Vector) -> Vector:
    length = _length(v) or 1.0
    return v[0] / length, v[1] / length, v[2] / length


def _combined(a: float, v: Vector, b: float, w: Vector) -> Vector:
    return a * v[0] + b * w[0], a * v[1] + b * w[1], a * v[2] + b * w[2]
