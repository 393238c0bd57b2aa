"""
Fit the standard deviation of a rotation's error, and tabulate how well it holds.

Errors have heavier tails than a normal distribution, whose likelihood would let the few worst ones
decide. So the shape is fitted with the likelihood of Student's t distribution, including its
degrees of freedom. The scale is set afterwards to what users of a covariance rely on: 68.3 % of the
errors within one standard deviation, 95.4 % within two. With heavy tails no scale meets both, so it
is the geometric mean of the two that meet one each.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq, minimize
from scipy.special import digamma, gammaln

from fsanet_ros.arrays import FloatArray
from fsanet_ros.inference.rotation_error import Coefficients

WITHIN_1_SIGMA, WITHIN_2_SIGMA = 0.6827, 0.9545
# Logarithms; a standard deviation exists only above 2 degrees of freedom.
_FREEDOM = (float(np.log(2.1)), float(np.log(50.0)))
_DIGITS = 4  # of the coefficients, so that all machines find the same


def fit_log_linear(features: FloatArray, errors_deg: FloatArray) -> Coefficients:
    """
    Return coefficients such that exp(features @ row) is the standard deviation about each axis.

    :param features: float64 [n, k], the first one 1, the others larger for harder faces: their
        coefficients are at least 0
    :param errors_deg: float64 [n, 3]
    :raises ValueError: if there are too few cases
    """
    _check_count(features)
    return tuple(_fit_log_linear(features, errors) for errors in errors_deg.T)


def fit_added_variances(
    features: FloatArray, errors_deg: FloatArray, known_deg: FloatArray
) -> Coefficients:
    """
    Return coefficients such that features @ row is the variance to add to a known one.

    :param features: float64 [n, k], at least 0
    :param errors_deg: float64 [n, 3], with both variances
    :param known_deg: float64 [n, 3], the known standard deviation
    :returns: square degrees, at least 0
    :raises ValueError: if there are too few cases
    """
    _check_count(features)
    axes = zip(errors_deg.T, known_deg.T, strict=True)
    return tuple(_fit_added_variances(features, *axis) for axis in axes)


def shares_within(errors: FloatArray, sigmas: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the shares of errors within 1 and within 2 sigma, per column, float64 [k] each."""
    ratios = np.abs(errors) / sigmas
    return (ratios <= 1.0).mean(axis=0), (ratios <= 2.0).mean(axis=0)


def scale_of(ratios: FloatArray) -> float:
    """
    Return the divisor that brings about 68.3 % of the ratios within 1, and 95.4 % within 2.

    :param ratios: float64 [n], errors over a first estimate of their standard deviation
    """
    size = np.abs(ratios)
    first, second = np.quantile(size, WITHIN_1_SIGMA), np.quantile(size, WITHIN_2_SIGMA) / 2.0
    return float(np.sqrt(first * second))


def calibration_table(
    errors: FloatArray, sigmas: FloatArray, bins: Sequence[tuple[str, NDArray[np.bool_]]]
) -> list[str]:
    """
    Return a line per bin: the number of cases, then four figures per column.

    These are the root mean squares of the errors and of the sigmas, and the percentages of errors
    within 1 and 2 sigma.

    :param errors: float64 [n, k]
    :param sigmas: float64 [n, k], in the same unit
    :param bins: each bin's name, and the cases in it, bool [n]
    """
    lines = []
    for name, chosen in bins:
        if not chosen.any():
            continue
        e, s = errors[chosen], sigmas[chosen]
        columns = zip(_rms(e), _rms(s), *shares_within(e, s), strict=True)
        cells = ' | '.join(
            f'{error:5.2f} {sigma:5.2f} {100 * one:5.1f} {100 * two:5.1f}'
            for error, sigma, one, two in columns
        )
        lines.append(f'{name:24} {len(e):5} | {cells}')
    return lines


