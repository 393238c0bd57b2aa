"""Faces in image files with their poses, and the pictures that training cuts out of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from fsanet_ros.fsanet.crops import NETWORK_SIZE, cut_crop, cut_official_crop
from fsanet_ros.geometry import rotations
from fsanet_ros.learning.faces import MAX_ANGLE_DEG, LabelledFaces
from fsanet_ros.types import Box, Image, Square

# The network takes about 0.9 of the face square at 64 pixels: this leaves room to vary.
FACE_SQUARE_SIZE = 96


@dataclass(frozen=True)
class LabelledImage:
    """
    A face in an image file.

    ``box``: left, top, right, bottom in pixels, of the 2D landmarks or from a detector, what the
    official crop is cut around; None where the data set gives none.
    ``yaw_pitch_roll_deg``: in the convention of the README.
    ``group``: faces of the same person or sequence have the same.
    ``margin``: what the official crop adds to the box on each side, in shares of its size.
    ``square_box``: the box that the face square is made from (of the projected 3D landmarks);
    None: ``box``.
    ``archive``: the zip file that ``path`` is a member of; None: ``path`` is a file.
    """

    path: Path
    box: tuple[float, float, float, float] | None
    yaw_pitch_roll_deg: tuple[float, float, float]
    group: str
    margin: float = 0.6
    square_box: tuple[float, float, float, float] | None = None
    archive: Path | None = None


def cut_faces(images: Iterable[LabelledImage], crop: str) -> LabelledFaces:
    """
    Read images and cut the faces out; those with an angle beyond 99 degrees are left out.

    :param crop: face_square gives pictures of [96, 96, 3], official of [64, 64, 3]
    :raises ValueError: naming the image that cannot be read
    """
    kept = [i for i in images if max(map(abs, i.yaw_pitch_roll_deg)) <= MAX_ANGLE_DEG]
    size = NETWORK_SIZE if crop == 'official' else FACE_SQUARE_SIZE
    cut = official_crop if crop == 'official' else face_square_picture
    pictures = np.empty((len(kept), size, size, 3), np.uint8)
    with tqdm(kept, desc='cutting faces', unit='face', leave=False) as bar:
        for picture, labelled in zip(pictures, bar, strict=True):
            image = cv2.imread(str(labelled.path), cv2.IMREAD_COLOR)
            if image is None:
                raise ValueError(f'{labelled.path} is not a readable picture')
            picture[...] = cut(np.asarray(image, np.uint8), labelled)
    angles = np.array([i.yaw_pitch_roll_deg for i in kept], np.float64).reshape(-1, 3)
    return LabelledFaces(
        pictures,
        rotations.matrix_from_yaw_pitch_roll_deg(angles),
        angles,
        np.array([str(i.path) for i in kept], np.str_),
        np.array([i.group for i in kept], np.str_),
    )


def read_picture(labelled: LabelledImage) -> Image:
    """
    Return the picture, uint8 [h, w, 3] BGR.

    :raises ValueError: naming the picture, if it cannot be read
    """
    image = cv2.imread(str(labelled.path), cv2.IMREAD_COLOR)
    if image is None:
        raise ValueError(f'{labelled.path} is not a readable picture')
    return np.asarray(image, np.uint8)


def face_square_picture(image: Image, labelled: LabelledImage) -> NDArray[np.uint8]:
    """
    Return the face square: sqrt(2) times the box's larger side, around its centre.

    :returns: uint8 [96, 96, 3], black beyond the image
    """
    left, top, right, bottom = labelled.box
    side = float(np.sqrt(2) * max(right - left, bottom - top))
    square = Square((left + right) / 2, (top + bottom) / 2, side)
    return cut_crop(image, square, FACE_SQUARE_SIZE)


def official_crop(image: Image, labelled: LabelledImage) -> NDArray[np.uint8]:
    """
    Return the authors' crop: the box and a margin, within the image, whatever its proportions.

    :returns: uint8 [64, 64, 3]
    :raises ValueError: if nothing of it lies in the image
    """
    left, top, right, bottom = labelled.box
    box = Box(left, top, right - left, bottom - top)
    try:
        return cut_official_crop(image, box, labelled.margin)
    except ValueError as error:
        raise ValueError(f'{labelled.path}: {error}') from error
