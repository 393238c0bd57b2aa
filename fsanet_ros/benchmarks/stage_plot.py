"""The plot of where the time goes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fsanet_ros.learning.report_plots import new_figure


def plot_stages(cases: Sequence[dict[str, Any]], path: Path) -> None:
    """
    Draw a bar for each case, made of its stages' medians.

    :param cases: each with ``name`` and ``stages_ms``, {stage: {median, low, high}}
    :raises ImportError: if matplotlib is not installed
    """
    figure = new_figure(width=9, height=1.2 + 0.5 * len(cases))
    panel = figure.subplots()
    names = [case['name'] for case in cases]
    left = [0.0] * len(cases)
    for stage in cases[0]['stages_ms']:
        lengths = [case['stages_ms'][stage]['median'] for case in cases]
        panel.barh(names, lengths, left=left, label=stage)
        left = [a + b for a, b in zip(left, lengths, strict=True)]
    panel.invert_yaxis()
    panel.set_xlabel('milliseconds, medians')
    panel.legend(fontsize='small', ncols=4, loc='upper center', bbox_to_anchor=(0.5, 1.3))
    panel.grid(axis='x', alpha=0.25)
    figure.savefig(path, dpi=110)
