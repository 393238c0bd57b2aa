"""
The bytes of sensor_msgs/Image, checked against its size, step and encoding.

Where a message comes from does not matter: ROS, or a bag that is read without it.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray


class ImageMessage(Protocol):
    """The fields of sensor_msgs/Image."""

    height: int
    width: int
    encoding: str
    is_bigendian: int
    step: int
    data: Any


class CompressedImageMessage(Protocol):
    """The fields of sensor_msgs/CompressedImage."""

    format: str
    data: Any


class ImageError(ValueError):
    """A message whose picture cannot be read; the text says why and what to do."""


def checked_bytes(msg: ImageMessage, *, name: str, row_bytes: int, rows: int) -> NDArray[np.uint8]:
    """
    Return a read-only view of an image's bytes, uint8 [n], long enough for its rows.

    :param name: of the image, for people
    :param row_bytes: of a row of pixels without padding
    :param rows: of all planes
    :raises ImageError: if size, step and length of the data do not fit together
    """
    if msg.step < row_bytes:
        raise ImageError(
            f"the {name}'s step is {msg.step} bytes; a row of {msg.width} pixels in "
            f'{msg.encoding} has {row_bytes}. The publisher must set step, width and encoding '
            'correctly.'
        )
    data = bytes_of(msg.data)
    needed = msg.step * (rows - 1) + row_bytes  # the last row may come without its padding
    if data.size < needed:
        raise ImageError(
            f"the {name}'s data ends after {data.size} bytes; {msg.width} x {msg.height} pixels "
            f'in {msg.encoding} with a step of {msg.step} need {msg.step * rows}. '
            'The publisher truncates it, or its height or step is wrong.'
        )
    return data


def check_size(msg: ImageMessage, *, name: str) -> None:
    """Raise ImageError if an image has no pixels."""
    if msg.width == 0 or msg.height == 0:
        raise ImageError(
            f'the {name} is {msg.width} x {msg.height} pixels; both must be positive. '
            'Check the camera driver.'
        )


def check_pixels(width: int, height: int, most: int) -> None:
    """Raise ImageError if an image has more pixels than are accepted."""
    if width * height > most:
        raise ImageError(
            f'the image is {width} x {height} pixels, more than the {most} that are accepted '
            '(input.max_pixels).'
        )


def bytes_of(data: Any) -> NDArray[np.uint8]:
    """Return a read-only view of a message's uint8[] field, uint8 [n]."""
    try:
        array = np.frombuffer(data, np.uint8) if len(data) else np.empty(0, np.uint8)
    except TypeError as error:
        # Vendor-backed buffers, which a subscription has to ask for, can be such.
        raise ImageError(
            f"the image's data is a {type(data).__name__}, whose bytes Python cannot see "
            f'({error}); an array.array is expected. Let the camera driver publish from ordinary '
            'memory.'
        ) from error
    array.flags.writeable = False
    return array
