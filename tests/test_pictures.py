"""Pictures are measured before they are decoded, and read under any name."""

import os
import struct
import zlib
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from fsanet_ros.files.image_layout import ImageError
from fsanet_ros.files.image_messages import bgr_from_compressed
from fsanet_ros.files.pictures import PictureError, decode_picture, read_picture, size_of_picture

PICTURE = np.random.default_rng(0).integers(0, 256, (37, 53, 3), np.uint8)
ENDINGS = tuple(
    ending
    for ending in (
        *('.png', '.jpg', '.webp', '.bmp', '.tiff', '.gif', '.jp2', '.avif', '.ppm', '.pgm'),
        *('.pbm', '.pam', '.pfm', '.ras', '.hdr'),
    )
    if cv2.haveImageWriter(f'x{ending}')
)


def encoded(ending):
    picture = PICTURE
    if ending in ('.pgm', '.pbm'):
        picture = PICTURE[..., 0].copy()
    elif ending in ('.pfm', '.hdr'):
        picture = PICTURE.astype(np.float32) / 255
    return cv2.imencode(ending, picture)[1]


def png_of(width, height):
    """Return a PNG that says it is of a size, with next to no data."""

    def chunk(kind, data):
        checksum = zlib.crc32(kind + data)
        return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', checksum)

    header = struct.pack('>IIBBBBB', width, height, 8, 2, 0, 0, 0)
    data = zlib.compress(bytes(100_000))
    content = chunk(b'IHDR', header) + chunk(b'IDAT', data) + chunk(b'IEND', b'')
    return np.frombuffer(b'\x89PNG\r\n\x1a\n' + content, np.uint8)


@pytest.mark.parametrize('ending', ENDINGS)
def test_the_size_is_read_from_the_header(ending):
    assert size_of_picture(bytes(encoded(ending))) == (53, 37)


@pytest.mark.parametrize(
    'options', [[cv2.IMWRITE_WEBP_QUALITY, 80], [cv2.IMWRITE_WEBP_QUALITY, 101]]
)
def test_both_kinds_of_webp_are_measured(options):
    assert size_of_picture(bytes(cv2.imencode('.webp', PICTURE, options)[1])) == (53, 37)


