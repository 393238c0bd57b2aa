"""
Labelled faces placed into images, for a face detector to find as at run time.

These images have what decides a pose's error in use, and the data set's pictures lack: the number
of pixels of a face, the detector's box, blur, noise and compression.
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

from fsanet_ros.research.augmentation.varied_crops import compressed
from fsanet_ros.research.datasets.faces import LabelledFaces
from fsanet_ros.research.datasets.known_face import KnownFace
from fsanet_ros.types import Image, Square

MIN_SIDE_PX, MAX_SIDE_PX = 16, 200
_SIZES = ((320, 240), (480, 360), (640, 480))  # width, height; detectors shrink the largest
_BLUR_SHARE, _MAX_BLUR_PX = 0.4, 1.2
_NOISE_SHARE, _MAX_NOISE = 0.5, 8.0
_JPEG_SHARE, _JPEG_QUALITY = 0.7, (40, 96)
_GREY_SHARE = 0.1


def place_faces(faces: LabelledFaces, rounds: int, seed: int) -> Iterator[tuple[Image, KnownFace]]:
    """
    Yield every face ``rounds`` times, each time in another image, always the same for a seed.

    The index of a face in ``faces`` serves as its person.
    """
    rng = np.random.default_rng(seed)
    for _ in range(rounds):
        for index in range(len(faces)):
            image, square = place(faces.pictures[index], rng)
            yield image, KnownFace(index, square, faces.rotations[index])


def place(picture: Image, rng: np.random.Generator) -> tuple[Image, Square]:
    """
    Place the picture of a face square somewhere in an image; return the image and the square.

    The side is 16 to 200 pixels, log-uniform; the surroundings are grey or a blur of its edge.

    :param picture: uint8 [s, s, 3] BGR
    """
    side = round(float(np.exp(rng.uniform(np.log(MIN_SIDE_PX), np.log(MAX_SIDE_PX)))))
    width, height = _SIZES[int(rng.integers(len(_SIZES)))]
    x, y = int(rng.integers(width - side)), int(rng.integers(height - side))
    shrinks = side < picture.shape[0]
    method = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    face = cv2.resize(picture, (side, side), interpolation=method)
    if rng.random() < 0.5:
        image = np.full((height, width, 3), int(rng.integers(40, 216)), np.uint8)
    else:
        borders = y, height - side - y, x, width - side - x
        image = cv2.copyMakeBorder(face, *borders, cv2.BORDER_REPLICATE)
        image = cv2.GaussianBlur(image, (0, 0), side / 8)
    image[y : y + side, x : x + side] = face
    return _photographed(image, rng), Square(x + side / 2, y + side / 2, side)


def _photographed(image: Image, rng: np.random.Generator) -> Image:
    """Return the image as a camera of random quality takes it: focus, light, noise, JPEG."""
    if rng.random() < _BLUR_SHARE:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.3, _MAX_BLUR_PX))
    if rng.random() < _GREY_SHARE:
        image = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    light = image * np.float32(np.exp(rng.normal(0.0, 0.2))) + np.float32(rng.normal(0.0, 10.0))
    if rng.random() < _NOISE_SHARE:
        sigma = np.float32(rng.uniform(0.0, _MAX_NOISE))
        light += sigma * rng.standard_normal(image.shape, np.float32)
    image = np.clip(light, 0, 255).astype(np.uint8)
    if rng.random() < _JPEG_SHARE:
        return compressed(image, int(rng.integers(*_JPEG_QUALITY)))
    return image
