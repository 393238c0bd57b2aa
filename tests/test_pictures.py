"""Pictures are measured before they are decoded, and read under any name."""

import os
import struct
import zlib

import cv2
import numpy as np
import pytest

from fsanet_ros.files.pictures import PictureError, decode_picture, read_picture, size_of_picture

PICTURE = np.random.default_rng(0).integers(0, 256, (37, 53, 3), np.uint8)
ENDINGS = ('.png', '.jpg', '.webp', '.bmp', '.tiff')


def encoded(ending):
    return cv2.imencode(ending, PICTURE)[1]


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
def test_pictures_above_the_limit_are_refused_and_at_it_are_not(ending):
    assert decode_picture(encoded(ending), max_pixels=53 * 37).shape == PICTURE.shape
    with pytest.raises(PictureError, match='53 x 37 pixels are more than the 1960 '):
        decode_picture(encoded(ending), max_pixels=53 * 37 - 1)


def test_a_bomb_is_refused_by_its_header(monkeypatch):
    def decode(*_):
        raise AssertionError('decoded')

    monkeypatch.setattr(cv2, 'imdecode', decode)
    with pytest.raises(PictureError, match='30000 x 30016 pixels'):
        decode_picture(png_of(30_000, 30_016))


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
