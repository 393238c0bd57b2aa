"""
Pictures from bytes, with a look at their size first.

OpenCV's own reader takes file names, and crashes on those that are not UTF-8.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from fsanet_ros.files.picture_sizes import MAX_PIXELS, size_of_picture
from fsanet_ros.files.plain_files import require_end

__all__ = ['MAX_PIXELS', 'PictureError', 'decode_picture', 'read_picture', 'size_of_picture']


class PictureError(ValueError):
    """A picture that can't be decoded, or is too large; the text says why."""


def read_picture(path: str | Path, max_pixels: int = MAX_PIXELS) -> NDArray[np.uint8]:
    """
    Return the picture in a file, uint8 [h, w, 3] BGR, turned upright as its EXIF says.

    :param path: a name of any encoding
    :raises PictureError: if it is no picture that OpenCV decodes, or larger than max_pixels
    :raises OSError: if the file cannot be read
    """
    require_end(path)
    return decode_picture(np.fromfile(path, np.uint8), max_pixels)


def decode_picture(content: NDArray[np.uint8], max_pixels: int = MAX_PIXELS) -> NDArray[np.uint8]:
    """
    Return an encoded picture, uint8 [h, w, 3] BGR.

    :param content: uint8 [n], a file of any format that OpenCV takes
    :raises PictureError: if it is none, or larger than max_pixels
    """
    if not content.size:
        raise PictureError('the file is empty')
    size = size_of_picture(content.data)
    if size is None:
        raise PictureError('not a picture that OpenCV can decode, or damaged')
    if size[0] * size[1] > max_pixels:
        raise PictureError(
            f'{size[0]} x {size[1]} pixels are more than the {max_pixels} that are accepted'
        )
    try:
        picture = cv2.imdecode(content, cv2.IMREAD_COLOR)
    except cv2.error as error:
        raise PictureError(f'OpenCV cannot decode it ({error.err})') from error
    if picture is None:
        raise PictureError('not a picture that OpenCV can decode, or damaged')
    return np.asarray(picture, np.uint8)
