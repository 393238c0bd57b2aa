"""Plot whether errors stay within their predicted standard deviations."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.stats import norm

from fsanet_ros.research.evaluation.report_plots import new_figure
from fsanet_ros.types import FloatArray

SHARES = np.linspace(0.05, 0.99, 48)
BINS = 10
# Title, errors, and predicted standard deviations, float64 [n, k] each, in the same unit.
Said = tuple[str, FloatArray, FloatArray]


def plot_reliability(parts: Sequence[Said], path: Path) -> None:
    """
    Plot the share of errors within each multiple of sigma, and the size of errors over sigma.

    :raises ImportError: if matplotlib is not installed
    """
    figure = new_figure(width=10, height=4.6)
    left, right = figure.subplots(1, 2)
    left.plot([0, 100], [0, 100], color='0.5', linewidth=1)
    limits = np.array([1.0, 40.0])
    right.plot(limits, limits, color='0.5', linewidth=1)
    for title, errors, sigmas in parts:
        left.plot(100 * SHARES, 100 * shares_found(errors, sigmas), linewidth=1.6, label=title)
        right.plot(*error_by_sigma(errors, sigmas), 'o-', markersize=3.5, label=title)
    left.set(xlabel='expected share of errors, if normal (%)', ylabel='observed share (%)')
    left.set(xlim=(0, 100), ylim=(0, 100), aspect='equal')
    right.set(xlabel='sigma (degrees), deciles of the cases', ylabel='root mean square error')
    right.set(xscale='log', yscale='log', xlim=limits, ylim=limits, aspect='equal')
    for panel in (left, right):
        panel.grid(alpha=0.25)
    right.set_xticks([1, 2, 5, 10, 20, 40], [1, 2, 5, 10, 20, 40])
    right.set_yticks([1, 2, 5, 10, 20, 40], [1, 2, 5, 10, 20, 40])
    left.legend(fontsize='small')
    figure.savefig(path, dpi=110)


def shares_found(errors: FloatArray, sigmas: FloatArray) -> FloatArray:
    """Return the shares of errors within those sigmas that hold SHARES of normal errors."""
    ratios = np.abs(errors / sigmas).ravel()
    found: FloatArray = (ratios[:, None] <= norm.ppf(0.5 + SHARES / 2)).mean(axis=0)
    return found


def error_by_sigma(errors: FloatArray, sigmas: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the root mean square of sigma and of the error, in each decile of sigma."""
    order = np.argsort(sigmas, axis=None)
    tenths = [
        np.sqrt((values.ravel()[part] ** 2).mean())
        for values in (sigmas, errors)
        for part in np.array_split(order, BINS)
    ]
    of_sigma, of_error = np.reshape(tenths, (2, BINS))
    return of_sigma, of_error
