"""
How far away people are found: small faces in large scenes, as videos at 30 Hz.

Each video shows one face that rests, or walks at 1 m/s, for a second; or nobody. Counted are the
faces found within the second, the images in which a found face is seen, its ids, its pose's error,
the processor time of an image, and heads that are none. --before FILE measures another version's
detection/following.py in turns with this one.
"""

from __future__ import annotations

import argparse
import csv
import importlib.util
import sys
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from fsanet_ros.allocation import keep_freed_memory
from fsanet_ros.benchmarks.bench_arguments import add_outputs, save, save_report
from fsanet_ros.benchmarks.bench_report import plot_range, table
from fsanet_ros.benchmarks.far_faces import (
    FarCase,
    FarFace,
    Follower,
    measure,
    rendered_faces,
    soft_backgrounds,
)
from fsanet_ros.benchmarks.machine import Machine
from fsanet_ros.detection.following import FaceFollower, SearchAtOnce
from fsanet_ros.estimator import HeadPoseEstimator
from fsanet_ros.files.pictures import decode_picture, read_picture
from fsanet_ros.files.video import PICTURE_SUFFIXES
from fsanet_ros.geometry.rotations import matrix_from_yaw_pitch_roll_deg
from fsanet_ros.research.arguments import add_detector, detector_of, positive
from fsanet_ros.research.datasets import labelled_images
from fsanet_ros.research.datasets.aflw import read_aflw_kept_aside
from fsanet_ros.tools.command_line import command_parser, fail
from fsanet_ros.types import Image

SIZES = ('1280x720',)
FACES_PX = (14, 18, 24, 32, 48, 80)
SEARCH_PERIOD_S = 0.3
# Of our weights' training: those faces no weights of the package have seen.
_KEPT_SHARE, _KEPT_SEED = 0.1, 0
_HEADER = (
    *('case', 'version', 'found', 'first seen, s', 'seen then', 'ids', 'error, degrees'),
    *('CPU per image, ms', 'false faces per image', 'false heads'),
)


def bench_range(argv: Sequence[str]) -> int:
    """Measure from the command line; return the exit code."""
    arguments = _parser().parse_args(argv)
    machine = Machine()
    keep_freed_memory()  # as the node does
    try:
        faces = _faces(arguments.root, arguments.videos)
        backgrounds = _backgrounds(arguments.backgrounds, arguments.videos)
        followers = _followers(arguments)
        estimator = HeadPoseEstimator(detector_of(arguments), mirror_max_faces=4)
    except (ValueError, OSError, ImportError) as error:
        return fail('bench range', error)
    print(machine.summary())
    print('  '.join(_HEADER))
    figures: list[dict[str, Any]] = []
    for case, shown in _cases(arguments, faces):
        for name, found in measure(followers, estimator, case, shown, backgrounds).items():
            figures.append({'case': case.name, 'version': name, **asdict(case), **found.summary()})
            print('  '.join(_row(figures[-1])), flush=True)
    about = {'detector': estimator.detector.name, 'detection_size': arguments.detection_size}
    save(arguments, machine, {**about, 'cases': figures})
    page = [f'{about}\n', table(_HEADER, map(_row, figures))]
    save_report(arguments, machine, 'range', page, partial(plot_range, figures))
    return 0


def _cases(
    arguments: argparse.Namespace, faces: list[FarFace]
) -> Iterator[tuple[FarCase, Sequence[FarFace | None]]]:
    for size in arguments.sizes:
        width, height = (int(side) for side in size.split('x'))
        for face_px in arguments.face_px:
            for turn_deg in arguments.turns:
                for moves in (False, True):
                    yield FarCase(width, height, face_px, moves, turn_deg), faces
        if arguments.empty:
            nobody = [None] * len(faces)
            yield FarCase(width, height, 0, seconds=arguments.empty), nobody


def _followers(arguments: argparse.Namespace) -> dict[str, Callable[[], Follower]]:
    size = arguments.detection_size
    followers: dict[str, Callable[[], Follower]] = {}
    if arguments.before:
        spec = importlib.util.spec_from_file_location('following_before', arguments.before)
        if spec is None or spec.loader is None:
            raise ValueError(f'{arguments.before} is no Python file')
        before = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = before
        spec.loader.exec_module(before)
        followers['before'] = lambda: before.FaceFollower(
            SEARCH_PERIOD_S, size, before.SearchAtOnce()
        )
    followers['now'] = lambda: FaceFollower(SEARCH_PERIOD_S, size, SearchAtOnce())
    return followers


