"""
The node, over ROS topics: latency, greatest rate, CPU time and memory (``./run bench node``).

Beside it, in the same way, a node that only takes images and answers: the floor. What is above it
is ours.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from fsanet_ros.benchmarks.machine import describe_machine
from fsanet_ros.benchmarks.process_usage import usage_of
from fsanet_ros.benchmarks.scenes import Scene, make_scene
from fsanet_ros.detection import DETECTOR_NAMES
from fsanet_ros.ros.processes import Process, node_process

START_S = 30.0
WARM_UP_S = 1.0


@dataclass(frozen=True)
class Case:
    """What is played."""

    width: int
    height: int
    faces: int
    transport: str = 'raw'

    @property
    def name(self) -> str:
        """What it is called in the report, such as 640x480 raw, 1 face."""
        faces = '1 face' if self.faces == 1 else f'{self.faces} faces'
        return f'{self.width}x{self.height} {self.transport}, {faces}'


CASES = (
    *(Case(640, 480, faces) for faces in (0, 1, 4, 7)),
    Case(640, 480, 1, 'jpeg'),
    Case(1280, 720, 4),
    Case(1280, 720, 16),
    Case(1920, 1080, 16),
)


@dataclass(frozen=True)
class Played:
    """
    What came of a scene: at a steady rate, and with as many images as there were answers.

    ``cpu_s_per_frame``: of the node's process, all its threads, as fast as it goes.
    """

    latency_ms: dict[str, float]
    max_rate_hz: float
    cpu_s_per_frame: float
    rss_mb: float
    dropped: int
    faces_found: float


def bench_node(argv: Sequence[str]) -> int:
    """Measure from the command line; return the exit code."""
    arguments = _parser().parse_args(argv)
    cases = [case for case in CASES if any(part in case.name for part in arguments.cases or [''])]
    if not cases:
        names = '; '.join(case.name for case in CASES)
        print(f'bench node: no case has {arguments.cases} in its name: {names}', file=sys.stderr)
        return 1
    os.environ.setdefault('ROS_DOMAIN_ID', str(1 + os.getpid() % 101))
    report: dict[str, Any] = {'machine': describe_machine(), 'cases': []}
    report['parameters'] = _parameters(arguments)
    print(_HEAD)
    try:
        for case in cases:
            figures = measure(case, report['parameters'], arguments.rate, arguments.seconds)
            report['cases'].append(figures)
            print(_row(figures), flush=True)
    except (TimeoutError, ImportError) as error:
        print(f'bench node: {error}', file=sys.stderr)
        return 1
    report['machine']['load_after'] = os.getloadavg()[0]
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=2) + '\n')
    return 0


def measure(
    case: Case, parameters: dict[str, Any], rate_hz: float, seconds: float
) -> dict[str, Any]:
    """
    Return the figures of a case, as they are in the JSON file.

    :param parameters: of the node
    :raises TimeoutError: if a node does not answer
    """
    scene = make_scene(case.width, case.height, case.faces)
    if case.transport == 'jpeg':
        parameters = {**parameters, 'image_transport': 'compressed'}
    floor = _play(node_process('ros.bench_floor', {}), scene, case, rate_hz, seconds)
    ours = _play(node_process('ros.node', parameters), scene, case, rate_hz, seconds)
    return {
        'name': case.name,
        'rate_hz': rate_hz,
        **asdict(ours),
        'floor_ms': floor.latency_ms,
        'floor_max_rate_hz': floor.max_rate_hz,
        'floor_cpu_s_per_frame': floor.cpu_s_per_frame,
    }


def _play(
    starting: AbstractContextManager[Process],
    scene: Scene,
    case: Case,
    rate_hz: float,
    seconds: float,
) -> Played:
    import rclpy

    from fsanet_ros.ros.bench_camera import BenchCamera

    rclpy.init()
    camera = BenchCamera(scene, case.transport)
    try:
        with starting as process:
            camera.wait_for_answer(START_S)
            camera.play_on_answer(WARM_UP_S)
            camera.play_at(rate_hz, seconds)
            latencies = 1000.0 * np.array(camera.latencies_s)
            dropped = camera.sent - len(latencies)
            faces = float(np.median(camera.faces)) if camera.faces else float('nan')
            before = usage_of(process.pid)
            camera.play_on_answer(seconds)
            after = usage_of(process.pid)
            answered = len(camera.latencies_s)
    finally:
        camera.destroy()
        rclpy.try_shutdown()
    if not len(latencies) or not answered:
        raise TimeoutError(f'{case.name}: no answers in {seconds:g} s')
    return Played(
        {f'p{p}': float(np.percentile(latencies, p)) for p in (50, 95, 99)},
        answered / seconds,
        (after.cpu_s - before.cpu_s) / answered,
        after.rss_mb,
        dropped,
        faces,
    )


_HEAD = (
    f'{"":26} {"latency, ms":>20} {"floor":>7} {"added":>7} {"rate":>7} {"floor":>7} '
    f'{"CPU":>7} {"floor":>7} {"memory":>7} {"lost":>5} {"faces":>6}\n'
    f'{"":26} {"p50":>6} {"p95":>6} {"p99":>6} {"p50":>7} {"p50":>7} {"Hz":>7} {"Hz":>7} '
    f'{"ms":>7} {"ms":>7} {"MB":>7}'
)


def _row(figures: dict[str, Any]) -> str:
    latency, floor = figures['latency_ms'], figures['floor_ms']
    return (
        f'{figures["name"]:26} {latency["p50"]:6.1f} {latency["p95"]:6.1f} {latency["p99"]:6.1f} '
        f'{floor["p50"]:7.1f} {latency["p50"] - floor["p50"]:7.1f} {figures["max_rate_hz"]:7.1f} '
        f'{figures["floor_max_rate_hz"]:7.1f} {1000 * figures["cpu_s_per_frame"]:7.1f} '
        f'{1000 * figures["floor_cpu_s_per_frame"]:7.1f} {figures["rss_mb"]:7.0f} '
        f'{figures["dropped"]:5} {figures["faces_found"]:6.0f}'
    )


def _parameters(arguments: argparse.Namespace) -> dict[str, Any]:
    parameters: dict[str, Any] = {'detector': arguments.detector}
    if arguments.detector_model:
        parameters['detector_model'] = str(Path(arguments.detector_model).resolve())
    for text in arguments.set:
        name, _, value = text.partition('=')
        parameters[name] = yaml.safe_load(value)
    return parameters


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog='bench node', description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        '--cases', nargs='+', metavar='TEXT', help='those with one of these in their name'
    )
    parser.add_argument('--rate', type=float, default=15.0, help='images a second for the latency')
    parser.add_argument('--seconds', type=float, default=6.0, help='of each measurement')
    parser.add_argument('--detector', choices=DETECTOR_NAMES, default=DETECTOR_NAMES[0])
    parser.add_argument('--detector-model', default='', help="the detector's model file")
    parser.add_argument(
        '--set', action='append', default=[], metavar='NAME=VALUE', help='a parameter of the node'
    )
    parser.add_argument('--json', type=Path, metavar='FILE', help='write the figures to a file')
    return parser
