"""
How far faces are turned from targets, and how sure that is.

A face at p with direction d sees a target at t in the direction u = (t - p) / |t - p|. Errors of
rotation and position move d and u on the sphere. To first order the vector from d to u in their
tangent plane is (angle, 0) plus a Gaussian, its first axis along the way from d to u, and "the
true angle is below a threshold" is a disc around the origin of that plane.
"""

from __future__ import annotations

import numpy as np

from fsanet_ros.arrays import FloatArray

# Gauss-Legendre: 32 nodes leave less than 1e-5 at any angle, covariance and radius that occur.
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(32)
_REACH_SIGMA = 7.0  # beyond, a Gaussian is nothing
_SMALLEST_SIGMA_RAD = 1e-6  # so that a certain direction gives 0 or 1, not a division by zero


def angle_to_target(
    rotation_optical: FloatArray,
    to_target_m: FloatArray,
    rotation_covariance_rad2: FloatArray,
    position_covariance_m2: FloatArray,
) -> tuple[FloatArray, FloatArray]:
    """
    Return the angle between each face's direction and each target as seen from the face.

    NaN covariances give NaN. Linear in the errors: a few percent of probability for errors of
    10 degrees, less for smaller ones.

    :param rotation_optical: float64 [n, 3, 3]
    :param to_target_m: float64 [n, m, 3], from the sellions to the targets, none of length 0
    :param rotation_covariance_rad2: float64 [n, 3, 3], as in types.Head
    :param position_covariance_m2: float64 [n, m, 3, 3], of to_target_m
    :returns: the angle in radians, float64 [n, m], and the covariance of the vector from the
        face's direction to the target's in the tangent plane (see above), rad^2, [n, m, 2, 2]
    """
    distance = np.linalg.norm(to_target_m, axis=-1, keepdims=True)
    target = to_target_m / distance
    nose = np.broadcast_to(-rotation_optical[:, None, :, 2], target.shape)
    cosine = np.einsum('nmi,nmi->nm', nose, target)[..., None]
    aside = target - cosine * nose
    sine = np.linalg.norm(aside, axis=-1, keepdims=True)
    # Straight at the target, or straight away from it, any direction is as good: the head's x.
    degenerate = sine < 1e-9
    at_nose = np.where(degenerate, rotation_optical[:, None, :, 0], aside)
    at_nose /= np.where(degenerate, 1.0, sine)
    across = np.cross(nose, at_nose)
    at_target = cosine * at_nose - sine * nose
    # A rotation e moves the nose by e x nose, a shift q of the vector moves its direction by
    # q / distance, both seen along the way (at_nose, at_target) and across it.
    by_rotation = np.stack([-across, at_nose], axis=-2)
    by_position = np.stack([at_target, across], axis=-2) / distance[..., None]
    covariance = _through(by_rotation, rotation_covariance_rad2[:, None])
    covariance += _through(by_position, position_covariance_m2)
    return np.arctan2(sine, cosine)[..., 0], covariance


def probability_in_disc(offset: FloatArray, covariance: FloatArray, radius: float) -> FloatArray:
    """
    Return how much of 2D Gaussians lies in a disc around the origin.

    In the Gaussian's principal axes the integral across is a difference of two normal
    distribution functions; the one along the narrower axis is a quadrature in the angle phi of
    x = radius * sin(phi), which is smooth up to the disc's edge.

    :param offset: float64 [...], the mean's distance from the origin along the first axis
    :param covariance: float64 [..., 2, 2]; NaN gives NaN
    :param radius: more than 0, in the unit of the offset
    :returns: float64 [...], 0 to 1, to 1e-5
    """
    # Here: it takes 24 MB, and most robots do not ask who looks at what.
    from scipy.special import ndtr

    a, b, c = covariance[..., 0, 0], covariance[..., 1, 1], covariance[..., 0, 1]
    middle, spread = (a + b) / 2.0, np.hypot((a - b) / 2.0, c)
    wide = np.sqrt(np.maximum(middle + spread, _SMALLEST_SIGMA_RAD**2))[..., None]
    narrow = np.sqrt(np.maximum(middle - spread, _SMALLEST_SIGMA_RAD**2))[..., None]
    turn = np.arctan2(2.0 * c, a - b) / 2.0  # of the wide axis against the first
    mean_wide = (offset * np.cos(turn))[..., None]
    mean_narrow = (-offset * np.sin(turn))[..., None]
    reach = _REACH_SIGMA * narrow
    low = np.arcsin(np.clip((mean_narrow - reach) / radius, -1.0, 1.0))
    high = np.arcsin(np.clip((mean_narrow + reach) / radius, -1.0, 1.0))
    phi = (low + high) / 2.0 + (high - low) / 2.0 * _NODES
    half_chord = radius * np.cos(phi)
    z = (radius * np.sin(phi) - mean_narrow) / narrow
    across = ndtr((half_chord - mean_wide) / wide) - ndtr((-half_chord - mean_wide) / wide)
    density = np.exp(-0.5 * z * z) * across * half_chord
    scale = (high - low)[..., 0] / 2.0 / narrow[..., 0] / np.sqrt(2.0 * np.pi)
    return np.clip(density @ _WEIGHTS * scale, 0.0, 1.0)


def _through(jacobian: FloatArray, covariance: FloatArray) -> FloatArray:
    return jacobian @ covariance @ np.swapaxes(jacobian, -1, -2)
