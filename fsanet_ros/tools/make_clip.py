"""
Make the clip that ships with the package: frames, camera and the true poses.

It needs the head model (see ``fsanet_ros.research.rendering.head_model``), scikit-image for the
photograph and ffmpeg for a small file: OpenCV's own writer gives no control over the size. Takes
some ten minutes; the result is the same every time.
"""

from __future__ import annotations

import argparse
import importlib
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from fsanet_ros import demo
from fsanet_ros.arrays import FloatArray, Image
from fsanet_ros.demo import FaceTruth
from fsanet_ros.files.calibration_file import CalibrationData, write_calibration
from fsanet_ros.geometry import rotations
from fsanet_ros.geometry.camera import CameraModel
from fsanet_ros.research.rendering import (
    Appearance,
    Figure,
    HeadModel,
    RenderedHead,
    blurred_room,
    compose,
    render_head,
)

FPS = 30
WIDTH, HEIGHT = 640, 480
FOCAL_PX, CENTER_PX = 600.0, (320.0, 240.0)
RENDERED_FRAMES, PHOTOGRAPH_FRAMES = 300, 90
_SENSOR_NOISE = 1.2
_BACKGROUND_SEED = 3

# Time (s), yaw, pitch, roll (degrees, R_optical), x, y, z of the sellion (metres).
_ALEX = np.array(
    [
        (0.0, 0, 0, 0, 0.00, -0.02, 0.60),
        (0.4, 0, 0, 0, 0.00, -0.02, 0.60),
        (1.2, 60, 0, 0, 0.04, -0.02, 0.60),
        (2.1, -60, 0, 0, -0.04, -0.02, 0.60),
        (2.7, 0, 0, 0, 0.00, -0.02, 0.60),
        (3.2, 0, 30, 0, 0.00, -0.03, 0.60),
        (3.8, 0, -30, 0, 0.00, -0.01, 0.60),
        (4.2, 0, 0, 0, 0.00, -0.02, 0.60),
        (4.7, 0, 0, 25, 0.03, -0.02, 0.60),
        (5.3, 0, 0, -25, -0.06, -0.02, 0.66),
        (5.9, -25, 5, -8, -0.22, -0.08, 0.80),
        (6.7, 0, 0, 0, -0.34, -0.16, 0.90),
        (7.2, 0, 0, 0, -0.34, -0.16, 0.90),
        (7.8, 40, 15, 10, -0.33, -0.10, 0.95),
        (8.5, -45, -15, -12, -0.30, 0.05, 1.00),
        (9.2, -20, 8, 5, -0.36, 0.10, 1.30),
        (10.0, 10, 0, 0, -0.45, 0.16, 1.60),
    ]
)
_SAM = np.array(
    [
        (5.2, 30, 0, 0, 0.72, -0.04, 0.90),
        (6.2, 30, 0, 0, 0.27, -0.04, 0.85),
        (6.8, 0, 0, 0, 0.26, -0.05, 0.80),
        (7.3, -15, 20, 12, 0.24, -0.06, 0.75),
        (7.9, -55, 0, 5, 0.20, -0.03, 0.65),
        (8.5, 30, -20, -15, 0.14, 0.00, 0.50),
        (9.2, 55, 10, 0, 0.09, 0.00, 0.46),
        (10.0, 0, 0, 0, 0.10, -0.01, 0.45),
    ]
)
_BLINKS_S = {'Alex': (0.3, 2.6, 4.3, 6.9, 9.0), 'Sam': (6.5, 8.2, 9.7)}
_SMILES_S = {'Alex': (4.2, 6.0), 'Sam': (6.3, 8.0)}

# Time (s since the photograph is there), roll (degrees), zoom, middle x, y in its pixels.
_PHOTOGRAPH = np.array(
    [
        (0.0, 0, 1.50, 222, 160),
        (0.4, 0, 1.50, 222, 160),
        (1.1, 25, 1.80, 225, 150),
        (2.0, -25, 2.00, 240, 140),
        (2.6, 0, 1.60, 215, 160),
        (3.0, 0, 1.50, 222, 165),
    ]
)


