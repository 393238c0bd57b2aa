"""What every face detector promises, and the steps that all of them share."""

from __future__ import annotations

from functools import lru_cache
from typing import Protocol, cast

import numpy as np

from fsanet_ros.detection.face_square import FaceSquareMapping
from fsanet_ros.detection.shrinking import shrink
from fsanet_ros.geometry.regions import shared_areas
from fsanet_ros.types import Box, Face, FloatArray, Image

# Both detectors find faces from about 10 pixels on. On a 720p clip with seven people, 480 finds as
# many as 640 or 1280 do, with fewer false ones, in half the time of 640; 320 misses some.
DEFAULT_DETECTION_SIZE = 480

# Two boxes are one face when they overlap by more than this part of their union ...
MAX_OVERLAP_OF_UNION = 0.4
# ... or when this much of the smaller one lies inside the other.
MAX_OVERLAP_OF_SMALLER = 0.75


class FaceDetector(Protocol):
    """
    Finds faces in one image at a time.

    Made with ``score_threshold`` (0 to 1: faces with a lower score are dropped) and
    ``detection_size`` (an image whose longer side is larger, in pixels, is scaled down to it
    first, with its aspect ratio; never up; 0 never scales). May be called from any thread.
    """

    @property
    def name(self) -> str:
        """The name that ``make_detector`` knows this detector by."""

    def detect(self, image: Image) -> list[Face]:
        """
        Find the faces in a BGR image, uint8 [height, width, 3], of any size from 1 x 1.

        Boxes, squares and landmarks are in pixels of ``image``; the highest score comes first
        and no face comes twice.

        :raises ValueError: ``image`` has another shape or type.
        """


class UnsureDetector(FaceDetector, Protocol):
    """
    A ``FaceDetector`` that can be asked for less certain faces.

    What is looked at a second time, or was sure a moment ago, need not be as sure at first sight.
    Detectors that can not are asked for their usual faces.
    """

    @property
    def score_threshold(self) -> float:
        """The score, 0 to 1, of the faces that ``detect`` returns, at least."""

    def detect_above(self, image: Image, score_threshold: float) -> list[Face]:
        """Find the faces of at least this score, 0 to 1; otherwise as ``detect``."""


def detect_unsure(detector: FaceDetector, image: Image, share: float) -> list[Face]:
    """
    Return the faces of an image, uint8 [height, width, 3] BGR, of a score that may be lower.

    :param share: of the detector's threshold
    """
    if share < 1.0 and _is_unsure(type(detector)):
        unsure = cast('UnsureDetector', detector)
        return unsure.detect_above(image, share * unsure.score_threshold)
    return detector.detect(image)


@lru_cache(maxsize=32)
def _is_unsure(kind: type) -> bool:
    # isinstance with a protocol takes 20 microseconds each time.
    return hasattr(kind, 'detect_above')


class DetectionSettings:
    """The settings that all detectors take, checked; and how an image is scaled by them."""

    def __init__(self, score_threshold: float, detection_size: int) -> None:
        # Written so that NaN is refused too.
        if not 0 <= score_threshold <= 1:
            raise ValueError(f'score_threshold is {score_threshold}, expected 0 to 1')
        if detection_size != int(detection_size) or detection_size < 0:
            raise ValueError(
                f'detection_size is {detection_size}, expected a whole number of pixels above 0, '
                'or 0 to detect at full size'
            )
        self.score_threshold = float(score_threshold)
        self.detection_size = int(detection_size)

    def shrink(self, image: Image) -> Image:
        """Return ``image`` with its longer side scaled down to the detection size."""
        height, width = image.shape[:2]
        longer = max(height, width)
        if self.detection_size == 0 or longer <= self.detection_size:
            return image
        scale = self.detection_size / longer
        return shrink(image, max(1, round(width * scale)), max(1, round(height * scale)))


def faces_from_detections(
    boxes: FloatArray,
    scores: FloatArray,
    landmarks: FloatArray | None,
    scale: tuple[float, float],
    mapping: FaceSquareMapping,
) -> list[Face]:
    """
    Turn a network's detections into faces of the full image, without duplicates, best first.

    :param boxes: float64 [n, 4], x, y, width, height in the image that the network saw.
    :param scores: float64 [n], 0 to 1.
    :param landmarks: float64 [n, 5, 2] in the same image, or None.
    :param scale: size of the full image over that of the image the network saw, in x and y.
    """
    faces = []
    for index in distinct(boxes, scores):
        x, y, width, height = boxes[index].tolist()
        box = Box(x, y, width, height).scaled(*scale)
        points = None if landmarks is None else landmarks[index] * scale
        faces.append(Face(box, float(scores[index]), mapping.square(box), points))
    return faces


def distinct(boxes: FloatArray, scores: FloatArray) -> list[int]:
    """
    Return the indices of the best box of each face, highest score first.

    :param boxes: float64 [n, 4], x, y, width, height; boxes without an area are left out.
    :param scores: float64 [n].
    """
    # Greedy, like non-maximum suppression, but a box inside a larger one goes too: detectors
    # find the eyes and mouth of a near face as a smaller face of their own.
    areas = boxes[:, 2] * boxes[:, 3]
    corners = np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)
    usable = np.flatnonzero(np.all(np.isfinite(boxes), axis=1) & np.all(boxes[:, 2:] > 0, axis=1))
    order = usable[np.argsort(-scores[usable], kind='stable')]
    kept: list[int] = []
    while order.size:
        best, rest = order[0], order[1:]
        shared = shared_areas(corners[best], corners[rest])
        union = areas[best] + areas[rest] - shared
        smaller = np.minimum(areas[best], areas[rest])
        distinct_from_best = (shared <= MAX_OVERLAP_OF_UNION * union) & (
            shared <= MAX_OVERLAP_OF_SMALLER * smaller
        )
        kept.append(int(best))
        order = rest[np.flatnonzero(distinct_from_best)]
    return kept
