"""
Models side by side as a video: the truth where it is known, then each of the given weights.

Takes a video, a folder of pictures, the clip of this package (--clip), whose truth is known, or a
data set (--data NAME --root DIR); of a data set the faces are taken as it marks them.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from fsanet_ros import demo
from fsanet_ros.detection import FaceDetector
from fsanet_ros.estimator import HeadPoseEstimator
from fsanet_ros.files.output_checks import check_file
from fsanet_ros.files.video import Frames, VideoError, open_frames
from fsanet_ros.geometry.camera import CameraModel
from fsanet_ros.geometry.rotations import matrix_from_yaw_pitch_roll_deg
from fsanet_ros.inference.weight_files import DEFAULT_WEIGHTS
from fsanet_ros.research.arguments import add_detector, detector_of, positive
from fsanet_ros.research.datasets import READERS
from fsanet_ros.research.evaluation.compared_scenes import (
    Scene,
    by_picture,
    read_truths,
    scenes_of_data_set,
    scenes_of_frames,
)
from fsanet_ros.research.evaluation.comparison import (
    TRUTH,
    Column,
    errors_deg,
    panel_size,
    side_by_side,
)
from fsanet_ros.research.evaluation.pose_errors import rotations_to_marks
from fsanet_ros.tools.command_line import command_parser, fail, note
from fsanet_ros.types import Head, Image

FALLBACK_RATE_HZ = 30.0
PICTURES_RATE_HZ = 2.0  # a folder's pictures are to be looked at
_ROTATIONS_OF = {'pointing04': rotations_to_marks}


def main(argv: list[str] | None = None) -> int:
    """Compare from the command line; return the exit code."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    if [bool(arguments.source), arguments.clip, bool(arguments.data)].count(True) != 1:
        parser.error('give one of: a video (or a folder of pictures), --clip, --data NAME')
    if bool(arguments.data) != bool(arguments.root):
        parser.error('--data and --root belong together')
    if arguments.data and (arguments.truth or arguments.calibration):
        parser.error('a data set brings its own truth, without a camera')
    try:
        if arguments.clip:
            arguments.source = str(demo.CLIP)
            arguments.truth = arguments.truth or demo.CLIP_POSES
            arguments.calibration = arguments.calibration or demo.CLIP_CAMERA
        summary = _compare(arguments)
    except (VideoError, ValueError, OSError, ImportError) as error:
        return fail('compare', error)
    if summary:
        print('\n'.join(summary))
    note(arguments, f'written: {arguments.output}')
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = command_parser('compare', __doc__)
    parser.add_argument('source', nargs='?', default='', help='a video or a folder of pictures')
    parser.add_argument('--clip', action='store_true', help="this package's clip, with its truth")
    parser.add_argument('--data', choices=sorted(READERS), help='a data set, with its truth')
    parser.add_argument('--root', metavar='DIR', help='where the data set is')
    parser.add_argument(
        '--weights', nargs='+', default=[DEFAULT_WEIGHTS], metavar='A', help='names or files'
    )
    parser.add_argument(
        '-o', '--output', type=Path, default=Path('comparison.mp4'), metavar='FILE.mp4'
    )
    parser.add_argument('--truth', type=Path, metavar='FILE.csv', help='as demo/clip_poses.csv')
    parser.add_argument('--calibration', help='a YAML of camera_calibration')
    parser.add_argument(
        '--every', type=positive, default=1, metavar='N', help='take every Nth image'
    )
    parser.add_argument(
        '--frames', type=positive, default=None, metavar='N', help='stop after N images'
    )
    add_detector(parser)
    return parser


def _compare(arguments: argparse.Namespace) -> list[str]:
    """Write the video; return the lines of the summary."""
    camera = None
    if arguments.calibration:
        camera = CameraModel.from_file(arguments.calibration)
    detector = detector_of(arguments)
    models = _named(
        {weights: HeadPoseEstimator(detector, weights) for weights in arguments.weights}
    )
    scores = _Scores(list(models))
    panel = (0, 0)
    with (
        _scenes(arguments, detector, camera) as (scenes, count, rate_hz),
        _video(arguments.output, rate_hz) as write,
    ):
        shown = islice(scenes, arguments.frames)
        for scene in tqdm(shown, total=count, unit='image', disable=arguments.quiet or None):
            answers = {
                name: model.estimate_faces(scene.image, scene.faces, camera)
                for name, model in models.items()
            }
            columns = _columns(answers, scene.truth)
            if panel == (0, 0):
                panel = panel_size(scene.image, len(columns))
            write(side_by_side(scene.image, columns, camera, panel))
            scores.add(answers, columns)
    return scores.lines()


