"""
Pictures from bytes, with a look at their size first.

OpenCV's own reader takes file names, and crashes on those that are not UTF-8; and a file of a
hundred kilobytes can claim a billion pixels, which take seconds and gigabytes to decode.
"""

from __future__ import annotations

import struct
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

# Above the largest cameras (medium format: 150 megapixels).
MAX_PIXELS = 200_000_000
_HEADER_BYTES = 1 << 16


class PictureError(ValueError):
    """A picture that can't be decoded, or is too large; the text says why."""


def read_picture(path: str | Path, max_pixels: int = MAX_PIXELS) -> NDArray[np.uint8]:
    """
    Return the picture in a file, uint8 [h, w, 3] BGR, turned upright as its EXIF says.

    :param path: a name of any encoding
    :raises PictureError: if it is no picture that OpenCV decodes, or larger than max_pixels
    :raises OSError: if the file cannot be read
    """
    return decode_picture(np.fromfile(path, np.uint8), max_pixels)


def decode_picture(content: NDArray[np.uint8], max_pixels: int = MAX_PIXELS) -> NDArray[np.uint8]:
    """
    Return an encoded picture, uint8 [h, w, 3] BGR.

    :param content: uint8 [n], a file of any format that OpenCV takes
    :raises PictureError: if it is none, or larger than max_pixels
    """
    if not content.size:
        raise PictureError('the file is empty')
    size = size_of_picture(bytes(content[:_HEADER_BYTES]))
    if size is not None and size[0] * size[1] > max_pixels:
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


def size_of_picture(header: bytes) -> tuple[int, int] | None:
    """
    Return width and height in pixels as the first bytes of a PNG, JPEG, WebP, BMP or GIF say.

    :returns: None for another format, or where the header does not reach so far
    """
    try:
        if header.startswith(b'\x89PNG\r\n\x1a\n'):
            width, height = struct.unpack('>II', header[16:24])
        elif header.startswith(b'\xff\xd8'):
            return _size_of_jpeg(header)
        elif header[:4] == b'RIFF' and header[8:12] == b'WEBP':
            return _size_of_webp(header)
        elif header.startswith(b'BM'):
            width, height = struct.unpack('<ii', header[18:26])
        elif header[:6] in (b'GIF87a', b'GIF89a'):
            width, height = struct.unpack('<HH', header[6:10])
        elif header[:4] in (b'II*\x00', b'MM\x00*'):
            return _size_of_tiff(header)
        else:
            return None
    except (struct.error, IndexError):
        return None
    return abs(int(width)), abs(int(height))


def _size_of_jpeg(header: bytes) -> tuple[int, int] | None:
    at = 2
    while at + 9 <= len(header):
        if header[at] != 0xFF:
            return None
        marker = header[at + 1]
        if marker == 0xFF:  # fill bytes may stand before a marker
            at += 1
            continue
        # Start of frame, of any kind of coding: the markers C0 to CF but three.
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack('>HH', header[at + 5 : at + 9])
            return width, height
        at += 2 + int(struct.unpack('>H', header[at + 2 : at + 4])[0])
    return None


def _size_of_webp(header: bytes) -> tuple[int, int] | None:
    kind = header[12:16]
    if kind == b'VP8X':
        width, height = (int.from_bytes(header[i : i + 3], 'little') + 1 for i in (24, 27))
    elif kind == b'VP8L':
        bits = int(struct.unpack('<I', header[21:25])[0])
        width, height = (bits & 0x3FFF) + 1, ((bits >> 14) & 0x3FFF) + 1
    elif kind == b'VP8 ':
        width, height = (v & 0x3FFF for v in struct.unpack('<HH', header[26:30]))
    else:
        return None
    return width, height


def _size_of_tiff(header: bytes) -> tuple[int, int] | None:
    order = '<' if header[:2] == b'II' else '>'
    (at,) = struct.unpack(f'{order}I', header[4:8])
    (count,) = struct.unpack(f'{order}H', header[at : at + 2])
    sides: dict[int, int] = {}
    for entry in range(at + 2, at + 2 + 12 * count, 12):
        tag, kind = struct.unpack(f'{order}HH', header[entry : entry + 4])
        if tag in (256, 257):  # ImageWidth, ImageLength; SHORT or LONG
            form, size = ('H', 2) if kind == 3 else ('I', 4)
            (sides[tag],) = struct.unpack(order + form, header[entry + 8 : entry + 8 + size])
    return (sides[256], sides[257]) if len(sides) == 2 else None
