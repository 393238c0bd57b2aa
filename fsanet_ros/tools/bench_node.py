"""
The node's speed by real processes: a camera, the node, a floor beside it, a collector.

For each kind of picture: latency from the image's stamp to head_poses, what a node that only
answers takes on the same way, the greatest rate without loss, processor time per image, memory, and
what is lost. docs/how_to/measure_speed.md says how to read it.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Sequence
from typing import Any

import yaml

from fsanet_ros.benchmarks.bench_arguments import (
    add_cases,
    add_outputs,
    positive_number,
    save,
    save_report,
)
from fsanet_ros.benchmarks.bench_report import plot_latencies, table
from fsanet_ros.benchmarks.cases import DEFAULT_CASES, Case, choose
from fsanet_ros.benchmarks.machine import Machine
from fsanet_ros.benchmarks.node_runs.collector import BenchError
from fsanet_ros.benchmarks.node_runs.node_case import Plan, run_case
from fsanet_ros.benchmarks.node_runs.surroundings import leave_the_robot_alone, use_shared_memory
from fsanet_ros.benchmarks.scenes import faces_found, make_scene
from fsanet_ros.detection import DETECTOR_NAMES, FaceDetector, make_detector
from fsanet_ros.research.arguments import positive
from fsanet_ros.ros.parameters import defaults_of
from fsanet_ros.ros.settings import HeadPoseSettings
from fsanet_ros.tools.command_line import command_parser, fail

HEADER = (
    'case',
    'faces found',
    'latency p50 / p95 / p99, ms',
    'floor p50 / p95 / p99, ms',
    'added, ms',
    'greatest rate, Hz',
    'CPU per image, ms',
    'its floor',
    "page faults, and the floor's",
    'RSS, MB',
    'lost',
)
_SET_BY_BENCH = {
    'autostart',
    'input.image_topics',
    'input.image_transport',
    'input.deterministic',
}


def bench_node(argv: Sequence[str]) -> int:
    """Measure from the command line; return 0, or 1 when a case could not be measured."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    try:
        cases = choose(arguments.cases)
        parameters = chosen_parameters(arguments)
        detector = detector_of(parameters)
    except (ValueError, OSError, ImportError) as error:
        return fail('bench node', error)
    plan = Plan(
        arguments.seconds,
        arguments.rate,
        arguments.rounds,
        0.0 if arguments.no_search else arguments.top_rate,
        parameters,
    )
    machine = Machine()
    print(machine.summary())
    figures = {'parameters': parameters, 'detector': detector.name, **surround()}
    measured, failed = measure_cases(cases, plan, detector)
    save(arguments, machine, {**figures, 'cases': measured, 'failed': failed})
    if measured:
        save_report(
            arguments,
            machine,
            name='node',
            parts=[table(HEADER, map(row, measured))],
            plot=lambda path: plot_latencies(measured, path),
        )
    return 1 if failed else 0


def surround() -> dict[str, str]:
    """Prepare what is around the processes; return what is to be told of it."""
    leave_the_robot_alone()
    profile = use_shared_memory()
    if not profile:
        print('bench: config/fastdds_shm.xml is not found: images go over UDP', file=sys.stderr)
    return {'transport_profile': profile}


