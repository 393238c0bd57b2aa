"""The crops of detected faces, of the kind that the weights want."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fsanet_ros.inference.crops import NETWORK_SIZE, cut_crops, cut_official_crop, official_region
from fsanet_ros.inference.description import Description
from fsanet_ros.types import Face, Image


def cut_faces(
    image: Image, faces: Sequence[Face], description: Description
) -> tuple[list[Face], NDArray[np.uint8]]:
    """
    Return the faces that a crop can be cut of, and their crops.

    :param image: uint8 [h, w, 3] BGR
    :param description: of the weights, which says what kind of crop they want
    :returns: n faces, at most all that are given; uint8 [n, 64, 64, 3]
    """
    cut = _cut_boxes if description.crop == 'official' else _cut_squares
    return cut(image, faces, description.crop_scale)


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
