"""
Where the time of one image goes, stage by stage, in one thread and without ROS's transport.

The stages are the node's own functions: convert (message to pixels), detect, crop, network,
geometry (rotations, positions, covariances), track, message (heads to a serialised message).
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

from rclpy.serialization import serialize_message

from fsanet_ros.benchmarks.bench_arguments import add_cases, add_outputs, save, save_report
from fsanet_ros.benchmarks.bench_report import plot_stages, table
from fsanet_ros.benchmarks.cases import Case, choose
from fsanet_ros.benchmarks.machine import Machine
from fsanet_ros.benchmarks.node_runs.bench_camera import image_messages
from fsanet_ros.benchmarks.scenes import faces_found, make_scene
from fsanet_ros.benchmarks.stages import STAGES, Settings, StageTimes, Track, measure_stages
from fsanet_ros.benchmarks.timing import Spread
from fsanet_ros.detection import FaceDetector
from fsanet_ros.files.image_messages import bgr_from_compressed
from fsanet_ros.inference.runtime import Runtime, make_runtime
from fsanet_ros.inference.weight_files import DEFAULT_WEIGHTS
from fsanet_ros.research.arguments import add_detector, detector_of, positive
from fsanet_ros.ros.input.images import bgr_from_image
from fsanet_ros.ros.output import messages
from fsanet_ros.ros.settings import HeadPoseSettings
from fsanet_ros.tools.command_line import command_parser, fail
from fsanet_ros.tracking.tracker import TrackedHead

FRAMES = 6
HEADER = ('case', 'heads', *STAGES, 'total')


def bench_library(argv: Sequence[str]) -> int:
    """Measure from the command line; return the exit code."""
    arguments = _parser().parse_args(argv)
    try:
        cases = choose(arguments.cases)
        detector = detector_of(arguments)
        runtime = make_runtime(arguments.weights, arguments.runtime, arguments.threads)
    except (ValueError, OSError, ImportError) as error:
        return fail('bench library', error)
    settings = Settings(
        arguments.detection_size, arguments.search_period, arguments.mirror_max_faces
    )
    machine = Machine()
    print(machine.summary())
    figures, spreads = measure_cases(cases, detector, runtime, arguments.repeat, settings)
    about = {
        'detector': detector.name,
        **asdict(settings),
        'network': runtime.description.name,
        'runtime': runtime.name,
        'threads': arguments.threads,
    }
    save(arguments, machine, {**about, 'cases': figures})
    rows = [_row(case, spreads[case['name']]) for case in figures]
    setting = ', '.join(f'{name} {value}' for name, value in about.items())
    page = [f'Milliseconds for an image, median (quartiles); {setting}.\n', table(HEADER, rows)]
    save_report(arguments, machine, 'library', page, partial(plot_stages, spreads))
    return 0


def node_settings() -> Settings:
    """Return the settings of a node of which no parameter is set."""
    node = HeadPoseSettings()
    return Settings(
        node.detection.size, node.detection.search_period_s, node.network.mirror_max_faces
    )


def measure_cases(
    cases: Sequence[Case],
    detector: FaceDetector,
    runtime: Runtime,
    repeat: int,
    settings: Settings,
) -> tuple[list[dict[str, Any]], dict[str, dict[str, Spread]]]:
    """
    Measure and print the stages of cases.

    :returns: figures for a JSON file, and their spreads by the name of the case, by stage
    """
    tracks = [_track(case) for case in cases]
    results = measure_stages(detector, runtime, tracks, repeat, settings)
    spreads = {c.name: r.spreads() for c, r in zip(cases, results, strict=True)}
    figures = [_figures(t, r, detector) for t, r in zip(tracks, results, strict=True)]
    for case in figures:
        print(f'{case["name"]}: {case["heads"]:g} heads, milliseconds, median (quartiles)')
        for stage, found in spreads[case['name']].items():
            print(f'  {stage:10} {found}')
    return figures, spreads


def _figures(track: Track, result: StageTimes, detector: FaceDetector) -> dict[str, Any]:
    found = faces_found(track.scene, detector)
    return {
        'name': track.scene.case.name,
        'faces_found': statistics.median(found),
        'heads': statistics.median(result.heads),
        'images': len(result.heads),
        'stages_ms': {stage: asdict(found) for stage, found in result.spreads().items()},
    }


def _track(case: Case) -> Track:
    scene = make_scene(case, FRAMES)
    size = case.width, case.height

    def publish(tracked: Sequence[TrackedHead], message: Any) -> object:
        return serialize_message(messages.head_pose_array(tracked, message.header, size))

    convert = bgr_from_image if case.transport == 'raw' else bgr_from_compressed
    return Track(scene, image_messages(scene.images, case.transport), convert, publish)


def _row(case: dict[str, Any], spreads: dict[str, Spread]) -> list[str]:
    return [case['name'], f'{case["heads"]:g}', *(str(spreads[name]) for name in HEADER[2:])]


def _parser() -> argparse.ArgumentParser:
    parser = command_parser('bench library', __doc__)
    add_cases(parser)
    add_detector(parser)
    parser.add_argument('--weights', default=DEFAULT_WEIGHTS, help='a name or a file')
    parser.add_argument('--runtime', default='auto', help='onnxruntime, torch or auto')
    parser.add_argument('--threads', type=positive, default=1, help='of the network')
    node = node_settings()
    for option, default, said in (
        (
            '--search-period',
            node.search_period_s,
            'seconds between searches of whole images, 0: each',
        ),
        (
            '--mirror-max-faces',
            node.mirror_max_faces,
            'in images with more, one pass for each face',
        ),
    ):
        parser.add_argument(option, type=type(default), default=default, help=said)
    parser.add_argument('--repeat', type=positive, default=60, help='images of each case')
    add_outputs(parser)
    return parser