@dataclass(frozen=True, eq=False)
class Actor:
    """A person of the clip and the way it goes: rows of time, yaw, pitch, roll, x, y, z."""

    face: int
    name: str
    figure: Figure
    way: FloatArray

    def at(self, frame: int, camera: CameraModel) -> tuple[RenderedHead, FaceTruth] | None:
        """Return the person in a frame, or None when not there."""
        stamp = frame / FPS
        if not self.way[0, 0] <= stamp <= self.way[-1, 0]:
            return None
        pose = eased(self.way, stamp)
        rotation = rotations.matrix_from_yaw_pitch_roll_deg(pose[:3])
        head = render_head(
            self.figure, rotation, pose[3:], camera, expression=_expression(self.name, stamp)
        )
        within = (head.landmarks_px >= 0) & (head.landmarks_px <= (camera.width, camera.height))
        inside = float(within.all(axis=1).mean())
        truth = FaceTruth(
            frame, stamp, self.face, self.name, inside, rotation, pose[3:], head.square
        )
        return head, truth


def eased(way: FloatArray, time: float) -> FloatArray:
    """Return the columns but the first of ``way`` at a time, at rest in every row."""
    i = int(np.clip(np.searchsorted(way[:, 0], time) - 1, 0, len(way) - 2))
    t = np.clip((time - way[i, 0]) / (way[i + 1, 0] - way[i, 0]), 0.0, 1.0)
    t = t * t * (3.0 - 2.0 * t)
    values: FloatArray = way[i, 1:] + t * (way[i + 1, 1:] - way[i, 1:])
    return values


def clip_camera() -> CameraModel:
    """Return the camera that the clip is seen through."""
    return CameraModel.pinhole(WIDTH, HEIGHT, FOCAL_PX, CENTER_PX)


def write_camera(path: Path) -> None:
    """Write the calibration of the clip's camera."""
    camera = clip_camera()
    calibration = CalibrationData(
        width=camera.width,
        height=camera.height,
        k=camera.k,
        d=np.zeros(5),
        distortion_model='plumb_bob',
        r=np.eye(3),
        p=np.hstack([camera.k, np.zeros((3, 1))]),
        camera_name='demo_clip',
    )
    write_calibration(path, calibration)


def cast(model: HeadModel) -> list[Actor]:
    """Return the rendered people: Alex has the mean head, Sam one of his own."""
    sams_look = Appearance(
        seed=4,
        skin=(0.50, 0.34, 0.26),
        hair=(0.10, 0.08, 0.07),
        iris=(0.26, 0.16, 0.10),
        shirt=(0.62, 0.58, 0.50),
        hair_m=0.012,
        beard=0.55,
        lip_redness=0.3,
    )
    sams_head = np.random.default_rng(4).normal(0.0, 0.7, 30)
    return [
        Actor(1, 'Alex', Figure(model, Appearance()), _ALEX),
        Actor(2, 'Sam', Figure(model, sams_look, sams_head), _SAM),
    ]


def rendered_frames(actors: Sequence[Actor]) -> Iterator[tuple[Image, list[FaceTruth]]]:
    """Render the first part of the clip, frame by frame, with the truth about each."""
    camera = clip_camera()
    room = blurred_room(WIDTH, HEIGHT, _BACKGROUND_SEED)
    for frame in range(RENDERED_FRAMES):
        seen = [found for actor in actors if (found := actor.at(frame, camera)) is not None]
        heads = [head for head, _ in seen]
        image = compose(heads, room, noise=_SENSOR_NOISE, seed=frame)
        yield image, [truth for _, truth in seen]


def photograph_frames(photograph: Image) -> Iterator[tuple[Image, list[FaceTruth]]]:
    """Move a photograph, uint8 [h, w, 3] BGR, for the second part of the clip."""
    for frame in range(RENDERED_FRAMES, RENDERED_FRAMES + PHOTOGRAPH_FRAMES):
        roll, zoom, x, y = eased(_PHOTOGRAPH, (frame - RENDERED_FRAMES) / FPS)
        # OpenCV's angle is counter-clockwise.
        turn = cv2.getRotationMatrix2D((x, y), -roll, zoom)
        turn[:, 2] += ((WIDTH - 1) / 2 - x, (HEIGHT - 1) / 2 - y)
        image = cv2.warpAffine(
            photograph,
            turn,
            (WIDTH, HEIGHT),
            flags=cv2.INTER_CUBIC,
            borderMode=cv2.BORDER_REFLECT_101,
        )
        truth = FaceTruth(frame, frame / FPS, 3, 'Eileen Collins', relative_roll_deg=float(roll))
        yield image, [truth]


