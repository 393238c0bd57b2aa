"""What many hours of video cost, worked out of the figures of ``bench estimate``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fsanet_ros.benchmarks.bench_report import table

HOURS, RATE_HZ = 10_000, 25
CORES = (10, 100, 1000)
_ONE_PROCESS = 'estimate, 1 process'


def cost_tables(figures: Mapping[str, Any]) -> list[str]:
    """
    Return two tables: what a core does in a second, and how long so many hours take.

    :param figures: the JSON file of bench estimate
    """
    rows = [f for f in figures['estimate'] if f['command'] == _ONE_PROCESS]
    videos = [row for row in rows if row['recording'].startswith('video')]
    names = [row['recording'].removeprefix('video ') for row in videos]
    per_core = [1000.0 / row['cpu_ms']['median'] for row in videos]
    core_hours = [HOURS * RATE_HZ / rate for rate in per_core]
    rates = [_rate_row(row) for row in rows]
    hours = [[_cores(cores), *(_time(h / cores) for h in core_hours)] for cores in CORES]
    hours.insert(0, ['core hours', *(f'{h:,.0f}' for h in core_hours)])
    return [
        table(('recording', 'CPU time per frame', 'frames a second and core'), rates),
        table(('', *names), hours),
    ]


def _rate_row(figure: Mapping[str, Any]) -> Sequence[str]:
    cpu_ms = figure['cpu_ms']['median']
    return figure['recording'], f'{cpu_ms:.1f} ms', f'{1000.0 / cpu_ms:.0f}'


def _cores(count: int) -> str:
    return f'{count:,} cores'


def _time(hours: float) -> str:
    if hours >= 48:
        return f'{hours / 24:.0f} days'
    return f'{hours:.1f} hours' if hours < 10 else f'{hours:.0f} hours'
