"""
Pictures with a known number of faces, made of the demo's clip.

The rendered heads of the clip are cut out and put on a background of soft blotches and grain, at
a sensible size and with soft borders; they turn as they do in the clip and sway a little. The
pictures are a loop: after the last comes the first.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from fsanet_ros.benchmarks.cases import Case
from fsanet_ros.demo import CLIP, read_poses
from fsanet_ros.detection import FaceDetector
from fsanet_ros.files.video import open_frames
from fsanet_ros.geometry.camera import CameraModel
from fsanet_ros.geometry.rotations import yaw_pitch_roll_deg_from_matrix
from fsanet_ros.types import Face, Image, Square

FRAMES = 10
MIN_SIDE_PX, MAX_SIDE_PX = 60.0, 140.0
SWAY_PX = 6.0
MIN_OVERLAP = 0.4  # of the union, for a face to count as found

PATCH = 1.55  # side of what is cut out, in face squares: the hair is in, the shoulders fade
_CELL_SHARE = 0.98  # of a cell, that a patch may fill
_MAX_TURN_DEG = 40.0
_BLOTCH_PX = 80
_GRAIN = 4


@dataclass(frozen=True, eq=False)
class Scene:
    """
    The pictures of a case, uint8 [h, w, 3] BGR, and the face squares in each of them.

    ``camera``: a pinhole camera, as the poses' positions need one.
    """

    case: Case
    images: Sequence[Image]
    squares: Sequence[Sequence[Square]]

    @cached_property  # as a node's, which keeps what it has worked out
    def camera(self) -> CameraModel:
        """A camera with a field of view of 56 degrees across."""
        return CameraModel.pinhole(self.case.width, self.case.height, 0.94 * self.case.width)


def make_scene(case: Case, frames: int = FRAMES) -> Scene:
    """
    Return a scene; the same for the same case.

    The faces' squares are 60 to 140 pixels, less only where so many do not fit.

    :raises ValueError: if so many faces would be less than 20 pixels
    """
    side_px, centers = _layout(case)
    rng = np.random.default_rng(0)
    blotches = _blotches(case, rng)
    heads = _loops_of_heads(case.faces, frames)
    images, squares = [], []
    for number in range(frames):
        grain = rng.integers(-_GRAIN, _GRAIN + 1, blotches.shape, np.int16)
        image = np.clip(blotches + grain, 0, 255).astype(np.uint8)
        angle = 2.0 * math.pi * number / frames
        squares.append(
            [
                _paste(image, head[number], side_px, x + SWAY_PX * math.sin(angle + k), y)
                for k, (head, (x, y)) in enumerate(zip(heads, centers, strict=True))
            ]
        )
        images.append(image)
    return Scene(case, images, squares)


def count_found(faces: Sequence[Face], squares: Sequence[Square]) -> int:
    """Return how many squares have a face of their own, with 0.4 of the union in common."""
    left = [face.square for face in faces]
    found = 0
    for square in squares:
        overlaps = [square.box.iou(other.box) for other in left]
        if overlaps and max(overlaps) >= MIN_OVERLAP:
            left.pop(int(np.argmax(overlaps)))
            found += 1
    return found


def faces_found(scene: Scene, detector: FaceDetector) -> list[int]:
    """Return how many of the faces a detector finds in each picture."""
    return [
        count_found(detector.detect(image), squares)
        for image, squares in zip(scene.images, scene.squares, strict=True)
    ]


def _layout(case: Case) -> tuple[float, list[tuple[float, float]]]:
    """Return the side of the face squares and their centres, in pixels."""
    if not case.faces:
        return 0.0, []

    def cell_px(columns: int) -> float:
        return min(case.width / columns, case.height / math.ceil(case.faces / columns))

    columns = max(range(1, case.faces + 1), key=cell_px)
    rows = math.ceil(case.faces / columns)
    room_px = _CELL_SHARE * cell_px(columns) - 2.0 * SWAY_PX
    # What has more room than that is as a face in the middle of a room: not all of the picture.
    side_px = min(room_px / PATCH, MAX_SIDE_PX)
    if side_px < 20.0:
        raise ValueError(f'{case.name}: the faces would be less than 20 pixels; take fewer')
    width, height = case.width / columns, case.height / rows
    centers = [
        ((k % columns + 0.5) * width, (k // columns + 0.5) * height) for k in range(case.faces)
    ]
    return side_px, centers


def _blotches(case: Case, rng: np.random.Generator) -> NDArray[np.int16]:
    rows, columns = (max(2, side // _BLOTCH_PX) for side in (case.height, case.width))
    light = rng.uniform(70.0, 170.0, (rows, columns, 1))
    coarse = (light + rng.uniform(-20.0, 20.0, (rows, columns, 3))).astype(np.float32)
    soft = cv2.resize(coarse, (case.width, case.height), interpolation=cv2.INTER_CUBIC)
    return np.asarray(soft, np.float32).astype(np.int16)


@cache
def heads_of_clip() -> list[dict[int, Image]]:
    """Return the heads that look towards the camera: by person, by frame, square patches."""
    places: dict[int, dict[int, Square]] = {}
    for truth in read_poses():
        if truth.square is None or truth.rotation_optical is None or truth.inside < 1.0:
            continue
        angles_deg = yaw_pitch_roll_deg_from_matrix(truth.rotation_optical)
        if np.abs(angles_deg).max() <= _MAX_TURN_DEG:
            places.setdefault(truth.face, {})[truth.frame] = truth.square
    patches: dict[int, dict[int, Image]] = {person: {} for person in places}
    with open_frames(CLIP) as frames:
        for number, image in enumerate(frames):
            for person, squares in places.items():
                if number in squares:
                    patches[person][number] = _cut(image, squares[number])
    return list(patches.values())


def _cut(image: Image, square: Square) -> Image:
    side = round(square.side * PATCH)
    corner = square.center_x - side / 2.0, square.center_y - side / 2.0
    shift = np.array([[1.0, 0.0, -round(corner[0])], [0.0, 1.0, -round(corner[1])]])
    patch = cv2.warpAffine(image, shift, (side, side), borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(patch, np.uint8)


def _loops_of_heads(count: int, frames: int) -> list[list[Image]]:
    """Return the patches of so many heads, each for all pictures; there and back again."""
    half = frames // 2
    starts = [
        (person, first)
        for person in heads_of_clip()
        for first in sorted(person)
        if all(first + step in person for step in range(half + 1))
    ]
    chosen = np.linspace(0, len(starts) - 1, count).astype(int)
    return [
        [starts[k][0][starts[k][1] + min(n, frames - n)] for n in range(frames)] for k in chosen
    ]


def _paste(image: Image, patch: Image, side_px: float, x: float, y: float) -> Square:
    """Put a patch into the image, its face square with that side around (x, y); return that."""
    side = round(side_px * PATCH)
    left, top = round(x - side / 2.0), round(y - side / 2.0)
    method = cv2.INTER_AREA if side < patch.shape[0] else cv2.INTER_CUBIC
    small = cv2.resize(patch, (side, side), interpolation=method)
    alpha = soft_border(side)
    region = image[top : top + side, left : left + side]
    region[...] = (alpha * small + (1.0 - alpha) * region).astype(np.uint8)
    return Square(left + side / 2.0, top + side / 2.0, side / PATCH)


@cache
def soft_border(side: int) -> NDArray[np.float32]:
    """Return how much of a patch shows: 1 in the middle, 0 at the border; float32 [s, s, 1]."""
    ramp = np.abs(np.linspace(-1.0, 1.0, side, dtype=np.float32))
    distance = np.hypot(ramp[:, None], ramp[None, :])
    alpha = np.clip((1.0 - distance) / 0.15, 0.0, 1.0)[:, :, None]
    return alpha.astype(np.float32)
