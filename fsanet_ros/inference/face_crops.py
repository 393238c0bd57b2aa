"""The crops of detected faces, of the kind that the weights want."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from fsanet_ros.geometry.regions import cut_square
from fsanet_ros.inference.crops import NETWORK_SIZE, cut_crops, cut_official_crop, official_region
from fsanet_ros.inference.description import Description
from fsanet_ros.types import Box, Face, Image, Square

# Of a turned face, in face squares: what a crop needs of it at any turn.
_SURROUNDINGS = 2.2


def cut_faces(
    image: Image, faces: Sequence[Face], description: Description
) -> tuple[list[Face], NDArray[np.uint8]]:
    """
    Return the faces that a crop can be cut of, and their crops.

    :param image: uint8 [h, w, 3] BGR
    :param description: of the weights, which says what kind of crop they want
    :returns: n faces, at most all that are given; uint8 [n, 64, 64, 3], in which those that were
        found turned stand upright
    """
    cut = _cut_boxes if description.crop == 'official' else _cut_squares
    if not any(face.turn_deg for face in faces):
        return cut(image, faces, description.crop_scale)
    usable: list[Face] = []
    crops = [np.empty((0, NETWORK_SIZE, NETWORK_SIZE, 3), np.uint8)]
    for face in faces:
        upright, in_upright = _upright(image, face) if face.turn_deg else (image, face)
        here, crop = cut(upright, [in_upright], description.crop_scale)
        usable += [face] * len(here)
        crops.append(crop)
    return usable, np.concatenate(crops)


def _cut_squares(
    image: Image, faces: Sequence[Face], crop_scale: float
) -> tuple[list[Face], NDArray[np.uint8]]:
    # A square can only be this small where a detector misfires on a few pixels.
    usable = [face for face in faces if face.square.side * crop_scale >= 1.0]
    return usable, cut_crops(image, [face.square.scaled(crop_scale) for face in usable])


def _cut_boxes(
    image: Image, faces: Sequence[Face], crop_scale: float
) -> tuple[list[Face], NDArray[np.uint8]]:
    del crop_scale  # the official margin is part of this kind of crop
    usable = [face for face in faces if image[official_region(image.shape, face.box)].size]
    crops = np.empty((len(usable), NETWORK_SIZE, NETWORK_SIZE, 3), np.uint8)
    for crop, face in zip(crops, usable, strict=True):
        crop[...] = cut_official_crop(image, face.box)
    return usable, crops


def _upright(image: Image, face: Face) -> tuple[Image, Face]:
    """Return the surroundings of a face that was found turned, turned back, and the face in it."""
    square = face.square
    side = max(2, math.ceil(_SURROUNDINGS * square.side))
    left, top = (round(center - side / 2) for center in (square.center_x, square.center_y))
    patch = cut_square(image, left, top, side)
    if face.turn_deg % 90 == 0:
        patch = np.ascontiguousarray(np.rot90(patch, int(face.turn_deg) // 90))
    else:
        middle = (side - 1) / 2
        turn = cv2.getRotationMatrix2D((middle, middle), face.turn_deg, 1.0)
        patch = np.asarray(cv2.warpAffine(patch, turn, (side, side)), np.uint8)

    def upright(x: float, y: float) -> tuple[float, float]:
        right, down = x - left - side / 2, y - top - side / 2
        cosine, sine = math.cos(math.radians(face.turn_deg)), math.sin(math.radians(face.turn_deg))
        return side / 2 + cosine * right + sine * down, side / 2 - sine * right + cosine * down

    width, height = face.box.width, face.box.height
    if face.turn_deg % 180 == 90:
        width, height = height, width
    x, y = upright(*face.box.center)
    center_x, center_y = upright(square.center_x, square.center_y)
    return patch, replace(
        face,
        box=Box(x - width / 2, y - height / 2, width, height),
        square=Square(center_x, center_y, square.side),
    )
