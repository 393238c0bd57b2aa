"""Plots of an evaluation: error against angle, and estimates against the truth."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from fsanet_ros.research.evaluation.pose_errors import ANGLES, PoseErrors
from fsanet_ros.types import FloatArray

BIN_DEG = 10.0
MIN_IN_BIN = 3  # fewer give no meaningful mean


def plot_error_against_angle(errors: PoseErrors, path: Path) -> None:
    """
    Plot geodesic and mean absolute error over bins of the true yaw, pitch and roll.

    :raises ImportError: if matplotlib is not installed
    """
    figure = new_figure(width=11, height=4.6)
    panels = figure.subplots(2, 3, sharex='col', gridspec_kw={'height_ratios': (4, 1)})
    for column, name in enumerate(ANGLES):
        upper, lower = panels[:, column]
        angles = errors.truth_deg[:, column]
        for label, values, color in (
            ('geodesic', errors.geodesic_deg, 'tab:blue'),
            ('mean absolute', errors.mean_deg, 'tab:orange'),
        ):
            middles, means, near, far = binned(angles, values)
            upper.plot(
                middles, means, 'o-', color=color, markersize=3.5, linewidth=1.4, label=label
            )
            upper.fill_between(middles, near, far, color=color, alpha=0.15, linewidth=0)
        edges = _edges(angles)
        lower.hist(angles, edges, color='0.65', edgecolor='white', linewidth=0.5)
        lower.set_xlabel(f'true {name} (degrees)')
        for panel in (upper, lower):
            panel.grid(alpha=0.25)
            panel.set_axisbelow(True)
            panel.set_xticks(_ticks(angles))
    highest = max(panel.get_ylim()[1] for panel in panels[0])
    for panel in panels[0]:
        panel.set_ylim(0, highest)
    panels[0, 0].set_ylabel('error (degrees)')
    panels[1, 0].set_ylabel('faces')
    panels[0, 0].legend(title='mean; shaded: middle half', fontsize='small', title_fontsize='small')
    figure.savefig(path, dpi=120)


def plot_estimate_against_truth(errors: PoseErrors, path: Path) -> None:
    """
    Plot estimated over true angles, one panel each for yaw, pitch and roll.

    :raises ImportError: if matplotlib is not installed
    """
    figure = new_figure(width=11, height=4.1)
    panels = figure.subplots(1, 3)
    size = float(np.clip(150.0 / np.sqrt(len(errors)), 3.0, 18.0))
    for column, (name, panel) in enumerate(zip(ANGLES, panels, strict=True)):
        truth, estimated = errors.truth_deg[:, column], errors.estimated_deg[:, column]
        limit = 10.0 * np.floor(max(np.abs(truth).max(), np.abs(estimated).max()) / 10.0 + 1.0)
        panel.plot([-limit, limit], [-limit, limit], color='0.5', linewidth=1)
        panel.scatter(truth, estimated, s=size, color='tab:blue', alpha=0.45, linewidths=0)
        panel.set_title(f'{name}: {errors.absolute_deg[:, column].mean():.2f}° off', fontsize=10)
        panel.set_xlabel(f'true {name} (degrees)')
        panel.set_xticks(_ticks(np.array([-limit, limit])))
        panel.set_yticks(_ticks(np.array([-limit, limit])))
        panel.set(xlim=(-limit, limit), ylim=(-limit, limit), aspect='equal')
        panel.grid(alpha=0.25)
    panels[0].set_ylabel('estimated (degrees)')
    figure.savefig(path, dpi=120)


def binned(
    angles_deg: FloatArray, values: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """
    Return each bin's mean angle, and the mean, first and third quartile of its values.

    :param angles_deg: float64 [n]; the bins are 10 degrees wide, with limits at multiples of 10
    :param values: float64 [n]
    :returns: float64 [m] each; bins with fewer than 3 values are left out
    """
    number = np.floor(angles_deg / BIN_DEG).astype(int)
    rows = []
    for index in np.unique(number):
        inside = values[number == index]
        if len(inside) >= MIN_IN_BIN:
            quartiles = np.percentile(inside, (25, 75))
            rows.append((angles_deg[number == index].mean(), inside.mean(), *quartiles))
    table = np.array(rows, np.float64).reshape(-1, 4)
    return table[:, 0], table[:, 1], table[:, 2], table[:, 3]


def new_figure(width: float, height: float) -> Any:
    """
    Return an empty figure.

    :param width: inches of 120 pixels
    :param height: the same
    :raises ImportError: if matplotlib is not installed
    """
    try:
        # pyplot would look for a display.
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(
            f'plots need matplotlib ({error}): install it with "pip install matplotlib"'
        ) from error
    return Figure(figsize=(width, height), layout='constrained')


def _edges(angles_deg: FloatArray) -> FloatArray:
    low, high = np.floor(angles_deg.min() / BIN_DEG), np.floor(angles_deg.max() / BIN_DEG) + 1.0
    return np.asarray(np.arange(low, high + 1.0) * BIN_DEG)


def _ticks(angles_deg: FloatArray) -> FloatArray:
    edges = _edges(angles_deg)
    step = 30.0 if edges[-1] - edges[0] > 90.0 else BIN_DEG
    first, last = np.ceil(edges[0] / step), np.floor(edges[-1] / step)
    return np.asarray(np.arange(first, last + 1.0) * step)
