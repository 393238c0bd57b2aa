"""
How large an encoded picture claims to be, from its header alone.

A file of a hundred kilobytes can claim a billion pixels, which take seconds and gigabytes to
decode. All formats that OpenCV decodes are known here, so what has no size is none of them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from struct import error as StructError
from struct import unpack_from

Size = tuple[int, int]
Content = bytes | memoryview

# Above the largest sensors on sale (Sony IMX811: 19200 x 12800, 247 megapixels).
MAX_PIXELS = 250_000_000

_MOST_MISSING = 64 << 20  # bytes of a file that is cut off
_LONGEST_HEADER = 1 << 20  # of the formats whose header is searched


def size_of_picture(content: Content) -> Size | None:
    """
    Return the width and height in pixels that an encoded picture claims.

    :param content: the file, or so much of it that the header is in it
    :returns: None for what is no picture, or where the header is damaged or cut
    """
    start = bytes(content[:16])
    for signature, measure in _FORMATS:
        if re.match(signature, start, re.DOTALL):
            try:
                width, height = measure(content) or (0, 0)
            except (StructError, IndexError, ValueError):
                return None
            return (abs(width), abs(height)) if width and height else None
    return None


def _png(content: Content) -> Size | None:
    width, height = unpack_from('>II', content, 16)
    at = 8
    while at + 8 <= len(content):
        (chunk_bytes,) = unpack_from('>I', content, at)
        at += 12 + chunk_bytes
    # OpenCV 5 makes room for what a chunk claims: seconds and gigabytes for a few kilobytes.
    return (width, height) if at - len(content) <= _MOST_MISSING else None


def _jpeg(content: Content) -> Size | None:
    at = 2
    while True:
        prefix, marker = unpack_from('BB', content, at)
        if prefix != 0xFF:
            return None
        if marker == 0xFF:  # fill bytes may stand before a marker
            at += 1
            continue
        # Start of frame, of any kind of coding: the markers C0 to CF but three.
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = unpack_from('>HH', content, at + 5)
            return width, height
        at += 2 + int(unpack_from('>H', content, at + 2)[0])


def _webp(content: Content) -> Size | None:
    kind = bytes(content[12:16])
    if kind == b'VP8X':
        low, middle = unpack_from('<HBHB', content, 24)[:2], unpack_from('<HB', content, 27)
        return low[0] + (low[1] << 16) + 1, middle[0] + (middle[1] << 16) + 1
    if kind == b'VP8L':
        (bits,) = unpack_from('<I', content, 21)
        return (bits & 0x3FFF) + 1, ((bits >> 14) & 0x3FFF) + 1
    if kind == b'VP8 ':
        width, height = unpack_from('<HH', content, 26)
        return width & 0x3FFF, height & 0x3FFF
    return None


def _bmp(content: Content) -> Size:
    (header_bytes,) = unpack_from('<I', content, 14)
    width, height = unpack_from('<HH' if header_bytes == 12 else '<ii', content, 18)
    return width, height


def _gif(content: Content) -> Size:
    width, height = unpack_from('<HH', content, 6)
    return width, height


def _tiff(content: Content) -> Size | None:
    order = '<' if bytes(content[:2]) == b'II' else '>'
    big = unpack_from(f'{order}H', content, 2)[0] == 43
    (at,) = unpack_from(f'{order}Q' if big else f'{order}I', content, 8 if big else 4)
    (count,) = unpack_from(f'{order}Q' if big else f'{order}H', content, at)
    first, length, value_at = (at + 8, 20, 12) if big else (at + 2, 12, 8)
    sides: dict[int, int] = {}
    for entry in range(first, first + length * min(count, 1000), length):
        tag, kind = unpack_from(f'{order}HH', content, entry)
        if tag in (256, 257, 322, 323):  # width and height of the picture and of its tiles
            form = {3: 'H', 16: 'Q'}.get(kind, 'I')
            (sides[tag],) = unpack_from(order + form, content, entry + value_at)
    picture = sides.get(256, 0), sides.get(257, 0)
    tile = sides.get(322, 0), sides.get(323, 0)
    # A tile is decoded as a whole, also one that is larger than the picture.
    return max(picture, tile, key=lambda size: size[0] * size[1])


def _jpeg_2000(content: Content) -> Size | None:
    # The codestream's own size, not that of the box around it, is what is decoded.
    at = bytes(content[:_LONGEST_HEADER]).find(b'\xff\x4f\xff\x51')
    if at < 0:
        return None
    right, bottom, left, top = unpack_from('>IIII', content, at + 8)
    return right - left, bottom - top


def _avif(content: Content) -> Size | None:
    header = bytes(content[:_LONGEST_HEADER])
    sizes = [unpack_from('>II', header, found.end() + 4) for found in re.finditer(b'ispe', header)]
    return max(sizes, key=lambda size: size[0] * size[1], default=None)


def _portable(content: Content) -> Size | None:
    text = re.sub(rb'#[^\n]*', b'', bytes(content[:4096]))
    found = re.match(rb'P[1-6Ff]\s+(\d{1,10})\s+(\d{1,10})\s', text)
    if found:
        return int(found[1]), int(found[2])
    sides = dict(re.findall(rb'(?<=\n)(WIDTH|HEIGHT)\s+(\d{1,10})\s', text))
    return (int(sides[b'WIDTH']), int(sides[b'HEIGHT'])) if len(sides) == 2 else None


def _sun_raster(content: Content) -> Size:
    width, height = unpack_from('>II', content, 4)
    return width, height


def _radiance(content: Content) -> Size | None:
    found = re.search(rb'\n-Y (\d{1,10}) \+X (\d{1,10})\s', bytes(content[:65536]))
    return (int(found[2]), int(found[1])) if found else None


def _open_exr(content: Content) -> Size | None:
    found = re.search(b'dataWindow\x00box2i\x00....', bytes(content[:65536]), re.DOTALL)
    if found is None:
        return None
    left, top, right, bottom = unpack_from('<iiii', content, found.end())
    return right - left + 1, bottom - top + 1


_FORMATS: tuple[tuple[bytes, Callable[[Content], Size | None]], ...] = (
    (rb'\xff\xd8\xff', _jpeg),
    (rb'\x89PNG\r\n\x1a\n', _png),
    (rb'RIFF....WEBP', _webp),
    (rb'BM', _bmp),
    (rb'II[*+]\x00|MM\x00[*+]', _tiff),
    (rb'GIF8[79]a', _gif),
    (rb'\x00\x00\x00\x0cjP  \r\n\x87\n|\xff\x4f\xff\x51', _jpeg_2000),
    (rb'....ftyp(avif|avis|mif1|miaf)', _avif),
    (rb'P[1-7Ff]\s', _portable),
    (rb'\x59\xa6\x6a\x95', _sun_raster),
    (rb'#\?R(ADIANCE|GBE)', _radiance),
    (rb'\x76\x2f\x31\x01', _open_exr),
)
