"""
Face detectors side by side: milliseconds for a picture and the share of the faces that is found.

By detector and by input size (detection_size), on the package's own scenes and, with --root, on
AFLW faces put into images. Those that can not run here are named with the reason.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

from fsanet_ros.benchmarks.bench_arguments import add_cases, add_outputs, save, save_report
from fsanet_ros.benchmarks.bench_report import table
from fsanet_ros.benchmarks.cases import choose
from fsanet_ros.benchmarks.detector_figures import (
    SIZES,
    DetectorFigures,
    Picture,
    at_hand,
    measure_detectors,
    pictures_of_faces,
    pictures_of_scenes,
)
from fsanet_ros.benchmarks.machine import Machine
from fsanet_ros.benchmarks.scenes import make_scene
from fsanet_ros.research.arguments import positive
from fsanet_ros.research.datasets.faces import load_aflw_faces
from fsanet_ros.research.detectors import COMPARED_NAMES
from fsanet_ros.tools.command_line import command_parser, fail

HEADER = (
    'pictures',
    'detector',
    'size',
    'ms, median (quartiles)',
    'found',
    'false per picture',
)
FRAMES = 6


def bench_detectors(argv: Sequence[str]) -> int:
    """Measure from the command line; return 0, or 1 when no detector or no picture is here."""
    arguments = _parser().parse_args(argv)
    machine = Machine()
    try:
        models = _models(arguments.detector_model)
        detectors, missing = at_hand(
            arguments.names or COMPARED_NAMES, arguments.detection_sizes, models
        )
        sets = _pictures(arguments)
    except (ValueError, OSError) as error:
        return fail('bench detectors', error)
    for name, reason in missing.items():
        print(f'{name}: not measured: {reason}', file=sys.stderr)
    if not detectors:
        return 1
    print(machine.summary())
    print('  '.join(HEADER))
    figures: list[DetectorFigures] = []
    for name, pictures in sets:
        found = measure_detectors(detectors, name, pictures, arguments.repeat)
        for one in found:
            print('  '.join(_row(one)), flush=True)
        figures += found
    report = {'detectors': [asdict(one) for one in figures], 'not_measured': missing}
    save(arguments, machine, report)
    reasons = [f'- {name}: not measured: {reason}\n' for name, reason in missing.items()]
    save_report(arguments, machine, 'detectors', [table(HEADER, map(_row, figures)), *reasons])
    return 0


def _pictures(arguments: argparse.Namespace) -> list[tuple[str, Iterable[Picture]]]:
    sets: list[tuple[str, Iterable[Picture]]] = [
        (case.name, pictures_of_scenes([make_scene(case, FRAMES)]))
        for case in choose(arguments.cases)
        if case.transport == 'raw'  # which a detector does not see
    ]
    if arguments.root:
        faces = load_aflw_faces(arguments.root)
        name = f'{min(arguments.faces, len(faces))} AFLW faces, 16 to 200 pixels'
        sets.append((name, pictures_of_faces(faces, arguments.faces)))
    return sets


def _row(one: DetectorFigures) -> tuple[str, ...]:
    found = f'{100 * one.recall:.1f} %' if one.faces else '-'
    size = str(one.detection_size or 'full')
    return one.pictures, one.detector, size, str(one.time_ms), found, f'{one.false_per_image:.2f}'


def _models(texts: Sequence[str]) -> dict[str, str]:
    models = dict(text.partition('=')[::2] for text in texts)
    for name, path in models.items():
        if name not in COMPARED_NAMES or not path:
            raise ValueError(
                f'--model {name}={path}: expected DETECTOR=FILE with one of '
                f'{", ".join(COMPARED_NAMES)}'
            )
    return models


def _parser() -> argparse.ArgumentParser:
    parser = command_parser('bench detectors', __doc__)
    parser.add_argument('names', nargs='*', metavar='NAME', help='detectors; none: all at hand')
    parser.add_argument(
        '--detection-sizes',
        nargs='+',
        type=int,
        default=SIZES,
        help='detection sizes; 0: full size',
    )
    parser.add_argument(
        '--detector-model',
        nargs='+',
        default=[],
        metavar='DETECTOR=FILE',
        help="the detectors' files, for those that need one",
    )
    add_cases(parser)
    parser.add_argument(
        '--root', type=Path, help='a folder with AFLW faces (faces_120.zip, labels.npz)'
    )
    parser.add_argument('--faces', type=positive, default=400, help='of --root')
    parser.add_argument('--repeat', type=positive, default=3, help='looks at each picture')
    add_outputs(parser)
    return parser
