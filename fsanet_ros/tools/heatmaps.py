"""
A sheet of FSA-Net's heat maps: where in a face each capsule of the spatial maps S_k looks.

Takes pictures, folders of pictures and videos.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from fsanet_ros.estimator import HeadPoseEstimator
from fsanet_ros.files.output_checks import check_file
from fsanet_ros.files.video import VideoError, open_frames
from fsanet_ros.inference.crops import NETWORK_SIZE
from fsanet_ros.inference.face_crops import cut_faces
from fsanet_ros.inference.heat_map_sheet import heat_map_sheet
from fsanet_ros.inference.heat_maps import make_heat_maps
from fsanet_ros.inference.weight_files import DEFAULT_WEIGHTS
from fsanet_ros.research.arguments import add_detector, detector_of, positive
from fsanet_ros.tools.command_line import command_parser, fail, note
from fsanet_ros.types import Head, Image


def main(argv: list[str] | None = None) -> int:
    """Make a sheet from the command line; return the exit code."""
    arguments = _parser().parse_args(argv)
    try:
        check_file(arguments.output)
        heat_maps = make_heat_maps(arguments.weights)
        heads, crops = _faces(arguments)
        if not heads:
            return fail('heatmaps', 'no face was found, so there is nothing to show')
        sheet = heat_map_sheet(crops, heat_maps(crops), [_name(head) for head in heads])
        _write(arguments.output, sheet)
    except (VideoError, ValueError, OSError, ImportError) as error:
        return fail('heatmaps', error)
    note(arguments, f'{len(heads)} faces: {arguments.output}')
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = command_parser('heatmaps', __doc__)
    parser.add_argument('pictures', nargs='+', metavar='PICTURE', help='or a folder, or a video')
    parser.add_argument('-o', '--output', type=Path, required=True, metavar='FILE.png')
    parser.add_argument('--weights', default=DEFAULT_WEIGHTS, help='a name or a file')
    add_detector(parser)
    parser.add_argument(
        '--every', type=positive, default=1, metavar='N', help='take every Nth frame of a video'
    )
    parser.add_argument(
        '--faces', type=positive, default=8, metavar='N', help='show so many at most (default 8)'
    )
    return parser


def _faces(arguments: argparse.Namespace) -> tuple[list[Head], NDArray[np.uint8]]:
    """Return the first faces, with their crops as the weights want them."""
    detector = detector_of(arguments)
    estimator = HeadPoseEstimator(detector, arguments.weights)
    heads: list[Head] = []
    crops = [np.zeros((0, NETWORK_SIZE, NETWORK_SIZE, 3), np.uint8)]
    for image in _images(arguments.pictures, arguments.every):
        found = estimator.estimate(image)
        heads += found
        crops.append(
            cut_faces(image, [head.face for head in found], estimator.runtime.description)[1]
        )
        if len(heads) >= arguments.faces:
            break
    return heads[: arguments.faces], np.concatenate(crops)[: arguments.faces]


def _images(sources: Sequence[str], every: int) -> Iterator[Image]:
    for source in sources:
        with open_frames(source) as frames:
            yield from islice(frames, 0, None, every)


def _name(head: Head) -> str:
    yaw, pitch, roll = head.yaw_pitch_roll_deg
    return f'yaw {yaw:+.0f} pitch {pitch:+.0f} roll {roll:+.0f}'


def _write(path: Path, sheet: Image) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        written = cv2.imwrite(str(path), sheet)
    except cv2.error:
        written = False
    if not written:
        raise OSError(f'{path} cannot be written: expected the name of a .png or .jpg file')


if __name__ == '__main__':
    raise SystemExit(main())
