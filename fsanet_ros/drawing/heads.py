"""Draw heads into pictures: box, label, axes of the REP-155 face frame, direction of the nose."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import cv2
import numpy as np

from fsanet_ros.drawing.colors import color_of
from fsanet_ros.drawing.labels import Label, LabelPlaces, draw_label, note_label, text_scale
from fsanet_ros.drawing.lines import HeadLines, draw_axis_lines, line_width, lines_of
from fsanet_ros.drawing.words import direction_words
from fsanet_ros.geometry.camera import CameraModel
from fsanet_ros.geometry.rotations import HEAD_FROM_FACE
from fsanet_ros.types import Box, FloatArray, Head, Image

_NOTE_COLOR = (255, 255, 255)


def draw_heads(
    image: Image,
    named_heads: Iterable[tuple[str, Head]],
    camera: CameraModel | None = None,
    axis_length_m: float = 0.12,
    note: str = '',
) -> Image:
    """
    Return a copy of an image with its heads drawn in.

    Each has a box and a label in a colour of its own, drawing.color_of. The axes: x (red) points
    out of the face, y (green) to the person's left, z (blue) to the top of the head. An arrow shows
    where the nose points, a ring around its tip where two thirds of the true directions are
    expected. A head whose rotation is not known has box and label only. Labels are shortened, or
    left out, where there is no room beside the lines and one another.

    :param image: uint8 [h, w, 3] BGR
    :param named_heads: (id, head) pairs
    :param camera: with it, axes of heads whose position is known are drawn in perspective
    :param axis_length_m: their length in metres
    :param note: a line of text for the lower left corner, such as drawing.note_about gives
    """
    canvas = image.copy()
    height, width = canvas.shape[:2]
    named = list(named_heads)
    colors = [color_of(name)[::-1] for name, _ in named]
    thickness = line_width(width, height)
    for (_, head), color in zip(named, colors, strict=True):
        _draw_box(canvas, head.face.box, color, thickness)
    lines = [
        lines_of(head, camera, axis_length_m) if head.rotation_known else None for _, head in named
    ]
    for of_head, color in zip(lines, colors, strict=True):
        if of_head is not None:
            of_head.draw(canvas, color, thickness)
    labels = placed_labels(named, lines, width, height, note)
    for label, color in zip(labels, colors, strict=True):
        if label is not None:
            draw_label(canvas, label, text_scale(width, height), color)
    if written := note_label(note, width, height):
        draw_label(canvas, *written, _NOTE_COLOR)
    return canvas


def placed_labels(
    named_heads: Sequence[tuple[str, Head]],
    lines: Iterable[HeadLines | None],
    width: int,
    height: int,
    note: str = '',
) -> list[Label | None]:
    """
    Return the label of each head, None where there is no room for it.

    Labels lie in the picture and cover neither one another, nor the note, nor any lines; no faces
    either if that can be.

    :param lines: of each head, None for those that have none
    :param width: of the picture, and ``height``: pixels
    """
    places = LabelPlaces(width, height)
    for _, head in named_heads:
        places.avoid(head.face.box)
    for of_head in lines:
        if of_head is not None:
            places.keep_free(of_head, line_width(width, height))
    if written := note_label(note, width, height):
        places.take(written[0].place)
    return [places.place(_texts(name, head), head.face.box) for name, head in named_heads]


def draw_axes(
    canvas: Image,
    origin_px: tuple[float, float],
    rotation_optical: FloatArray,
    length_px: float,
    thickness: int = 2,
) -> None:
    """
    Draw the axes of the face frame into an image, without perspective; colours as draw_heads.

    :param rotation_optical: float64 [3, 3]
    """
    face = (rotation_optical @ HEAD_FROM_FACE).T
    points = np.asarray(origin_px) + length_px * np.vstack([np.zeros(2), face[:, :2]])
    draw_axis_lines(canvas, points, tuple(np.argsort(-face[:, 2]).tolist()), thickness)


def _texts(name: str, head: Head) -> tuple[str, ...]:
    """Return what a label says, from the whole to the least."""
    return f'{name}  {direction_words(head)}'.lstrip(), name


def _draw_box(canvas: Image, box: Box, color: tuple[int, int, int], thickness: int) -> None:
    corners = np.array([[box.x, box.y], [box.x + box.width, box.y + box.height]])
    # Far outside, OpenCV's fixed-point coordinates would overflow.
    (left, top), (right, bottom) = np.rint(np.clip(corners, -10000, 30000)).astype(int).tolist()
    cv2.rectangle(canvas, (left, top), (right, bottom), color, thickness)
