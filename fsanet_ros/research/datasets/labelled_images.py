"""Faces in image files with their poses, and how training cuts them out."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from fsanet_ros.files.untrusted import ZIP_ERRORS
from fsanet_ros.geometry import rotations
from fsanet_ros.inference.crops import NETWORK_SIZE, cut_crop, cut_official_crop
from fsanet_ros.research.datasets.faces import MAX_ANGLE_DEG, LabelledFaces
from fsanet_ros.types import Box, Image, Square

# The network sees about 0.9 of the face square in 64 pixels: this leaves room for variation.
FACE_SQUARE_SIZE = 96


BoxOf = tuple[float, float, float, float]  # left, top, right, bottom in pixels


@dataclass(frozen=True)
class LabelledImage:
    """
    A face in an image file.

    ``box``: left, top, right, bottom in pixels, around the 2D landmarks or from a detector. The
    official crop is cut around it. None if the data set gives none.
    ``yaw_pitch_roll_deg``: in the convention of the README.
    ``group``: the same for all faces of a person or sequence.
    ``margin``: how far the official crop grows the box on each side, as a share of its size.
    ``square_box``: the box that the face square is made from, around the projected 3D landmarks;
    None means ``box``.
    ``archive``: the zip file that ``path`` is in; None if ``path`` is a file.
    ``border``: pixels by which the official crop grows further, to the right and below.
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

    :raises ValueError: naming the file if it is missing or damaged
    """
    if labelled.archive is None:
        name = str(labelled.path)
    else:
        name = f'{labelled.archive}: {labelled.path.as_posix()}'
    try:
        data = np.frombuffer(_content(labelled), np.uint8)
    except ZIP_ERRORS as error:
        raise ValueError(f'{name} is not a readable picture ({error})') from error
    # imread reports no missing file, and prints warnings of its own.
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
    # Kept open: reading the index takes longer than reading a picture. Threads may share it.
    return zipfile.ZipFile(path)


def box_of_square(square: Square) -> BoxOf:
    """Return the box, as wide as high, whose face square this is."""
    half = square.side / (2 * float(np.sqrt(2)))
    x, y = square.center_x, square.center_y
    return x - half, y - half, x + half, y + half


def cut_faces(images: Iterable[LabelledImage], crop: str) -> LabelledFaces:
    """
    Read images and cut the faces out, leaving out those with an angle beyond 99 degrees.

    :param crop: face_square for pictures of [96, 96, 3], official for [64, 64, 3]
    :raises ValueError: naming the image if it cannot be read
    """
    kept = [i for i in images if max(map(abs, i.yaw_pitch_roll_deg)) <= MAX_ANGLE_DEG]
    size = NETWORK_SIZE if crop == 'official' else FACE_SQUARE_SIZE
    cut = official_crop if crop == 'official' else face_square_picture
    pictures = np.empty((len(kept), size, size, 3), np.uint8)
    with tqdm(kept, desc='cutting faces', unit='face', leave=False, disable=None) as bar:
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
    Cut out the face square, centred on the box, with sqrt(2) times the box's larger side.

    :returns: uint8 [96, 96, 3], black outside the image
    :raises ValueError: if no box is known
    """
    square = square_around(box_of(labelled, labelled.square_box or labelled.box))
    return cut_crop(image, square, FACE_SQUARE_SIZE)


def official_crop(image: Image, labelled: LabelledImage) -> NDArray[np.uint8]:
    """
    Cut out the authors' crop: the box and its margin, clipped to the image and stretched.

    :returns: uint8 [64, 64, 3]
    :raises ValueError: if it is entirely outside the image, or no box is known
    """
    box = whole_pixels(box_of(labelled, labelled.box))
    try:
        return cut_official_crop(image, box, labelled.margin, border=labelled.border)
    except ValueError as error:
        raise ValueError(f'{labelled.path}: {error}') from error


def square_around(box: BoxOf) -> Square:
    """Return the face square for the box of the landmarks."""
    left, top, right, bottom = box
    side = float(np.sqrt(2) * max(right - left, bottom - top))
    return Square((left + right) / 2, (top + bottom) / 2, side)


def whole_pixels(box: BoxOf) -> Box:
    """
    Truncate a box to whole pixels, as the official preprocessing does.

    Width and height are whole too: left + (right - left) can come out just below right, which
    truncates to the pixel before it.
    """
    left, top, right, bottom = map(int, box)
    return Box(left, top, right - left, bottom - top)


def box_of(labelled: LabelledImage, box: BoxOf | None) -> BoxOf:
    """
    Return the box.

    :raises ValueError: naming the image if it is None
    """
    if box is None:
        raise ValueError(f'{labelled.path} has no face box: expected one in the data set')
    return box
