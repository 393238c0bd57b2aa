"""
Where each head points over time, from any source, as a plot or a table.

    timelines = Timelines()
    timelines.add('h1', 0.033, (12.0, -3.0, 1.0))
    plot(timelines, 'plot.png')
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from fsanet_ros.geometry.rotations import (
    lean_deg,
    matrix_from_yaw_pitch_roll_deg,
    pan_tilt_deg,
)
from fsanet_ros.research.evaluation.report_plots import new_figure
from fsanet_ros.types import FloatArray

# Yaw, pitch and roll of an upright head in profile jump; what is plotted instead does not.
DIRECTIONS = ('nose left', 'nose up', 'lean')
COLUMNS = ('stamp_s', 'id', 'yaw_deg', 'pitch_deg', 'roll_deg')
# A line across a longer gap, or across the jump from 180 to -180 degrees, would show what nobody
# has measured.
MAX_GAP_S = 0.5
MAX_STEP_DEG = 180.0


class Timelines:
    """The angles of heads, collected as they arrive."""

    def __init__(self) -> None:
        """Start without heads."""
        self._rows: dict[str, list[tuple[float, float, float, float]]] = {}

    def add(self, head_id: str, stamp_s: float, yaw_pitch_roll_deg: Iterable[float]) -> None:
        """Add one head's pose in one image; stamps in seconds, of any clock."""
        yaw, pitch, roll = map(float, yaw_pitch_roll_deg)
        self._rows.setdefault(head_id, []).append((float(stamp_s), yaw, pitch, roll))

    def __len__(self) -> int:
        """Return how many heads there are."""
        return len(self._rows)

    @property
    def count(self) -> int:
        """The number of poses of all heads."""
        return sum(map(len, self._rows.values()))

    def of_heads(self) -> dict[str, FloatArray]:
        """
        Return each head's poses, in the order in which the heads appeared.

        :returns: float64 [n, 4] each: seconds since the first pose of any head, and yaw, pitch,
            roll in degrees, sorted by time
        """
        rows = {head: np.array(sorted(rows), np.float64) for head, rows in self._rows.items()}
        start = min((of_head[0, 0] for of_head in rows.values()), default=0.0)
        ordered = sorted(rows.items(), key=lambda item: item[1][0, 0])
        return {head: of_head - (start, 0, 0, 0) for head, of_head in ordered}


def broken_at_gaps(poses: FloatArray) -> FloatArray:
    """
    Return a head's poses with a row of NaN wherever its line must break.

    :param poses: float64 [n, 4], see Timelines.of_heads
    """
    steps = np.abs(np.diff(poses, axis=0))
    breaks = np.flatnonzero((steps[:, 0] > MAX_GAP_S) | (steps[:, 1:] > MAX_STEP_DEG).any(axis=1))
    return np.insert(poses, breaks + 1, np.nan, axis=0)


def directions_deg(poses: FloatArray) -> FloatArray:
    """
    Return where a head's nose points and how far it leans over, instead of yaw, pitch and roll.

    :param poses: float64 [n, 4], see Timelines.of_heads
    :returns: float64 [n, 4]: seconds; pan and tilt (rotations.pan_tilt_deg), lean
        (rotations.lean_deg) in degrees
    """
    turned = matrix_from_yaw_pitch_roll_deg(poses[:, 1:])
    leans = [lean_deg(rotation) for rotation in turned]
    return np.column_stack([poses[:, 0], pan_tilt_deg(turned), leans])


def write_table(timelines: Timelines, path: str | Path) -> None:
    """Write a CSV with the columns COLUMNS, one head after the other."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with open(path, 'w', newline='', encoding='utf-8') as file:
        table = csv.writer(file, lineterminator='\n')
        table.writerow(COLUMNS)
        for head, poses in timelines.of_heads().items():
            table.writerows(
                (f'{t:.4f}', head, *(f'{a:.3f}' for a in angles)) for t, *angles in poses
            )


def plot(timelines: Timelines, path: str | Path, title: str = '') -> None:
    """
    Plot over time where noses point and how far heads lean over, with one line per head.

    Left is the image's left. Lean is the turn about the nose, clockwise in the image for somebody
    who looks into the camera: 0 for every upright head.

    :param path: .png, .svg, .pdf or any other format of matplotlib
    :raises ImportError: if matplotlib is not installed
    :raises ValueError: if there is nothing to plot, or for an unknown format
    """
    if not len(timelines):
        raise ValueError('there is no head pose to plot')
    figure = new_figure(width=10, height=7)
    heads = timelines.of_heads()
    axes = figure.subplots(3, 1, sharex=True)
    for head, poses in heads.items():
        line = broken_at_gaps(directions_deg(poses))
        for column, panel in enumerate(axes, start=1):
            # A single pose between gaps has no line: the points show it.
            panel.plot(
                line[:, 0], line[:, column], label=head, linewidth=1, marker='.', markersize=2
            )
    for name, panel in zip(DIRECTIONS, axes, strict=True):
        panel.set_ylabel(f'{name} (degrees)')
        panel.axhline(0, color='0.6', linewidth=0.6)
        panel.grid(alpha=0.3)
    axes[-1].set_xlabel('time (seconds)')
    if title:
        axes[0].set_title(title)
    if len(heads) > 1:
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc='outside right upper', fontsize='small', title='head')
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)


def check_plot(path: str | Path) -> None:
    """
    Check early that ``plot`` can write this file.

    :raises ImportError: if matplotlib is not installed
    :raises ValueError: if matplotlib does not write this format
    """
    kinds = new_figure(width=10, height=7).canvas.get_supported_filetypes()
    if Path(path).suffix[1:] not in kinds:
        raise ValueError(
            f'{path} is not a picture that matplotlib writes: expected .{", .".join(kinds)}'
        )
