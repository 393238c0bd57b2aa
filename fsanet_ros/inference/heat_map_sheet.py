"""
A sheet of heat maps: the spatial maps of FSA-Net laid over the faces, as in the paper's figures.

A face takes three rows: what its capsules take from the deepest feature map, the middle one and
the shallowest. Beside the crop are the seven capsules of S_1, of S_2 and of S_3.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from fsanet_ros.types import Image

_GAP_PX = 12
_LINE_PX = 2
_TITLE_PX = 22
_HEAT = 0.5  # the rest is the face


def heat_map_sheet(
    crops: NDArray[np.uint8],
    maps: NDArray[np.float32],
    names: Sequence[str] | None = None,
    tile_px: int = 64,
) -> Image:
    """
    Return a picture of the spatial maps of faces.

    Blue to red is the range of each capsule, over its three maps together: rows can be compared,
    columns say where a capsule looks.

    :param crops: uint8 [n, size, size, 3] BGR, n at least 1
    :param maps: float32 [n, 3, 7, 3, 8, 8]; see fsanet.heat_maps.spatial_maps
    :param names: written into the faces' crops
    :param tile_px: side of one heat map
    :returns: uint8 [height, width, 3] BGR
    :raises ValueError: if there is no face
    """
    if not len(crops):
        raise ValueError('there is no face to show heat maps of')
    rows = [_face(crop, of_face, tile_px) for crop, of_face in zip(crops, maps, strict=True)]
    for row, name in zip(rows, names or [], strict=False):
        row[-_TITLE_PX:, : row.shape[0]] //= 3  # white on dark can be read on every face
        _write(row, name, (6, row.shape[0] - 7))
    gap = np.full((_GAP_PX, rows[0].shape[1], 3), 255, np.uint8)
    parts = [_titles(rows[0].shape[1], maps.shape[1:3], tile_px)]
    for row in rows:
        parts += [row, gap]
    return np.concatenate(parts)


def overlays(crop: Image, heat: NDArray[np.floating]) -> Image:
    """
    Lay maps over a crop.

    :param crop: uint8 [size, size, 3] BGR
    :param heat: float [n, 8, 8], from 0 (blue) to 1 (red); n up to 512
    :returns: uint8 [n, size, size, 3] BGR
    """
    levels = np.round(np.clip(heat, 0, 1) * 255).astype(np.uint8)
    # Together, as channels and as one tall picture: a call for each would take ten times as long.
    smooth = cv2.resize(
        np.moveaxis(levels, 0, -1), crop.shape[1::-1], interpolation=cv2.INTER_CUBIC
    )
    smooth = np.moveaxis(smooth.reshape(*crop.shape[:2], -1), -1, 0)
    colours = cv2.applyColorMap(smooth.reshape(-1, crop.shape[1]), cv2.COLORMAP_JET)
    faces = np.tile(crop, (len(heat), 1, 1))
    laid_over = cv2.addWeighted(colours, _HEAT, faces, 1 - _HEAT, 0)
    return np.asarray(laid_over, np.uint8).reshape(-1, *crop.shape)


def scaled_per_capsule(maps: NDArray[np.float32]) -> NDArray[np.float32]:
    """Bring the values of each capsule, float32 [..., 3, 8, 8], to 0 to 1."""
    low = maps.min(axis=(-3, -2, -1), keepdims=True)
    spread = maps.max(axis=(-3, -2, -1), keepdims=True) - low
    # A capsule that takes the same from everywhere is nowhere warm.
    scaled: NDArray[np.float32] = (maps - low) / np.where(spread > 0, spread, 1)
    return scaled


def _face(crop: Image, maps: NDArray[np.float32], tile_px: int) -> Image:
    """Return the three rows of one face; ``maps`` is [3, 7, 3, 8, 8]."""
    stages, capsules, sources = maps.shape[:3]
    tiles = overlays(_resized(crop, tile_px), scaled_per_capsule(maps).reshape(-1, *maps.shape[3:]))
    step = tile_px + _LINE_PX
    height = sources * step - _LINE_PX
    block = capsules * step + _GAP_PX
    picture = np.full((height, height + stages * block, 3), 255, np.uint8)
    picture[:, :height] = _resized(crop, height)
    for tile, (stage, capsule, source) in zip(tiles, np.ndindex(*maps.shape[:3]), strict=True):
        x = height + stage * block + _GAP_PX + capsule * step
        y = source * step
        picture[y : y + tile_px, x : x + tile_px] = tile
    return picture


def _titles(width: int, counts: tuple[int, ...], tile_px: int) -> Image:
    strip = np.full((_TITLE_PX, width, 3), 255, np.uint8)
    stages, capsules = counts
    block = capsules * (tile_px + _LINE_PX) + _GAP_PX
    left = width - stages * block + _GAP_PX
    for stage in range(stages):
        text = f'S{stage + 1}: capsules 1 to {capsules}; rows: deep, middle, shallow map'
        _write(strip, text, (left + stage * block, _TITLE_PX - 7), (0, 0, 0))
    return strip


def _write(
    image: Image, text: str, place: tuple[int, int], colour: tuple[int, int, int] = (255, 255, 255)
) -> None:
    cv2.putText(image, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.4, colour, 1, cv2.LINE_AA)


def _resized(image: Image, size: int) -> Image:
    shrinks = image.shape[0] > size
    interpolation = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(image, (size, size), interpolation=interpolation), np.uint8)
