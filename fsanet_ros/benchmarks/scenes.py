"""Frames with a known number of faces, made of the demo's rendered people."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from fsanet_ros.demo import CLIP, read_poses
from fsanet_ros.types import Image, Square
from fsanet_ros.video import open_frames

FRAMES = 8  # of a scene, played again and again
AROUND = 1.7  # of a face square's side: the head and some of what is behind it
FACE_SHARE = 0.62  # of a cell's height: the face square
MAX_FACE_PX = 150
MAX_YAW_DEG = 45.0


@dataclass(frozen=True, eq=False)
class Scene:
    """``frames``: uint8 [h, w, 3] BGR, FRAMES of them; ``squares``: where the faces are."""

    width: int
    height: int
    frames: tuple[Image, ...]
    squares: tuple[Square, ...]


def make_scene(width: int, height: int, faces: int) -> Scene:
    """
    Put faces in rows on a background; they turn a little from frame to frame.

    :raises ValueError: if there is no room for so many faces of 40 pixels or more
    """
    columns = max(1, round(np.sqrt(faces * width / height)))
    rows = max(1, -(-faces // columns))
    cell = min(width / columns, height / rows)
    side = min(MAX_FACE_PX, FACE_SHARE * cell)
    if faces and side < 40:
        raise ValueError(f'{faces} faces in {width} x {height} are {side:.0f} pixels wide: too few')
    squares = [
        Square(
            (number % columns + 0.5) * width / columns,
            (number // columns + 0.5) * height / rows,
            side,
        )
        for number in range(faces)
    ]
    background = _background(width, height)
    frames = []
    for frame in range(FRAMES):
        image = background.copy()
        for number, square in enumerate(squares):
            heads = _heads()
            _paste(image, heads[(number * FRAMES + frame) % len(heads)], square)
        frames.append(image)
    return Scene(width, height, tuple(frames), tuple(squares))


@lru_cache(maxsize=1)
def _heads() -> list[Image]:
    """Return the surroundings of the clip's rendered faces that look about into the camera."""
    wanted: dict[int, list[Square]] = {}
    for face in read_poses():
        if face.square is None or face.rotation_optical is None or face.inside < 0.99:
            continue
        if abs(np.degrees(np.arcsin(face.rotation_optical[0, 2]))) < MAX_YAW_DEG:
            wanted.setdefault(face.frame, []).append(face.square)
    heads = []
    with open_frames(CLIP) as frames:
        for number, image in enumerate(frames):
            for square in wanted.get(number, ()):
                part = _part(image, square.scaled(AROUND))
                heads += [part] if part is not None else []
    return heads


def _part(image: Image, square: Square) -> Image | None:
    left, top = round(square.center_x - square.side / 2), round(square.center_y - square.side / 2)
    side = round(square.side)
    part = image[max(top, 0) : top + side, max(left, 0) : left + side]
    return part.copy() if part.shape[:2] == (side, side) else None


def _background(width: int, height: int) -> Image:
    """Return a picture with edges and noise, as rooms have, and no face."""
    rng = np.random.default_rng(0)
    small = rng.integers(60, 190, (9, 12, 3)).astype(np.uint8)
    image = cv2.resize(small, (width, height), interpolation=cv2.INTER_NEAREST)
    image = cv2.GaussianBlur(image, (0, 0), 2.0).astype(np.float32)
    image += rng.normal(0, 4, image.shape).astype(np.float32)
    return np.asarray(image.clip(0, 255), np.uint8)


def _paste(image: Image, head: Image, square: Square) -> None:
    side = round(square.side * AROUND)
    left, top = round(square.center_x - side / 2), round(square.center_y - side / 2)
    small = cv2.resize(head, (side, side), interpolation=cv2.INTER_AREA)
    y, x = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j]
    # Soft at the rim, so that the patch itself is no edge to a detector.
    alpha = np.clip(4 * (1 - np.hypot(x, y)), 0, 1)[..., None]
    height, width = image.shape[:2]
    inside = np.s_[max(0, -top) : side - max(0, top + side - height),
                   max(0, -left) : side - max(0, left + side - width)]  # fmt: skip
    place = image[max(top, 0) : top + side, max(left, 0) : left + side]
    place[:] = alpha[inside] * small[inside] + (1 - alpha[inside]) * place