def _faces(root: Path | None, count: int) -> list[FarFace]:
    if root is None:
        return rendered_faces(count)
    kept = read_aflw_kept_aside(root, _KEPT_SHARE, _KEPT_SEED)
    chosen = np.random.default_rng(1).permutation(len(kept))[:count]
    return [
        FarFace(
            labelled_images.read_picture(kept[index]),
            matrix_from_yaw_pitch_roll_deg(kept[index].yaw_pitch_roll_deg),
        )
        for index in chosen
    ]


def _backgrounds(root: Path | None, count: int) -> list[Image]:
    if root is None:
        return soft_backgrounds(count)
    read = list(_pictures_of_nobody(root) if (root / 'index.csv').is_file() else _pictures_in(root))
    if not read:
        raise ValueError(f'{root} has no pictures')
    chosen = np.random.default_rng(1).permutation(len(read))[:count]
    return [read[index]() for index in chosen]


def _pictures_in(root: Path) -> Iterator[Callable[[], Image]]:
    for path in sorted(root.iterdir()):
        if path.suffix.lower() in PICTURE_SUFFIXES:
            yield partial(read_picture, path)


def _pictures_of_nobody(root: Path) -> Iterator[Callable[[], Image]]:
    """Yield those that index.csv says are without people; ``file`` is ZIP/NAME."""
    with (root / 'index.csv').open(encoding='utf-8', newline='') as file:
        for row in csv.DictReader(file):
            if row['people'] == '0':
                archive, _, name = row['file'].partition('/')
                yield partial(_read_zipped, root / f'{archive}.zip', name)


def _read_zipped(path: Path, name: str) -> Image:
    with zipfile.ZipFile(path) as archive:
        member = next(n for n in archive.namelist() if n.endswith(name))
        return decode_picture(np.frombuffer(archive.read(member), np.uint8))


def _row(case: dict[str, Any]) -> tuple[str, ...]:
    nobody = not case['face_px']
    return (
        'nobody, ' + case['case'].split(',')[0] if nobody else case['case'],
        case['version'],
        '-' if nobody else f'{100 * case["found"]:.0f} %',
        f'{case["first_s"]:.2f}',
        f'{100 * case["seen"]:.1f} %',
        f'{case["ids"]:.2f}',
        f'{case["error_deg"]:.1f}',
        f'{case["cpu_ms"]:.1f}',
        f'{case["wrong_per_image"]:.4f}',
        f'{case["wrong_ids"]:.0f} in {case["videos"]:.0f}',
    )


def _size(text: str) -> str:
    width, _, height = text.partition('x')
    if not (width.isdecimal() and height.isdecimal() and int(width) and int(height)):
        raise argparse.ArgumentTypeError(f'{text} is no size: expected such as 1280x720')
    return text


def _parser() -> argparse.ArgumentParser:
    parser = command_parser('bench range', __doc__)
    parser.add_argument(
        '--root', type=Path, metavar='DIR', help='AFLW faces (faces_120.zip, labels.npz), of '
        'which those kept aside are taken; else rendered heads'
    )  # fmt: skip
    parser.add_argument(
        '--backgrounds', type=Path, metavar='DIR', help='pictures without people, or zip files '
        'with an index.csv (file, people); else soft blotches'
    )  # fmt: skip
    parser.add_argument('--videos', type=positive, default=24, help='of each case')
    parser.add_argument('--sizes', nargs='+', type=_size, default=SIZES, help='of the images')
    parser.add_argument(
        '--face-px', nargs='+', type=positive, default=FACES_PX, help='brows to chin, in pixels'
    )
    parser.add_argument(
        '--turns', nargs='+', type=float, default=[0.0], help='of the faces in the image, degrees'
    )
    parser.add_argument(
        '--empty', type=float, default=1.0, help='seconds of each video without anybody; 0: none'
    )
    parser.add_argument('--before', type=Path, metavar='FILE', help='another following.py')
    add_detector(parser)
    add_outputs(parser)
    return parser
