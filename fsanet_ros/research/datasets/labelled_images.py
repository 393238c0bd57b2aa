"""Faces in image files with their poses, and the pictures that training cuts out of them."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from fsanet_ros.geometry import rotations
from fsanet_ros.inference.crops import NETWORK_SIZE, cut_crop, cut_official_crop
from fsanet_ros.research.datasets.faces import MAX_ANGLE_DEG, LabelledFaces
from fsanet_ros.types import Box, Image, Square

# The network takes about 0.9 of the face square at 64 pixels: this leaves room to vary.
FACE_SQUARE_SIZE = 96


BoxOf = tuple[float, float, float, float]  # left, top, right, bottom in pixels


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
    ``border``: pixels that the official crop takes in beyond the margin, to the right and below.
    """

    path: Path
    box: BoxOf | None
    yaw_pitch_roll_deg: tuple[float, float, float]
    group: str
    margin: float = 0.6
    square_box: BoxOf | None = None
    archive: Path | None = None
    border: int = 0


def read_picture(labelled: LabelledImage) -> Image:
    """
    Read the picture of a face, uint8 [h, w, 3] BGR.

    :raises ValueError: naming the file that is missing or cannot be read
    """
    if labelled.archive is None:
        name = str(labelled.path)
    else:
        name = f'{labelled.archive}: {labelled.path.as_posix()}'
    try:
        data = np.frombuffer(_content(labelled), np.uint8)
    except (OSError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f'{name} is not a readable picture ({error})') from error
    # Not imread: it says nothing of a missing file and prints warnings of its own.
    image = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    if image is None:
        raise ValueError(f'{name} is not a readable picture')
    return np.asarray(image, np.uint8)


def _content(labelled: LabelledImage) -> bytes:
    if labelled.archive is None:
        return labelled.path.read_bytes()
    return _open_zip(labelled.archive).read(labelled.path.as_posix())


@lru_cache(maxsize=2)
def _open_zip(path: Path) -> zipfile.ZipFile:
    # Reading its index takes longer than reading a picture. Reads of one ZipFile may overlap.
    return zipfile.ZipFile(path)


def box_of_square(square: Square) -> BoxOf:
    """Return the box, as high as wide, that a face square is made from."""
    half = square.side / (2 * float(np.sqrt(2)))
    x, y = square.center_x, square.center_y
    return x - half, y - half, x + half, y + half


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
            picture[...] = cut(read_picture(labelled), labelled)
    angles = np.array([i.yaw_pitch_roll_deg for i in kept], np.float64).reshape(-1, 3)
    return LabelledFaces(
        pictures,
        rotations.matrix_from_yaw_pitch_roll_deg(angles),
        angles,
        np.array([str(i.path) for i in kept], np.str_),
        np.array([i.group for i in kept], np.str_),
    )


def face_square_picture(image: Image, labelled: LabelledImage) -> NDArray[np.uint8]:
    """
    Return the face square: sqrt(2) times the box's larger side, around its centre.

    :returns: uint8 [96, 96, 3], black beyond the image
    :raises ValueError: if no box is known
    """
    square = square_around(box_of(labelled, labelled.square_box or labelled.box))
    return cut_crop(image, square, FACE_SQUARE_SIZE)


def official_crop(image: Image, labelled: LabelledImage) -> NDArray[np.uint8]:
    """
    Return the authors' crop: the box and a margin, within the image, whatever its proportions.

    :returns: uint8 [64, 64, 3]
    :raises ValueError: if nothing of it lies in the image, or no box is known
    """
    box = whole_pixels(box_of(labelled, labelled.box))
    try:
        return cut_official_crop(image, box, labelled.margin, border=labelled.border)
    except ValueError as error:
        raise ValueError(f'{labelled.path}: {error}') from error


def square_around(box: BoxOf) -> Square:
    """Return the face square that belongs to the box of the landmarks."""
    left, top, right, bottom = box
    side = float(np.sqrt(2) * max(right - left, bottom - top))
    return Square((left + right) / 2, (top + bottom) / 2, side)


def whole_pixels(box: BoxOf) -> Box:
    """
    Return a box cut off to whole pixels, as the official preprocessing does.

    Width and height are those of whole pixels, too: left + (right - left) can end just below
    right, and would then be cut off to the pixel before it.
    """
    left, top, right, bottom = map(int, box)
    return Box(left, top, right - left, bottom - top)


def box_of(labelled: LabelledImage, box: BoxOf | None) -> BoxOf:
    """
    Return a box that has to be there.

    :raises ValueError: if it is None
    """
    if box is None:
        raise ValueError(f'{labelled.path} has no box of the face: expected one in the data set')
    return box