def astronaut() -> Image:
    """Return the photograph, uint8 [512, 512, 3] BGR: NASA's, in the public domain."""
    try:
        data = importlib.import_module('skimage.data')
    except ImportError as error:
        raise SystemExit('error: the photograph is in scikit-image: pip install it') from error
    photograph: Image = np.ascontiguousarray(data.astronaut()[..., ::-1])
    return photograph


def ffmpeg() -> str:
    """Return the path of ffmpeg: the system's, or that of the package imageio-ffmpeg."""
    if found := shutil.which('ffmpeg'):
        return found
    try:
        package = importlib.import_module('imageio_ffmpeg')
    except ImportError as error:
        raise SystemExit('error: no ffmpeg: apt or pip (imageio-ffmpeg) install it') from error
    return str(package.get_ffmpeg_exe())


def encode(frames: Iterator[Image], path: Path, quality: int) -> None:
    """
    Write a video that every OpenCV reads frame by frame: MPEG-4 part 2 without B-frames.

    :param quality: 1 (large) to 31 (small)
    """
    command = [ffmpeg(), '-v', 'error', '-y', '-f', 'rawvideo', '-pix_fmt', 'bgr24']
    command += ['-s', f'{WIDTH}x{HEIGHT}', '-r', str(FPS), '-i', '-', '-an', '-c:v', 'mpeg4']
    # The same bytes every time: no version and no date in the file, one thread.
    command += ['-q:v', str(quality), '-bf', '0', '-g', '300', '-threads', '1', '-mbd', 'rd']
    command += ['-flags', '+mv4+aic+bitexact', '-fflags', '+bitexact', '-trellis', '2']
    command += ['-pix_fmt', 'yuv420p', '-movflags', '+faststart', str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        for frame in frames:
            process.stdin.write(frame.tobytes())
    if process.returncode:
        raise SystemExit(f'error: ffmpeg ended with {process.returncode}')


def main(argv: list[str] | None = None) -> int:
    """Make the clip from the command line."""
    parser = argparse.ArgumentParser(prog='make_clip', description=__doc__)
    parser.add_argument('--model', type=Path, help='the head model, ict_face_model_light.npz')
    parser.add_argument('--output', type=Path, default=demo.CLIP.parent, help='folder')
    parser.add_argument('--quality', type=int, default=4, help='1 (large file) to 31 (small)')
    arguments = parser.parse_args(argv)
    try:
        model = HeadModel.load(arguments.model)
    except FileNotFoundError as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    output: Path = arguments.output
    output.mkdir(parents=True, exist_ok=True)
    photograph = astronaut()
    faces: list[FaceTruth] = []

    def frames() -> Iterator[Image]:
        total = RENDERED_FRAMES + PHOTOGRAPH_FRAMES
        for part in (rendered_frames(cast(model)), photograph_frames(photograph)):
            for image, truths in part:
                faces.extend(truths)
                if (done := truths[0].frame + 1) % FPS == 0:
                    print(f'{done} of {total} frames', flush=True)
                yield image

    encode(frames(), output / demo.CLIP.name, arguments.quality)
    demo.write_poses(output / demo.CLIP_POSES.name, faces)
    write_camera(output / demo.CLIP_CAMERA.name)
    return 0


def _expression(name: str, stamp: float) -> Mapping[str, float]:
    """Return a blink now and then, and a smile: expressions that leave the pose as it is."""
    closed = max(float(np.clip(1.5 - abs(stamp - at) / 0.06, 0.0, 1.0)) for at in _BLINKS_S[name])
    begin, end = _SMILES_S[name]
    smile = 0.5 * float(np.clip(min(stamp - begin, end - stamp) / 0.4, 0.0, 1.0))
    return {
        'eyeBlink_L': closed,
        'eyeBlink_R': closed,
        'mouthSmile_L': smile,
        'mouthSmile_R': smile,
    }


if __name__ == '__main__':
    sys.exit(main())
