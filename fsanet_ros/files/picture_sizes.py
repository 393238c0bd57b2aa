"""
How large an encoded picture claims to be, from its header alone.

A file of a hundred kilobytes can claim a billion pixels, which take seconds and gigabytes to
decode. All formats that OpenCV decodes are known here, so what has no size is none of them. Nor has
what takes far longer than its pixels need: thousands of scans, or data behind the last pixel.
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
# Of a JPEG: encoders make ten, of colours in four parts up to forty. Each takes the time of a whole
# picture, and a few bytes.
_MOST_SCANS = 100
# Data of a PNG that is more than this beyond twice its pixels is not of pixels.
_MOST_PNG_EXCESS = 1 << 16
_MOST_TIFF_TAGS = 4096  # libtiff reads no more
_PNG_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by colour type


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
    width, height, depth, colour = unpack_from('>IIBB', content, 16)
    at, data_bytes = 8, 0
    while at + 8 <= len(content):
        (chunk_bytes,) = unpack_from('>I', content, at)
        if content[at + 4 : at + 8] == b'IDAT':
            data_bytes += chunk_bytes
        at += 12 + chunk_bytes
    # OpenCV 5 makes room for what a chunk claims: seconds and gigabytes for a few kilobytes.
    if at - len(content) > _MOST_MISSING:
        return None
    pixel_bytes = width * height * depth * _PNG_CHANNELS.get(colour, 4) // 8
    # Decoders unpack what follows the last row too, to throw it away.
    too_much = data_bytes > 2 * (pixel_bytes + height) + _MOST_PNG_EXCESS
    return None if too_much else (width, height)


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
            scans = bytes(content).count(b'\xff\xda')
            return (width, height) if scans <= _MOST_SCANS else None
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
    for entry in range(first, first + length * min(count, _MOST_TIFF_TAGS), length):
        tag, kind = unpack_from(f'{order}HH', content, entry)
        if tag in (256, 257, 322, 323):  # width and height of the picture and of its tiles
            form = {3: 'H', 16: 'Q'}.get(kind, 'I')
            (side,) = unpack_from(order + form, content, entry + value_at)
            sides[tag] = max(side, sides.get(tag, 0))
    picture = sides.get(256, 0), sides.get(257, 0)
    tile = sides.get(322, 0), sides.get(323, 0)
    # A tile is decoded as a whole, also one that is larger than the picture.
    return max(picture, tile, key=lambda size: size[0] * size[1])


def _jpeg_2000(content: Content) -> Size | None:
    # The codestream's own size, not that of the box around it, is what is decoded; the largest,
    # as other boxes may have something in them that looks like one.
    whole = bytes(content)
    sizes = []
    for found in re.finditer(b'\xff\x4f\xff\x51', whole):
        if len(whole) >= found.end() + 20:
            right, bottom, left, top = unpack_from('>IIII', whole, found.end() + 4)
            sizes.append((right - left, bottom - top))
    return max(sizes, key=lambda size: size[0] * size[1], default=None)


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
    found = re.findall(rb'\n-Y (\d{1,10}) \+X (\d{1,10})\s', bytes(content[:65536]))
    sizes = [(int(width), int(height)) for height, width in found]  # comments may have some too
    return max(sizes, key=lambda size: size[0] * size[1], default=None)


def _open_exr(content: Content) -> Size | None:
    found = re.search(b'dataWindow\x00box2i\x00....', bytes(content[:65536]), re.DOTALL)
    if found is None:
        return None
    left, top, right, bottom = unpack_from('<iiii', content, found.end())
    return right - left + 1, bottom - top + 1


def is_measured_reliably(content: Content) -> bool:
    """
    Return whether a picture takes what its header says, and nothing but memory, to decode.

    The pictures in an AVIF file need not be as large as it says, and OpenCV unpacks them all the
    same; Radiance's and OpenEXR's it writes into a file first.
    """
    return re.match(_UNRELIABLE, bytes(content[:16]), re.DOTALL) is None


_AVIF, _RADIANCE, _OPEN_EXR = (
    rb'....ftyp(avif|avis|mif1|miaf)',
    rb'#\?R(ADIANCE|GBE)',
    rb'\x76\x2f\x31\x01',
)
_UNRELIABLE = b'|'.join((_AVIF, _RADIANCE, _OPEN_EXR))

_FORMATS: tuple[tuple[bytes, Callable[[Content], Size | None]], ...] = (
    (rb'\xff\xd8\xff', _jpeg),
    (rb'\x89PNG\r\n\x1a\n', _png),
    (rb'RIFF....WEBP', _webp),
    (rb'BM', _bmp),
    (rb'II[*+]\x00|MM\x00[*+]', _tiff),
    (rb'GIF8[79]a', _gif),
    (rb'\x00\x00\x00\x0cjP  \r\n\x87\n|\xff\x4f\xff\x51', _jpeg_2000),
    (_AVIF, _avif),
    (rb'P[1-7Ff]\s', _portable),
    (rb'\x59\xa6\x6a\x95', _sun_raster),
    (_RADIANCE, _radiance),
    (_OPEN_EXR, _open_exr),
)