def measure_cases(
    cases: Sequence[Case], plan: Plan, detector: FaceDetector
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """
    Measure and print cases; return their figures, and what went wrong by the case's name.

    :param detector: as in the node, to see before that the faces are found
    """
    measured: list[dict[str, Any]] = []
    failed: dict[str, str] = {}
    print('  '.join(HEADER))
    for case in cases:
        scene = make_scene(case)
        found = faces_found(scene, detector)
        try:
            figures = run_case(scene, plan)
        except BenchError as error:
            failed[case.name] = str(error)
            print(f'bench: {case.name}: {error}', file=sys.stderr)
            continue
        figures |= {'faces_found': statistics.median(found), 'faces_found_fewest': min(found)}
        measured.append(figures)
        print('  '.join(row(figures)), flush=True)
        if min(found) < case.faces:
            print(f'bench: {case.name}: only {min(found)} faces are found', file=sys.stderr)
    return measured, failed


def row(case: dict[str, Any]) -> tuple[str, ...]:
    """Return the cells of HEADER for a case's figures."""
    latency, floor = (
        ' / '.join(f'{value:.1f}' for value in case[name].values())
        for name in ('latency_ms', 'floor_ms')
    )
    at_least = '>= ' if case.get('max_rate_limited_by') == 'sender' else ''
    rate = f'{at_least}{case["max_rate_hz"]:.0f}' if 'max_rate_hz' in case else '-'
    low, high = case['added_ms_quartiles']
    return (
        case['name'],
        f'{case["faces_found"]:g}',
        latency,
        floor,
        f'{case["added_ms"]:.1f} ({low:.1f} to {high:.1f})',
        rate,
        f'{1e3 * case["cpu_s_per_frame"]:.1f}',
        f'{1e3 * case["floor_cpu_s_per_frame"]:.1f}',
        f'{case["page_faults_per_frame"]:.0f}, {case["floor_page_faults_per_frame"]:.0f}',
        f'{case["rss_mb"]:.0f}',
        f'{case["dropped"]} of {case["sent"]}',
    )


def chosen_case(arguments: argparse.Namespace) -> tuple[Case, dict[str, object]]:
    """
    Return the case and the node's parameters that a command line asks for.

    :raises ValueError, OSError, ImportError: if a node could not start with them
    """
    (case,) = choose([arguments.case])
    parameters = chosen_parameters(arguments)
    detector_of(parameters)  # a line now, not a node that can not start
    return case, parameters


def detector_of(parameters: dict[str, object]) -> FaceDetector:
    """
    Return the detector that the node has with these parameters.

    :raises ValueError, OSError, ImportError: if it can not be made
    """
    settings: dict[str, Any] = {**defaults_of(HeadPoseSettings), **parameters}
    return make_detector(
        settings['detection.detector'],
        score_threshold=settings['detection.score_threshold'],
        detection_size=settings['detection.size'],
        model_path=settings['detection.model_file'],
    )


def add_detector(parser: argparse._ActionsContainer) -> None:
    """Let the user choose the node's detector; what is not said is the node's default."""
    parser.add_argument('--detector', choices=DETECTOR_NAMES, default=DETECTOR_NAMES[0])
    parser.add_argument('--detector-model', default='', help="the detector's file, if it needs one")


def _parser() -> argparse.ArgumentParser:
    names = '; '.join(case.name for case in DEFAULT_CASES)
    parser = command_parser('bench node', __doc__, epilog=f'Cases without --cases: {names}.')
    add_cases(parser)
    add_parameters(parser)
    parser.add_argument(
        '--seconds', type=positive_number, default=10.0, help='of images for a latency'
    )
    parser.add_argument('--rate', type=positive_number, default=15.0, help='Hz, for the latency')
    parser.add_argument('--rounds', type=positive, default=5, help='turns of node and floor')
    parser.add_argument(
        '--top-rate', type=positive_number, default=400.0, help='Hz: no greater one is tried'
    )
    parser.add_argument('--no-search', action='store_true', help='latency only, no greatest rate')
    add_outputs(parser)
    return parser


def add_parameters(parser: argparse._ActionsContainer) -> None:
    """Let the user choose the node's parameters, see chosen_parameters."""
    add_detector(parser)
    parser.add_argument(
        '--set', nargs='+', default=[], metavar='NAME=VALUE', help='parameters of the node'
    )


def chosen_parameters(arguments: argparse.Namespace) -> dict[str, object]:
    """
    Return the parameters of the node that the user has chosen.

    :raises ValueError: if there is no such parameter, or it has another type
    """
    parameters: dict[str, object] = {'detection.detector': arguments.detector}
    if arguments.detector_model:
        parameters['detection.model_file'] = arguments.detector_model
    known = defaults_of(HeadPoseSettings)
    for text in arguments.set:
        name, is_set, value = text.partition('=')
        if not is_set or name not in known or name in _SET_BY_BENCH:
            names = ', '.join(sorted(known.keys() - _SET_BY_BENCH))
            raise ValueError(f'--set {text}: expected NAME=VALUE with one of {names}')
        parameters[name] = _of_kind(name, yaml.safe_load(value), known[name])
    return parameters


def _of_kind(name: str, value: object, default: object) -> object:
    """Return a value as the parameter's type: 1 is a float where one is expected."""
    if isinstance(default, float) and type(value) is int:
        return float(value)
    if isinstance(default, str) and not isinstance(value, str):
        return '' if value is None else str(value)
    if type(value) is not type(default):
        raise ValueError(f'--set {name}: {value!r} is not a {type(default).__name__}')
    return value