def test_a_progressive_jpeg_with_a_long_comment_is_measured():
    content = bytes(cv2.imencode('.jpg', PICTURE, [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1])
    comment = b'\xff\xfe' + struct.pack('>H', 30_002) + bytes(30_000)
    assert size_of_picture(content[:2] + comment + content[2:]) == (53, 37)


@pytest.mark.parametrize('ending', ENDINGS)
def test_a_header_that_is_cut_off_has_no_size_and_no_error(ending):
    content = bytes(encoded(ending))
    for length in range(0, 30):
        assert size_of_picture(content[:length]) in (None, (53, 37))


@pytest.mark.parametrize('ending', ENDINGS)
def test_what_opencv_makes_of_a_damaged_picture_is_no_larger_than_its_header_says(ending):
    rng = np.random.default_rng(0)
    content = encoded(ending)
    for _ in range(100):
        damaged = content.copy()
        places = rng.integers(0, min(len(damaged), 120), 2)
        damaged[places] = rng.integers(0, 256, (2, *damaged.shape[1:]), np.uint8)
        size = size_of_picture(memoryview(damaged.ravel()))
        if size is None or size[0] * size[1] > 1_000_000:  # refused, or too large to try
            continue
        try:
            picture = cv2.imdecode(damaged, cv2.IMREAD_COLOR)
        except cv2.error:
            continue
        if picture is not None:
            assert picture.shape[0] * picture.shape[1] <= size[0] * size[1], (places, size)


def tiff(order, big=False, **tags):
    """Return the beginning of a TIFF with tags by their numbers, tag_256=30000."""
    count = struct.pack(f'{order}Q' if big else f'{order}H', len(tags))
    entry = f'{order}HHQQ' if big else f'{order}HHII'
    entries = (struct.pack(entry, int(tag[4:]), 4, 1, value) for tag, value in tags.items())
    name = b'II' if order == '<' else b'MM'
    start = (
        name + struct.pack(f'{order}HHHQ', 43, 8, 0, 16)
        if big
        else name + struct.pack(f'{order}HI', 42, 8)
    )
    return start + count + b''.join(entries)


BOMBS = {
    'png': bytes(png_of(30_000, 30_016)),
    'jpeg': b'\xff\xd8\xff\xe1' + struct.pack('>H', 65_535) + bytes(65_533)
    # Behind two segments of 64 kB.
    + b'\xff\xe2' + struct.pack('>H', 65_535) + bytes(65_533)
    + b'\xff\xc2\x00\x11\x08' + struct.pack('>HH', 60_000, 60_000),
    'webp': b'RIFF\x00\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00\x00\x00\x00\x00' + b'\xff\xff\x00' * 2,
    'bmp': b'BM' + bytes(12) + struct.pack('<Iii', 40, 30_000, -30_000),
    'bmp of OS/2': b'BM' + bytes(12) + struct.pack('<IHH', 12, 60_000, 60_000),
    'gif': b'GIF89a' + struct.pack('<HH', 65_535, 65_535),
    'tiff': tiff('<', tag_256=30_000, tag_257=30_000),
    'big-endian tiff': tiff('>', tag_256=30_000, tag_257=30_000),
    'BigTIFF': tiff('<', big=True, tag_256=30_000, tag_257=30_000),
    'tiff with a huge tile': tiff('<', tag_256=10, tag_257=10, tag_322=30_000, tag_323=30_000),
    'jpeg 2000': b'\x00\x00\x00\x0cjP  \r\n\x87\n' + bytes(40) + b'\xff\x4f\xff\x51\x00\x2f\x00\x00'
    + struct.pack('>IIII', 30_001, 30_001, 1, 1),
    'pgm': b'P5 # 1 2\n30000 30000 255\n',
    'pam': b'P7\nWIDTH 30000\nHEIGHT 30000\nDEPTH 3\nENDHDR\n',
    'sun raster': b'\x59\xa6\x6a\x95' + struct.pack('>II', 30_000, 30_000),
    'radiance': b'#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 30000 +X 30000\n',
}  # fmt: skip


@pytest.mark.parametrize('name', BOMBS)
def test_a_bomb_of_any_format_is_refused_unopened(name, monkeypatch):
    monkeypatch.setattr(cv2, 'imdecode', None)
    with pytest.raises(PictureError, match='pixels are more than the 250000000 '):
        decode_picture(np.frombuffer(BOMBS[name], np.uint8))


@pytest.mark.parametrize('ending', ENDINGS)
def test_pictures_above_the_limit_are_refused_and_at_it_are_not(ending):
    assert decode_picture(encoded(ending), max_pixels=53 * 37).shape == PICTURE.shape
    with pytest.raises(PictureError, match='53 x 37 pixels are more than the 1960 '):
        decode_picture(encoded(ending), max_pixels=53 * 37 - 1)


@pytest.mark.parametrize(
    ('content', 'reason'), [(b'', 'empty'), (b'hello', 'not a picture'), (b'\xff\xd8\xff', 'not a')]
)
def test_what_is_no_picture_is_refused(content, reason):
    with pytest.raises(PictureError, match=reason):
        decode_picture(np.frombuffer(content, np.uint8))


def test_names_that_are_not_utf_8_are_read(tmp_path):
    path = os.path.join(os.fsencode(tmp_path), b'caf\xe9.png')
    with open(path, 'wb') as file:
        file.write(encoded('.png').tobytes())
    assert np.array_equal(read_picture(os.fsdecode(path)), PICTURE)


def png_with(width, height, unpacked_bytes):
    """Return a PNG whose data goes on behind its last row."""
    content = bytes(png_of(width, height))
    begin = content.index(b'IDAT') - 4
    data = zlib.compress(bytes(unpacked_bytes), 9)
    chunk = struct.pack('>I', len(data)) + b'IDAT' + data
    return content[:begin] + chunk + struct.pack('>I', zlib.crc32(chunk[4:]))


def jpeg_with_scans(count):
    options = [cv2.IMWRITE_JPEG_PROGRESSIVE, 1]
    content = bytes(cv2.imencode('.jpg', np.zeros((64, 64, 3), np.uint8), options)[1])
    last = content[content.rfind(b'\xff\xda') : -2]
    return content[:-2] + last * count + b'\xff\xd9'


def jpeg_2000_with_two_headers():
    """Return a picture of 512 x 512 pixels behind a box that holds the header of a small one."""
    content = bytes(cv2.imencode('.jp2', np.zeros((512, 512, 3), np.uint8))[1])
    header = b'\xff\x4f\xff\x51' + struct.pack('>HH', 41, 0) + struct.pack('>IIII', 4, 4, 0, 0)
    box = struct.pack('>I', 8 + 16 + len(header)) + b'uuid' + bytes(16) + header
    end_of_type = 12 + struct.unpack('>I', content[12:16])[0]
    return content[:end_of_type] + box + content[end_of_type:]


SLOW = {
    'png with gigabytes behind its pixels': lambda: png_with(16, 16, 300_000_000),
    'jpeg of 3000 scans': lambda: jpeg_with_scans(3000),
}


@pytest.mark.parametrize('name', SLOW)
def test_what_takes_far_longer_than_its_pixels_need_is_refused_unopened(name, monkeypatch):
    monkeypatch.setattr(cv2, 'imdecode', None)
    with pytest.raises(PictureError, match='not a picture'):
        decode_picture(np.frombuffer(SLOW[name](), np.uint8))


def test_pngs_and_progressive_jpegs_as_encoders_make_them_are_not_taken_for_those():
    noise = np.random.default_rng(0).integers(0, 256, (300, 400, 4), np.uint8)
    for channels in (1, 3, 4):
        stored = cv2.imencode('.png', noise[..., :channels], [cv2.IMWRITE_PNG_COMPRESSION, 0])[1]
        assert size_of_picture(bytes(stored)) == (400, 300)
    for scans in (0, 30):
        assert size_of_picture(jpeg_with_scans(scans)) == (64, 64)


@pytest.mark.skipif(not cv2.haveImageWriter('x.jp2'), reason='OpenCV without JPEG 2000')
def test_the_largest_of_several_headers_counts():
    assert size_of_picture(jpeg_2000_with_two_headers()) == (512, 512)
    twice = b'#?RADIANCE\n-Y 4 +X 4\nFORMAT=32-bit_rle_rgbe\n\n-Y 9000 +X 8000\n'
    assert size_of_picture(twice) == (8000, 9000)
    entries = [(256, 30_000), (256, 4), (257, 30_000), (257, 4)]
    tags = b''.join(struct.pack('<HHII', tag, 4, 1, value) for tag, value in entries)
    assert size_of_picture(b'II*\x00\x08\x00\x00\x00\x04\x00' + tags) == (30_000, 30_000)
    many = struct.pack('<HHII', 1, 4, 1, 0) * 2000
    content = b'II*\x00\x08\x00\x00\x00' + struct.pack('<H', 2004) + many + tags
    assert size_of_picture(content) == (30_000, 30_000)


@pytest.mark.parametrize('ending', [e for e in ('.avif', '.hdr') if e in ENDINGS])
def test_from_a_topic_only_what_is_sure_to_keep_to_its_header_is_decoded(ending, monkeypatch):
    content = encoded(ending).ravel().view(np.uint8)
    assert decode_picture(content).shape == PICTURE.shape
    monkeypatch.setattr(cv2, 'imdecode', None)
    with pytest.raises(ImageError, match='cannot be decoded; a whole JPEG or PNG file is expected'):
        bgr_from_compressed(SimpleNamespace(format='jpeg', data=content))
