"""A sheet of the faces with the largest errors, the truth beside the estimate."""

from __future__ import annotations

import cv2
import numpy as np

from fsanet_ros.drawing import draw_axes
from fsanet_ros.inference.crops import cut_crop
from fsanet_ros.research.datasets.labelled_images import read_picture
from fsanet_ros.research.evaluation.evaluate_images import Evaluation
from fsanet_ros.types import FloatArray, Image

WORST = 24
COLUMNS = 4
_TILE_PX = 160
_CAPTION_PX = 34
_GAP_PX = 10
_AXIS_SHARE = 0.34  # of the tile
_AROUND = 1.1  # side of the region shown, in face squares
_BLACK, _GREY = (0, 0, 0), (90, 90, 90)


def worst_faces_sheet(evaluation: Evaluation, count: int = WORST) -> Image:
    """
    Draw the faces with the largest geodesic errors, the worst first.

    Each is shown twice, with the true and with the estimated axes (colours as in drawing.py). Below
    are the file name, the error, and the true and estimated yaw, pitch and roll.

    :returns: uint8 [h, w, 3] BGR
    """
    order = np.argsort(-evaluation.errors.geodesic_deg, kind='stable')[:count]
    tiles = [_tile(evaluation, int(index)) for index in order]
    columns = min(COLUMNS, len(tiles))
    rows = -(-len(tiles) // columns)
    height, width = (side + _GAP_PX for side in tiles[0].shape[:2])
    sheet = np.full((rows * height + _GAP_PX, columns * width + _GAP_PX, 3), 255, np.uint8)
    for number, tile in enumerate(tiles):
        y = _GAP_PX + number // columns * height
        x = _GAP_PX + number % columns * width
        sheet[y : y + tile.shape[0], x : x + tile.shape[1]] = tile
    return sheet


def _tile(evaluation: Evaluation, index: int) -> Image:
    labelled, errors = evaluation.images[index], evaluation.errors
    square = evaluation.faces[index].square.scaled(_AROUND)
    region = cut_crop(read_picture(labelled), square, _TILE_PX)
    truth, estimated = errors.truth_deg[index], errors.estimated_deg[index]
    pictures = [
        _with_axes(region, rotation) for rotation in (errors.truth[index], errors.estimated[index])
    ]
    caption = np.full((_CAPTION_PX, 2 * _TILE_PX, 3), 255, np.uint8)
    error = f'{errors.geodesic_deg[index]:.1f}'
    name = labelled.path.name
    limit = 40
    _write(caption, name if len(name) <= limit else f'..{name[-limit + 2 :]}', (2, 12), _GREY)
    _write(caption, error, (2 * _TILE_PX - 8 * len(error), 12), (0, 0, 200))
    _write(caption, f'true {_angles(truth)}', (2, 28), _BLACK)
    _write(caption, f'found {_angles(estimated)}', (_TILE_PX + 2, 28), _BLACK)
    return np.concatenate([np.concatenate(pictures, axis=1), caption])


def _with_axes(region: Image, rotation: FloatArray) -> Image:
    picture = region.copy()
    middle = (_TILE_PX / 2, _TILE_PX / 2)
    draw_axes(picture, middle, rotation, _AXIS_SHARE * _TILE_PX)
    return picture


def _angles(angles_deg: FloatArray) -> str:
    return ' '.join(f'{angle:+.0f}' for angle in angles_deg)


def _write(image: Image, text: str, place: tuple[int, int], color: tuple[int, int, int]) -> None:
    cv2.putText(image, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.4, color, 1, cv2.LINE_AA)
