"""
Fit the standard deviation of a rotation's error, and say how well it keeps its word.

Errors have heavier tails than a normal distribution: a likelihood of normal errors would let the
few grossest decide. So the shape is fitted by the likelihood of Student's t distribution, whose
degrees of freedom are fitted too. The scale is set afterwards, for what users of a covariance
count on: the share of errors within one and within two standard deviations (68.3 and 95.4 %).
One scale cannot meet both where tails are heavy; it is the geometric mean of the two that would.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import digamma, gammaln

from fsanet_ros.fsanet.uncertainty import Coefficients

FloatArray = NDArray[np.float64]

WITHIN_1_SIGMA, WITHIN_2_SIGMA = 0.6827, 0.9545
_MIN_FREEDOM, _MAX_FREEDOM = 2.1, 50.0  # at 2 and below, there is no standard deviation
_DIGITS = 4  # of the coefficients: what differs between machines is not kept


def fit(features: FloatArray, errors_deg: FloatArray) -> Coefficients:
    """
    Return coefficients with exp(features @ row) the standard deviation about each axis.

    :param features: float64 [n, k], the first one 1, the others growing as things get worse: their
        coefficients are not negative
    :param errors_deg: float64 [n, 3]
    :raises ValueError: if there are too few cases
    """
    if len(features) < 20 * features.shape[1]:
        raise ValueError(
            f'{len(features)} cases are too few for {features.shape[1]} coefficients: expected '
            f'{20 * features.shape[1]}'
        )
    return tuple(_fit_axis(features, axis) for axis in errors_deg.T)


def shares_within(errors: FloatArray, sigmas: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the shares of errors within 1 and within 2 sigma, per column, float64 [k] each."""
    ratios = np.abs(errors) / sigmas
    return (ratios <= 1.0).mean(axis=0), (ratios <= 2.0).mean(axis=0)


def scale_of(ratios: FloatArray) -> float:
    """
    Return what to divide ratios by, so that about 68.3 % are within 1 and 95.4 % within 2.

    :param ratios: float64 [n], errors over a first idea of their standard deviation
    """
    size = np.abs(ratios)
    first, second = np.quantile(size, WITHIN_1_SIGMA), np.quantile(size, WITHIN_2_SIGMA) / 2.0
    return float(np.sqrt(first * second))


def calibration_table(
    errors: FloatArray, sigmas: FloatArray, bins: Sequence[tuple[str, NDArray[np.bool_]]]
) -> list[str]:
    """
    Return lines: for each bin, cases, and for each column root mean squares and shares.

    The root mean square of the errors and of the sigmas, then the percentages within 1 and 2
    sigma.

    :param errors: float64 [n, k]
    :param sigmas: float64 [n, k], in the same unit
    :param bins: names and which cases are in them, bool [n]
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
    """Return the bins between ``edges``, each with its lower edge, for calibration_table."""
    return [
        (f'{name} {low:g} to {high:g}', (values >= low) & (values < high))
        for low, high in zip(edges, edges[1:], strict=False)
    ]


def _rms(values: FloatArray) -> FloatArray:
    mean_squares: FloatArray = np.sqrt((values**2).mean(axis=0))
    return mean_squares


def _fit_axis(features: FloatArray, errors: FloatArray) -> tuple[float, ...]:
    count = features.shape[1]
    start = np.concatenate([[np.log(5.0), np.log(errors.std())], np.zeros(count - 1)])
    bounds = [
        (np.log(_MIN_FREEDOM), np.log(_MAX_FREEDOM)),
        (None, None),
        *[(0.0, None)] * (count - 1),
    ]
    found = minimize(
        _mean_loss, start, (features, errors), method='L-BFGS-B', jac=True, bounds=bounds
    )
    weights = found.x[1:].copy()
    weights[0] += np.log(scale_of(errors * np.exp(-features @ weights)))
    return tuple(np.round(weights, _DIGITS).tolist())


def _mean_loss(
    parameters: FloatArray, features: FloatArray, errors: FloatArray
) -> tuple[float, FloatArray]:
    """Return the mean negative log likelihood of Student's t, and its gradient."""
    freedom, log_scale = np.exp(parameters[0]), features @ parameters[1:]
    squares = (errors * np.exp(-log_scale)) ** 2
    loss = (
        gammaln(freedom / 2.0)
        - gammaln((freedom + 1.0) / 2.0)
        + 0.5 * np.log(freedom * np.pi)
        + log_scale
        + (freedom + 1.0) / 2.0 * np.log1p(squares / freedom)
    )
    slope = 1.0 - (freedom + 1.0) * squares / (freedom + squares)
    by_freedom = 0.5 * (
        digamma(freedom / 2.0)
        - digamma((freedom + 1.0) / 2.0)
        + 1.0 / freedom
        + np.log1p(squares / freedom)
        - (freedom + 1.0) * squares / (freedom * (freedom + squares))
    )
    gradient = np.concatenate([[freedom * by_freedom.mean()], features.T @ slope / len(errors)])
    return float(loss.mean()), gradient
