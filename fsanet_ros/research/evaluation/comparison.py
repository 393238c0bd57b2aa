"""
Show several answers to one image side by side: the truth if known, model A, model B.

All models get the same faces, so that only the networks differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from fsanet_ros.demo import FaceTruth
from fsanet_ros.drawing import draw_heads
from fsanet_ros.geometry.camera import CameraModel
from fsanet_ros.geometry.rotations import geodesic_deg
from fsanet_ros.types import Box, Face, Head, Image

TRUTH = 'truth'
MAX_WIDTH_PX = 1920
_TITLE_PX = 28
# A head and a truth belong together if their centres are closer than this share of the square.
_SAME_FACE = 0.4


@dataclass(frozen=True, eq=False)
class Column:
    """The answer of one model, or the truth; ``errors_deg``: geodesic, may be empty."""

    name: str
    heads: Sequence[Head]
    errors_deg: Sequence[float] = ()

    @property
    def title(self) -> str:
        """The name, and the mean error in this image if there is one."""
        if not len(self.errors_deg):
            return self.name
        return f'{self.name}: {np.mean(self.errors_deg):.1f} deg off'


def side_by_side(
    image: Image, columns: Sequence[Column], camera: CameraModel | None, panel: tuple[int, int]
) -> Image:
    """
    Draw one picture with a panel per column.

    :param image: uint8 [h, w, 3] BGR, of any size
    :param camera: the camera that took it, None if unknown
    :param panel: width and height of a panel in pixels, see panel_size
    :returns: uint8 [height + 28, columns * width, 3] BGR
    """
    panels = []
    for column in columns:
        drawn = draw_heads(image, [('', head) for head in column.heads], camera)
        panels.append(np.concatenate([_title(column.title, panel[0]), _fitted(drawn, panel)]))
    return np.concatenate(panels, axis=1)


def panel_size(image: Image, count: int) -> tuple[int, int]:
    """Return width and height, both even, of each of ``count`` panels that show ``image``."""
    height, width = image.shape[:2]
    scale = min(1.0, MAX_WIDTH_PX / (count * width))
    # Video codecs want even sides.
    return max(2, round(width * scale / 2) * 2), max(2, round(height * scale / 2) * 2)


def heads_of_truth(truths: Sequence[FaceTruth]) -> list[Head]:
    """Return heads to draw for the faces whose rotation and square are known."""
    return [
        Head(
            Face(
                # Roughly the box that a detector would give.
                Box(
                    truth.square.center_x - truth.square.side * 0.35,
                    truth.square.center_y - truth.square.side * 0.5,
                    truth.square.side * 0.7,
                    truth.square.side * 0.9,
                ),
                1.0,
                truth.square,
            ),
            truth.rotation_optical,
            truth.position_m,
        )
        for truth in truths
        if truth.rotation_optical is not None and truth.square is not None
    ]


def errors_deg(heads: Sequence[Head], truths: Sequence[Head]) -> list[float]:
    """Return the geodesic error of each head that matches one of the truths, degrees."""
    errors = []
    for truth in truths:
        square = truth.face.square
        centers = [(head.face.square.center_x, head.face.square.center_y) for head in heads]
        distances = [np.hypot(x - square.center_x, y - square.center_y) for x, y in centers]
        if distances and min(distances) < _SAME_FACE * square.side:
            nearest = heads[int(np.argmin(distances))]
            errors.append(float(geodesic_deg(nearest.rotation_optical, truth.rotation_optical)))
    return errors


def _title(text: str, width: int) -> Image:
    strip = np.zeros((_TITLE_PX, width, 3), np.uint8)
    scale = 0.55
    (text_width, _), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, 1)
    scale *= min(1.0, (width - 12) / max(text_width, 1))
    place = (6, _TITLE_PX - 9)
    cv2.putText(
        strip, text, place, cv2.FONT_HERSHEY_SIMPLEX, scale, (255, 255, 255), 1, cv2.LINE_AA
    )
    return strip


def _fitted(image: Image, panel: tuple[int, int]) -> Image:
    """Scale an image into a panel, with its aspect ratio, black around it."""
    width, height = panel
    scale = min(width / image.shape[1], height / image.shape[0])
    size = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    if image.shape[:2] == (1, 1):  # OpenCV 4.5.4 refuses a single pixel
        image = np.pad(image, ((0, 1), (0, 1), (0, 0)), mode='edge')
    small = cv2.resize(image, size, interpolation=method)
    canvas = np.zeros((height, width, 3), np.uint8)
    left, top = (width - size[0]) // 2, (height - size[1]) // 2
    canvas[top : top + size[1], left : left + size[0]] = small
    return canvas
