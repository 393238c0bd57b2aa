"""
Conditions that make faces hard to read: blur, darkness, noise, few pixels, coverings, wrong boxes.

Every face is first scaled to the same size, so that a condition means the same for a portrait and
for a distant face, and for networks that see more or less of the surroundings.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from fsanet_ros.research.augmentation.varied_crops import compressed
from fsanet_ros.types import Box, Face, Image, Square

SIDE_PX = 128  # of the face square
_AROUND = 2.4  # of the picture, in units of the face square's side

# Changes a picture, uint8 [h, w, 3], and the face in it, with a random generator.
Change = Callable[[Image, Face, np.random.Generator], tuple[Image, Face]]


def at_one_size(picture: Image, face: Face) -> tuple[Image, Face]:
    """
    Scale a face and its surroundings so that the face square is 128 pixels wide.

    Outside the picture, its border pixels are repeated.

    :param picture: uint8 [h, w, 3]
    :returns: uint8 [n, n, 3], n about 307, and the face in it; both unchanged if the square is
        outside the picture
    """
    square = face.square
    side = max(1, round(square.side * _AROUND))
    left, top = round(square.center_x - side / 2), round(square.center_y - side / 2)
    height, width = picture.shape[:2]
    before = max(0, -left), max(0, -top)
    after = max(0, left + side - width), max(0, top + side - height)
    inside = picture[max(0, top) : max(0, top + side), max(0, left) : max(0, left + side)]
    if not inside.size:
        return picture, face
    padded = cv2.copyMakeBorder(
        inside, before[1], after[1], before[0], after[0], cv2.BORDER_REPLICATE
    )
    scale = SIDE_PX / square.side
    size = max(1, round(side * scale))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    resized = np.asarray(cv2.resize(padded, (size, size), interpolation=method), np.uint8)
    box = face.box
    return resized, Face(
        Box((box.x - left) * scale, (box.y - top) * scale, box.width * scale, box.height * scale),
        face.score,
        Square((square.center_x - left) * scale, (square.center_y - top) * scale, SIDE_PX),
    )


def _clean(picture: Image, face: Face, rng: np.random.Generator) -> tuple[Image, Face]:
    return picture, face


def _blur(picture: Image, face: Face, rng: np.random.Generator) -> tuple[Image, Face]:
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), 0.02 * SIDE_PX), np.uint8), face


def _dark(picture: Image, face: Face, rng: np.random.Generator) -> tuple[Image, Face]:
    return _noisy(0.15 * picture.astype(np.float32), 3.0, rng), face


def _noise(picture: Image, face: Face, rng: np.random.Generator) -> tuple[Image, Face]:
    return _noisy(picture.astype(np.float32), 25.0, rng), face


def _noisy(light: np.ndarray, sigma: float, rng: np.random.Generator) -> Image:
    noise = np.float32(sigma) * rng.standard_normal(light.shape, np.float32)
    return np.clip(light + noise, 0, 255).astype(np.uint8)


def _jpeg(picture: Image, face: Face, rng: np.random.Generator) -> tuple[Image, Face]:
    return compressed(picture, 20), face


def _fewer_pixels(side_px: int) -> Change:
    def change(picture: Image, face: Face, rng: np.random.Generator) -> tuple[Image, Face]:
        height, width = picture.shape[:2]
        factor = side_px / SIDE_PX
        small = cv2.resize(
            picture,
            (max(1, round(width * factor)), max(1, round(height * factor))),
            interpolation=cv2.INTER_AREA,
        )
        again = cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)
        return np.asarray(again, np.uint8), face

    return change


def _covered(picture: Image, face: Face, rng: np.random.Generator) -> tuple[Image, Face]:
    changed = picture.copy()
    half = SIDE_PX / np.sqrt(8.0)  # half the side of the landmarks' box
    x, y = face.square.center_x, face.square.center_y
    corners = np.array([(x - half, y + 0.1 * half), (x + half, y + half)])
    (left, top), (right, bottom) = np.round(corners).astype(int).clip(0).tolist()
    changed[top:bottom, left:right] = (200, 190, 170)  # the blue of a medical mask
    return changed, face


def _shifted(picture: Image, face: Face, rng: np.random.Generator) -> tuple[Image, Face]:
    angle = rng.uniform(0, 2 * np.pi)
    return picture, _moved(face, 0.1 * np.cos(angle), 0.1 * np.sin(angle), 1.0)


def _scaled(picture: Image, face: Face, rng: np.random.Generator) -> tuple[Image, Face]:
    return picture, _moved(face, 0.0, 0.0, 1.2 if rng.random() < 0.5 else 1 / 1.2)


def _moved(face: Face, right: float, down: float, grow: float) -> Face:
    """Return the face with box and square moved and grown, in shares of their sides."""
    box, square = face.box, face.square
    width, height = box.width * grow, box.height * grow
    x = box.x + box.width / 2 + right * box.width
    y = box.y + box.height / 2 + down * box.height
    center_x = square.center_x + right * square.side
    center_y = square.center_y + down * square.side
    return Face(
        Box(x - width / 2, y - height / 2, width, height),
        face.score,
        Square(center_x, center_y, square.side * grow),
    )


#: All conditions by name.
CONDITIONS: dict[str, Change] = {
    'clean': _clean,
    'blur': _blur,
    'dark': _dark,
    'noise': _noise,
    'jpeg_20': _jpeg,
    'half_resolution': _fewer_pixels(32),
    'quarter_resolution': _fewer_pixels(16),
    'lower_face_covered': _covered,
    'box_shifted_10': _shifted,
    'box_scaled_20': _scaled,
}