@contextmanager
def _scenes(
    arguments: argparse.Namespace, detector: FaceDetector, camera: CameraModel | None
) -> Iterator[tuple[Iterator[Scene], int | None, float]]:
    """Give what is compared, how many images that is where it is known, how many a second."""
    if arguments.data:
        labelled = READERS[arguments.data](Path(arguments.root).expanduser())
        pictures = by_picture(labelled)[:: arguments.every][: arguments.frames]
        rotations_of = _ROTATIONS_OF.get(arguments.data, matrix_from_yaw_pitch_roll_deg)
        scenes = scenes_of_data_set(pictures, detector, rotations_of)
        yield scenes, len(pictures), PICTURES_RATE_HZ
        return
    truths = read_truths(arguments.truth, camera) if arguments.truth else None
    with open_frames(arguments.source) as frames:
        scenes = scenes_of_frames(frames, detector, truths, arguments.every)
        yield scenes, arguments.frames, _rate_hz(frames, arguments.source) / arguments.every


def _rate_hz(frames: Frames, source: str) -> float:
    return frames.rate_hz or (PICTURES_RATE_HZ if Path(source).is_dir() else FALLBACK_RATE_HZ)


def _named(models: dict[str, HeadPoseEstimator]) -> dict[str, HeadPoseEstimator]:
    """Call the models by their own names where these differ, else as they were given."""
    names = [model.runtime.description.name for model in models.values()]
    if len(set(names)) < len(names):
        names = list(models)
    return dict(zip(names, models.values(), strict=True))


def _columns(answers: dict[str, list[Head]], truth: list[Head] | None) -> list[Column]:
    if truth is None:
        return [Column(name, heads) for name, heads in answers.items()]
    return [
        Column(TRUTH, truth),
        *(Column(name, heads, errors_deg(heads, truth)) for name, heads in answers.items()),
    ]


class _Scores:
    """The errors of all models over all frames, and how far each is from the first."""

    def __init__(self, names: list[str]) -> None:
        self._names = names
        self._errors_deg: dict[str, list[float]] = {name: [] for name in names}
        self._apart_deg: dict[str, list[float]] = {name: [] for name in names[1:]}

    def add(self, answers: dict[str, list[Head]], columns: list[Column]) -> None:
        for column in columns:
            if column.name in self._errors_deg:
                self._errors_deg[column.name] += column.errors_deg
        for name, apart in self._apart_deg.items():
            apart += errors_deg(answers[name], answers[self._names[0]])

    def lines(self) -> list[str]:
        lines = [
            f'{name}: {len(errors)} heads with a truth, geodesic error mean '
            f'{np.mean(errors):.2f}, median {np.median(errors):.2f} degrees'
            for name, errors in self._errors_deg.items()
            if errors
        ]
        return lines + [
            f'{name} and {self._names[0]}: {len(apart)} heads, apart by mean {np.mean(apart):.2f}, '
            f'median {np.median(apart):.2f} degrees'
            for name, apart in self._apart_deg.items()
            if apart
        ]


@contextmanager
def _video(path: Path, rate_hz: float) -> Iterator[Callable[[Image], None]]:
    """Give a function that appends a picture; all have the first one's size."""
    if path.suffix.lower() not in ('.mp4', '.avi'):
        raise ValueError(f'{path} cannot be written: expected the name of a .mp4 or .avi file')
    check_file(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    writer: list[cv2.VideoWriter] = []

    def write(picture: Image) -> None:
        if not writer:
            size = picture.shape[1], picture.shape[0]
            code = cv2.VideoWriter.fourcc(*('MJPG' if path.suffix.lower() == '.avi' else 'mp4v'))
            writer.append(cv2.VideoWriter(str(path), code, rate_hz, size))
            if not writer[0].isOpened():
                raise OSError(f'{path} cannot be written: OpenCV has no encoder for it')
        writer[0].write(picture)

    try:
        yield write
    finally:
        for open_writer in writer:
            open_writer.release()


if __name__ == '__main__':
    raise SystemExit(main())
