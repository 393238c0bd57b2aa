"""Head poses in pictures and videos, without ROS: a table, and pictures with the axes drawn in."""

from __future__ import annotations

import argparse
import csv
import sys
from pathlib import Path

import cv2
from tqdm import tqdm

from fsanet_ros.detection import DEFAULT_DETECTION_SIZE, DETECTOR_NAMES
from fsanet_ros.drawing import draw_heads
from fsanet_ros.estimator import HeadPoseEstimator
from fsanet_ros.files.calibration_file import read_calibration
from fsanet_ros.files.video import Frames, VideoError, open_frames
from fsanet_ros.geometry.camera import CameraModel
from fsanet_ros.inference.weight_files import DEFAULT_WEIGHTS
from fsanet_ros.types import Head

COLUMNS = (
    *('frame', 'face', 'box_x', 'box_y', 'box_width', 'box_height', 'confidence'),
    *('yaw_deg', 'pitch_deg', 'roll_deg', 'x_m', 'y_m', 'z_m'),
)


def main(argv: list[str] | None = None) -> int:
    """Estimate from the command line; return the exit code."""
    parser = argparse.ArgumentParser(prog='estimate', description=__doc__)
    parser.add_argument('source', help='a picture, a folder of pictures or a video')
    parser.add_argument('--output', type=Path, metavar='DIR', help='folder for annotated pictures')
    parser.add_argument('--calibration', help='a YAML of camera_calibration: metric positions')
    parser.add_argument('--detector', choices=DETECTOR_NAMES, default=DETECTOR_NAMES[0])
    parser.add_argument('--detection-size', type=int, default=DEFAULT_DETECTION_SIZE)
    parser.add_argument('--weights', default=DEFAULT_WEIGHTS, help='a name or a file')
    arguments = parser.parse_args(argv)
    try:
        camera = None
        if arguments.calibration:
            camera = CameraModel.from_calibration(read_calibration(arguments.calibration))
        estimator = HeadPoseEstimator(
            arguments.detector, arguments.weights, detection_size=arguments.detection_size
        )
        with open_frames(arguments.source) as frames:
            _estimate(estimator, frames, camera, arguments.output)
    except (VideoError, ValueError, OSError, ImportError) as error:
        print(f'estimate: {error}', file=sys.stderr)
        return 1
    return 0


def _estimate(
    estimator: HeadPoseEstimator, frames: Frames, camera: CameraModel | None, folder: Path | None
) -> None:
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    table = csv.writer(sys.stdout)
    table.writerow(COLUMNS)
    for number, image in enumerate(tqdm(frames, unit='frame', disable=None)):
        heads = estimator.estimate(image, camera)
        for face, head in enumerate(heads):
            table.writerow(_row(number, face, head))
        if folder is not None:
            named = [(str(face), head) for face, head in enumerate(heads)]
            cv2.imwrite(str(folder / f'{number:06d}.png'), draw_heads(image, named, camera))


def _row(number: int, face: int, head: Head) -> list[object]:
    box = head.face.box
    position = ['', '', ''] if head.position_m is None else [f'{v:.4f}' for v in head.position_m]
    return [
        *(number, face),
        *(f'{v:.1f}' for v in (box.x, box.y, box.width, box.height)),
        f'{head.face.score:.3f}',
        *(f'{v:.2f}' for v in head.yaw_pitch_roll_deg),
        *position,
    ]


if __name__ == '__main__':
    raise SystemExit(main())
