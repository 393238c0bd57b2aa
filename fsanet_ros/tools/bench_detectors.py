"""
Time and recall of the face detectors at several sizes (``./run bench detectors``).

On scenes of rendered people and, with --root, on AFLW faces put into images of 320 to 640 pixels.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from fsanet_ros.benchmarks.machine import describe_machine
from fsanet_ros.benchmarks.scenes import make_scene
from fsanet_ros.benchmarks.timing import time_by_turns
from fsanet_ros.detection import DETECTOR_NAMES, FaceDetector, make_detector
from fsanet_ros.types import Image, Square

SIZES = (320, 480, 640)
SCENES = ((640, 480, 1), (640, 480, 7), (1280, 720, 16))
PLACED = 300
# Faces of which nobody expects more.
MIN_FACE_PX = 24

Known = tuple[Image, tuple[Square, ...]]


def bench_detectors(argv: Sequence[str]) -> int:
    """Measure from the command line; return the exit code."""
    arguments = _parser().parse_args(argv)
    try:
        pictures = known_pictures(arguments.root)
    except (ValueError, OSError) as error:
        print(f'bench detectors: {error}', file=sys.stderr)
        return 1
    report: dict[str, Any] = {'machine': describe_machine(), 'detectors': []}
    times = f'ms in {_title(SCENES[0])}'
    print(f'{"detector":12} {"size":>5} {times:>32} {"recall":>8} {"false":>7}')
    for name in arguments.detectors or DETECTOR_NAMES:
        for size in SIZES:
            try:
                path = arguments.yunet if name == 'yunet' else ''
                detector = make_detector(name, detection_size=size, model_path=path)
            except (ValueError, OSError, ImportError) as error:
                print(f'{name:12} cannot run: {error}')
                break
            figures = _measure(detector, pictures, arguments.repeat)
            report['detectors'].append({'name': name, 'detection_size': size, **figures})
            first = figures['ms'][_title(SCENES[0])]
            print(
                f'{name:12} {size:5} {first["median"]:14.2f} ({first["low"]:.2f} to '
                f'{first["high"]:.2f}) {figures["recall"]:8.3f} {figures["false"]:7.3f}',
                flush=True,
            )
    report['machine']['load_after'] = os.getloadavg()[0]
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=2) + '\n')
    return 0


def known_pictures(root: Path | None) -> list[Known]:
    """
    Return pictures and where the faces in them are.

    :param root: of AFLW faces with labels; None: rendered people alone
    :raises FileNotFoundError: if there are none
    """
    scenes = [make_scene(*scene) for scene in SCENES]
    known = [(frame, scene.squares) for scene in scenes for frame in scene.frames]
    if root is not None:
        from fsanet_ros.learning.faces import load_aflw_faces, split
        from fsanet_ros.learning.placed_faces import place_faces

        faces = split(load_aflw_faces(root), 0.1, seed=1)[1]
        some = np.arange(0, len(faces), max(1, len(faces) // PLACED))
        for image, face in place_faces(faces.select(some), 1, seed=3):
            if face.square.side >= MIN_FACE_PX:
                known.append((image, (face.square,)))
    return known


def _measure(detector: FaceDetector, pictures: Sequence[Known], repeat: int) -> dict[str, Any]:
    wanted = found = false = 0
    for image, squares in pictures:
        faces = detector.detect(image)
        hits = [square for square in squares if any(_hits(f.square, square) for f in faces)]
        wanted, found = wanted + len(squares), found + len(hits)
        false += sum(not any(_hits(f.square, square) for square in squares) for f in faces)
    works = {
        _title(scene): partial(detector.detect, make_scene(*scene).frames[0]) for scene in SCENES
    }
    times = {name: asdict(value) for name, value in time_by_turns(works, repeat).items()}
    return {'ms': times, 'recall': found / wanted, 'false': false / len(pictures), 'n': wanted}


def _hits(found: Square, square: Square) -> bool:
    off = abs(found.center_x - square.center_x), abs(found.center_y - square.center_y)
    return max(off) < square.side / 4 and 0.5 < found.side / square.side < 2.0


def _title(scene: tuple[int, int, int]) -> str:
    return f'{scene[0]}x{scene[1]}, {scene[2]} faces'


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog='bench detectors',
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        'detectors', nargs='*', metavar='NAME', help=f'of: {", ".join(DETECTOR_NAMES)}; none: all'
    )
    parser.add_argument('--yunet', default='', help="YuNet's model file")
    parser.add_argument('--root', type=Path, help='faces_120.zip and labels.npz of AFLW')
    parser.add_argument('--repeat', type=int, default=20, help='how often each scene is timed')
    parser.add_argument('--json', type=Path, metavar='FILE', help='write the figures to a file')
    return parser
