"""Figures as files: JSON, and a folder with a page and plots."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from fsanet_ros.benchmarks.stages import STAGES
from fsanet_ros.benchmarks.timing import Spread
from fsanet_ros.research.evaluation.report_plots import new_figure

_COLORS = ('0.6', 'tab:blue', 'tab:cyan', 'tab:orange', 'tab:green', 'tab:purple', 'tab:red')


def write_json(path: Path, figures: Mapping[str, Any]) -> None:
    """Write figures to a file; what is no number (NaN) becomes null, as JSON knows none."""
    text = json.dumps(_plain(figures), indent=2, allow_nan=False)
    path.write_text(text + '\n', encoding='utf-8')


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [header, ['---'] * len(header), *rows]
    return ''.join(f'| {" | ".join(line)} |\n' for line in lines)


def write_page(path: Path, title: str, machine: str, parts: Iterable[str]) -> None:
    """Write a Markdown page: what it is about, the machine and its load, then the parts."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text('\n'.join([f'# {title}\n', f'{machine}\n', *parts]), encoding='utf-8')


def plot_stages(spreads: Mapping[str, Mapping[str, Spread]], path: Path) -> None:
    """
    Draw the medians of the stages on top of each other, a bar for each case.

    :param spreads: by the name of the case, by stage, milliseconds
    :raises ImportError: if matplotlib is not installed
    """
    figure = new_figure(width=10, height=1.6 + 0.45 * len(spreads))
    axes = figure.subplots()
    names = list(spreads)
    lefts = [0.0] * len(names)
    for stage, color in zip(STAGES, _COLORS, strict=True):
        widths = [spreads[name][stage].median for name in names]
        axes.barh(names, widths, left=lefts, label=stage, color=color)
        lefts = [left + width for left, width in zip(lefts, widths, strict=True)]
    totals = [spreads[name]['total'] for name in names]
    ends = [total.median for total in totals]
    # Beside the bars, as medians do not add up.
    reach = [[t.median - t.low for t in totals], [t.high - t.median for t in totals]]
    axes.errorbar(ends, names, xerr=reach, fmt='k.', markersize=3, linewidth=1, label='total')
    _finish(axes, 'milliseconds for an image; line: quartiles of the total')
    figure.savefig(path, dpi=120)


def plot_latencies(cases: Sequence[Mapping[str, Any]], path: Path) -> None:
    """
    Draw the node's latency and that of the floor, median to 99th percentile, for each case.

    :param cases: as in the JSON of ``bench node``
    :raises ImportError: if matplotlib is not installed
    """
    figure = new_figure(width=10, height=1.6 + 0.6 * len(cases))
    axes = figure.subplots()
    for shift, key, color, label in (
        (-0.18, 'floor_ms', '0.6', 'only received and answered'),
        (0.18, 'latency_ms', 'tab:blue', 'head poses'),
    ):
        places = [index + shift for index in range(len(cases))]
        medians = [case[key]['p50'] for case in cases]
        tails = [case[key]['p99'] - case[key]['p50'] for case in cases]
        axes.barh(places, medians, height=0.34, color=color, label=label)
        axes.errorbar(
            medians, places, xerr=[[0.0] * len(cases), tails], fmt='none', color='k', linewidth=1
        )
    axes.set_yticks(range(len(cases)), [case['name'] for case in cases])
    _finish(axes, 'milliseconds from stamp to answer: median; line: to the 99th percentile')
    figure.savefig(path, dpi=120)


def plot_soak(parts: Sequence[Mapping[str, Any]], path: Path) -> None:
    """
    Draw latency and memory against time.

    :param parts: as in the JSON of ``bench soak``
    :raises ImportError: if matplotlib is not installed
    """
    figure = new_figure(width=10, height=6)
    latency, memory = figure.subplots(2, 1, sharex=True)
    minutes = [part['time_s'] / 60.0 for part in parts]
    for name in ('p50', 'p95', 'p99'):
        latency.plot(minutes, [part['latency_ms'][name] for part in parts], label=name)
    latency.set_ylabel('latency, ms')
    for name, label in (('rss_mb', 'resident'), ('private_mb', 'private')):
        memory.plot(minutes, [part[name] for part in parts], label=label)
    memory.set_ylabel('memory, MB')
    memory.set_xlabel('minutes')
    for axes in (latency, memory):
        axes.set_ylim(bottom=0.0)
        axes.grid(alpha=0.25)
        axes.legend(fontsize='small')
    figure.savefig(path, dpi=120)


def _finish(axes: Any, label: str) -> None:
    axes.invert_yaxis()
    axes.set_xlabel(label)
    axes.set_axisbelow(True)
    axes.grid(axis='x', alpha=0.25)
    axes.legend(fontsize='small', loc='lower center', bbox_to_anchor=(0.5, 1.0), ncol=8)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def plot_range(cases: Sequence[Mapping[str, Any]], path: Path) -> None:
    """
    Draw which share of the faces is found, and how soon, against their size.

    :param cases: as in the JSON of ``bench range``
    :raises ImportError: if matplotlib is not installed
    """
    figure = new_figure(width=10, height=6)
    found, first = figure.subplots(2, 1, sharex=True)
    lines: dict[str, list[Mapping[str, Any]]] = {}
    for case in cases:
        if case['face_px']:
            words = case['case'].split(', ')
            name = ', '.join([case['version'], words[0], *words[2:]])
            lines.setdefault(name, []).append(case)
    for name, points in lines.items():
        sizes = [point['face_px'] for point in points]
        found.plot(sizes, [100.0 * point['found'] for point in points], marker='.', label=name)
        first.plot(sizes, [point['first_s'] for point in points], marker='.')
    found.set_ylabel('found within a second, %')
    found.legend(fontsize=8)
    first.set_ylabel('median time until found, s')
    first.set_xlabel('brows to chin, pixels')
    for axes in (found, first):
        axes.grid(alpha=0.3)
    figure.savefig(path, dpi=120)


def plot_lifecycle(parts: Sequence[Mapping[str, float]], path: Path) -> None:
    """
    Draw memory against rounds through the lifecycle.

    :param parts: as in the JSON of ``bench lifecycle``
    :raises ImportError: if matplotlib is not installed
    """
    figure = new_figure(width=8, height=3.5)
    axes = figure.subplots()
    rounds = [part['round'] for part in parts]
    for name, label in (('rss_mb', 'resident'), ('private_mb', 'private')):
        axes.plot(rounds, [part[name] for part in parts], label=label)
    axes.set_xlabel('rounds: configure, activate, deactivate, clean up')
    axes.set_ylabel('memory, MB')
    axes.set_ylim(bottom=0.0)
    axes.grid(alpha=0.25)
    axes.legend(fontsize='small')
    figure.savefig(path, dpi=100)