def bins_of(
    name: str, values: FloatArray, edges: Sequence[float]
) -> list[tuple[str, NDArray[np.bool_]]]:
    """Return bins for calibration_table; each includes its lower edge."""
    return [
        (f'{name} {low:g} to {high:g}', (values >= low) & (values < high))
        for low, high in itertools.pairwise(edges)
    ]


def _rms(values: FloatArray) -> FloatArray:
    mean_squares: FloatArray = np.sqrt((values**2).mean(axis=0))
    return mean_squares


def _check_count(features: FloatArray) -> None:
    wanted = 20 * features.shape[1]
    if len(features) < wanted:
        raise ValueError(
            f'{len(features)} cases are too few for {features.shape[1]} coefficients: expected at '
            f'least {wanted}'
        )


def _fit_log_linear(features: FloatArray, errors: FloatArray) -> tuple[float, ...]:
    def loss(parameters: FloatArray) -> tuple[float, FloatArray]:
        log_variances = 2.0 * features @ parameters[1:]
        mean, by_freedom, slopes = _loss(parameters[0], log_variances, errors)
        return mean, np.concatenate([[by_freedom], 2.0 * features.T @ slopes])

    others = features.shape[1] - 1
    start = np.concatenate([[np.log(5.0), np.log(errors.std())], np.zeros(others)])
    bounds = [_FREEDOM, (None, None), *[(0.0, None)] * others]
    weights = minimize(loss, start, method='L-BFGS-B', jac=True, bounds=bounds).x[1:]
    weights[0] += np.log(scale_of(errors * np.exp(-features @ weights)))
    return tuple(np.round(weights, _DIGITS).tolist())


def _fit_added_variances(
    features: FloatArray, errors: FloatArray, known: FloatArray
) -> tuple[float, ...]:
    def loss(parameters: FloatArray) -> tuple[float, FloatArray]:
        variances = features @ parameters[1:] + known**2
        mean, by_freedom, slopes = _loss(parameters[0], np.log(variances), errors)
        return mean, np.concatenate([[by_freedom], features.T @ (slopes / variances)])

    start = np.concatenate([[np.log(5.0)], np.ones(features.shape[1])])
    bounds = [_FREEDOM, *[(0.0, None)] * features.shape[1]]
    weights = minimize(loss, start, method='L-BFGS-B', jac=True, bounds=bounds).x[1:]
    # The known variance keeps its scale.
    added = np.maximum(features @ weights, 1e-9)

    def log_scale(log_factor: float) -> float:
        return np.log(scale_of(errors / np.sqrt(known**2 + np.exp(log_factor) * added)))

    low, high = -10.0, 10.0
    enough_without = log_scale(low) <= 0.0
    factor = 0.0 if enough_without else np.exp(brentq(log_scale, low, high))
    return tuple(np.round(factor * weights, _DIGITS).tolist())


def _loss(
    log_freedom: float, log_variances: FloatArray, errors: FloatArray
) -> tuple[float, float, FloatArray]:
    """
    Return the mean negative log likelihood of Student's t with scales sqrt(variances).

    Also returns its derivatives by ``log_freedom`` and by each of ``log_variances``.
    """
    freedom = np.exp(log_freedom)
    squares = errors**2 * np.exp(-log_variances)
    log_tail = np.log1p(squares / freedom)
    losses = (
        gammaln(freedom / 2.0)
        - gammaln((freedom + 1.0) / 2.0)
        + 0.5 * (np.log(freedom * np.pi) + log_variances + (freedom + 1.0) * log_tail)
    )
    share = (freedom + 1.0) * squares / (freedom + squares)
    by_freedom = 0.5 * (
        digamma(freedom / 2.0) - digamma((freedom + 1.0) / 2.0) + log_tail + (1.0 - share) / freedom
    )
    slopes = 0.5 * (1.0 - share) / len(errors)
    return float(losses.mean()), float(freedom * by_freedom.mean()), slopes
