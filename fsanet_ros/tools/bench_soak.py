"""
The node under full load for a long time: latency and memory against time.

One kind of picture, sent faster than it can be worked on. How to read it:
docs/how_to/measure_speed.md.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from fsanet_ros.benchmarks.bench_arguments import add_outputs, positive_number, save, save_report
from fsanet_ros.benchmarks.bench_report import plot_soak, table
from fsanet_ros.benchmarks.machine import Machine
from fsanet_ros.benchmarks.node_runs.collector import BenchError
from fsanet_ros.benchmarks.node_runs.node_case import Bench, bench_of
from fsanet_ros.benchmarks.node_runs.topics import NODE
from fsanet_ros.benchmarks.scenes import make_scene
from fsanet_ros.research.arguments import positive
from fsanet_ros.tools.bench_node import add_parameters, chosen_case, surround
from fsanet_ros.tools.command_line import command_parser, fail

HEADER = ('minute', 'latency p50 / p95 / p99, ms', 'answered, Hz', 'CPU per image, ms', 'RSS, MB')
_PROBE_HZ = 15.0


def bench_soak(argv: Sequence[str]) -> int:
    """Measure from the command line; return 0, or 1 when the node did not hold out."""
    arguments = _parser().parse_args(argv)
    try:
        case, parameters = chosen_case(arguments)
    except (ValueError, OSError, ImportError) as error:
        return fail('bench soak', error)
    machine = Machine()
    print(machine.summary())
    figures: dict[str, Any] = {'case': case.name, 'parameters': parameters, **surround()}
    parts: list[dict[str, Any]] = []
    try:
        with bench_of(make_scene(case), parameters) as bench:
            bench.start_up()
            rate_hz = arguments.rate or _full_load_hz(bench)
            print(f'{case.name}, {rate_hz:.0f} Hz sent\n{"  ".join(HEADER)}')
            for part in _soak(bench, rate_hz, 60.0 * arguments.minutes, arguments.period):
                parts.append(part)
                print('  '.join(row(part)), flush=True)
    except BenchError as error:
        return fail('bench soak', error)
    figures |= {'rate_hz': rate_hz, 'parts': parts, **change(parts)}
    save(arguments, machine, figures)
    page = [
        f'{case.name}, {rate_hz:.0f} Hz sent.\n',
        _summary(figures),
        table(HEADER, map(row, parts)),
    ]
    print(page[1])
    save_report(arguments, machine, 'soak', page, partial(plot_soak, parts))
    return 0


def change(parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """
    Return the medians of the second and of the last sixth of a soak.

    Of ``latency_ms`` (its p50), ``rss_mb`` and ``private_mb``; the first sixth is left out, in
    which caches fill.
    """
    length = max(1, len(parts) // 6)
    early = parts[length : 2 * length] or parts
    return {
        name: {
            'early': statistics.median(_value(part, name) for part in early),
            'late': statistics.median(_value(part, name) for part in parts[-length:]),
        }
        for name in ('latency_ms', 'rss_mb', 'private_mb')
    }


def row(part: dict[str, Any]) -> tuple[str, ...]:
    """Return the cells of HEADER for a part of a soak."""
    return (
        f'{part["time_s"] / 60.0:.1f}',
        ' / '.join(f'{value:.1f}' for value in part['latency_ms'].values()),
        f'{part["answered_hz"]:.0f}',
        f'{1e3 * part["cpu_s_per_frame"]:.1f}',
        f'{part["rss_mb"]:.1f}',
    )


def _full_load_hz(bench: Bench) -> float:
    """Return the rate at which the next image comes before one is done."""
    probe = bench.round(NODE, _PROBE_HZ, 3.0).exchange
    if not probe.answers:
        raise BenchError(f'no answer to images at {_PROBE_HZ:g} Hz')
    return 1e3 / probe.latency_ms['p50']


def _soak(bench: Bench, rate_hz: float, seconds: float, every_s: float) -> Iterator[dict[str, Any]]:
    start_s = time.monotonic()
    while (elapsed_s := time.monotonic() - start_s) < seconds:
        found = bench.round(NODE, rate_hz, every_s)
        exchange = found.exchange
        if not exchange.answers:
            raise BenchError(f'no answer after {elapsed_s:.0f} s')
        memory = bench.memory_mb()
        yield {
            'time_s': elapsed_s,
            'latency_ms': exchange.latency_ms,
            'sent_hz': exchange.sent / exchange.seconds,
            'answered_hz': len(exchange.answers) / exchange.seconds,
            'cpu_s_per_frame': found.cpu_s_per_frame,
            'rss_mb': memory['rss'],
            'private_mb': memory['private'],
        }


def _value(part: dict[str, Any], name: str) -> float:
    return float(part[name]['p50'] if name == 'latency_ms' else part[name])


def _summary(figures: dict[str, Any]) -> str:
    names = {'latency_ms': 'median latency, ms', 'rss_mb': 'RSS, MB', 'private_mb': 'private, MB'}
    said = [f'{names[n]}: {figures[n]["early"]:.1f} to {figures[n]["late"]:.1f}' for n in names]
    return f'From the second to the last sixth: {"; ".join(said)}.\n'


def _parser() -> argparse.ArgumentParser:
    parser = command_parser('bench soak', __doc__)
    parser.add_argument('--case', default='640x480 raw, 1 face', help='a part of its name')
    parser.add_argument('--minutes', type=positive_number, default=30.0)
    parser.add_argument('--period', type=positive_number, default=30.0, help='seconds for a figure')
    parser.add_argument(
        '--rate', type=positive, default=0, help='Hz; without: one image in each median latency'
    )
    add_parameters(parser)
    add_outputs(parser)
    return parser
