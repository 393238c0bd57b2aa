"""
Speed on this machine, in a minute or two: the network, the stages of an image, the node.

"bench node", "library", "detectors", "models", "estimate", "range", "soak" and "lifecycle" measure
one thing thoroughly; each takes --help. What is measured: docs/how_to/measure_speed.md.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from functools import partial
from typing import Any

import numpy as np

from fsanet_ros.benchmarks.bench_arguments import add_outputs, save, save_report
from fsanet_ros.benchmarks.bench_report import plot_stages, table
from fsanet_ros.benchmarks.cases import Case
from fsanet_ros.benchmarks.machine import Machine
from fsanet_ros.benchmarks.node_runs.node_case import Plan
from fsanet_ros.benchmarks.timing import Spread, interleaved_ms, spread
from fsanet_ros.inference.crops import NETWORK_SIZE
from fsanet_ros.inference.runtime import Runtime, make_runtime
from fsanet_ros.research.arguments import positive
from fsanet_ros.tools import bench_library, bench_node
from fsanet_ros.tools.bench_detectors import bench_detectors
from fsanet_ros.tools.bench_estimate import bench_estimate
from fsanet_ros.tools.bench_lifecycle import bench_lifecycle
from fsanet_ros.tools.bench_models import bench_models
from fsanet_ros.tools.bench_range import bench_range
from fsanet_ros.tools.bench_soak import bench_soak
from fsanet_ros.tools.command_line import command_parser, fail

BATCHES = (1, 4, 16)
CASES = (Case(640, 480, 1), Case(1280, 720, 4))
SHORT = Plan(seconds=4.0, rounds=2)

PARTS: dict[str, Callable[[Sequence[str]], int]] = {
    'node': bench_node.bench_node,
    'library': bench_library.bench_library,
    'models': bench_models,
    'detectors': bench_detectors,
    'estimate': bench_estimate,
    'range': bench_range,
    'soak': bench_soak,
    'lifecycle': bench_lifecycle,
}


def main(argv: list[str] | None = None) -> int:
    """Measure from the command line; return the exit code."""
    words = sys.argv[1:] if argv is None else argv
    if words and words[0] in PARTS:
        return PARTS[words[0]](words[1:])
    return _bench_all(words)


def bench_network(runtime: Runtime, repeat: int) -> dict[int, Spread]:
    """Return milliseconds of the network alone, by the number of faces, taken in turns."""
    shape = (max(BATCHES), NETWORK_SIZE, NETWORK_SIZE, 3)
    crops = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    times = interleaved_ms({str(n): partial(runtime, crops[:n]) for n in BATCHES}, repeat)
    return {int(n): spread(values) for n, values in times.items()}


def _bench_all(words: Sequence[str]) -> int:
    arguments = _parser().parse_args(words)
    parameters: dict[str, object] = {'detection.detector': arguments.detector}
    if arguments.detector_model:
        parameters['detection.model_file'] = arguments.detector_model
    try:
        detector = bench_node.detector_of(parameters)
        runtime = make_runtime()
    except (ValueError, OSError, ImportError) as error:
        return fail('bench', error)
    machine = Machine()
    print(machine.summary())
    network = bench_network(runtime, arguments.repeat)
    for count, found in network.items():
        print(f'network in {runtime.name}, one thread, {count:2} face(s): {found} ms')
    stages, spreads = bench_library.measure_cases(
        CASES, detector, runtime, arguments.repeat, bench_library.node_settings()
    )
    figures: dict[str, Any] = {
        'parameters': parameters,
        'network_ms': {count: asdict(found) for count, found in network.items()},
        'library': stages,
    }
    failed: dict[str, str] = {}
    if not arguments.no_ros:
        figures |= bench_node.surround()
        plan = replace(SHORT, parameters=parameters)
        figures['cases'], failed = bench_node.measure_cases(CASES, plan, detector)
        figures['failed'] = failed
    save(arguments, machine, figures)
    page = [table(bench_node.HEADER, map(bench_node.row, figures.get('cases', [])))]
    save_report(arguments, machine, 'short', page, partial(plot_stages, spreads))
    return 1 if failed else 0


def _parser() -> argparse.ArgumentParser:
    parser = command_parser('bench', __doc__)
    parser.add_argument('--repeat', type=positive, default=60, help='how often each is timed')
    parser.add_argument('--no-ros', action='store_true', help='leave the node out')
    bench_node.add_detector(parser)
    add_outputs(parser)
    return parser


if __name__ == '__main__':
    sys.exit(main())
