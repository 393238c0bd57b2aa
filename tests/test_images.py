"""Every encoding of sensor_msgs/Image comes out as the colours that went in."""

import array

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip('sensor_msgs')

from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from fsanet_ros.files.image_layout import ImageError
from fsanet_ros.files.image_messages import SUPPORTED_ENCODINGS, bgr_from_compressed
from fsanet_ros.ros.input.images import bgr_from_image, image_from_bgr

# B, G, R of the patches: primary and mixed colours, skin tones, greys.
PATCHES = np.array(
    [
        [255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 0], [0, 255, 255], [255, 0, 255],
        [120, 150, 200], [60, 80, 140], [0, 0, 0], [90, 90, 90], [200, 200, 200], [255, 255, 255],
    ],
    np.uint8,
)  # fmt: skip
PATCH = 8  # pixels; a multiple of 2 for the encodings that share colours


def colour_patches():
    """A picture of 4 x 3 patches, uint8 [24, 32, 3]."""
    grid = PATCHES.reshape(3, 4, 3)
    return grid.repeat(PATCH, axis=0).repeat(PATCH, axis=1)


def gray_of(bgr):
    """BT.601 luma, uint8 [h, w]."""
    return np.round(bgr @ [0.114, 0.587, 0.299]).astype(np.uint8)


def yuv_of(bgr):
    """BT.601 studio range, written out from the standard, float [h, w, 3]."""
    b, g, r = (bgr[..., i] / 255.0 for i in range(3))
    y = 0.299 * r + 0.587 * g + 0.114 * b
    u = 128 + 224 * (b - y) / (2 * (1 - 0.114))
    v = 128 + 224 * (r - y) / (2 * (1 - 0.299))
    return np.round(np.stack([16 + 219 * y, u, v], -1)).astype(np.uint8)


def mosaic_of(bgr, pattern):
    """What a sensor behind this colour filter sees: 'rggb' is the upper left 2 x 2, row-wise."""
    seen = np.empty(bgr.shape[:2], np.uint8)
    for position, colour in enumerate(pattern):
        row, column = divmod(position, 2)
        channel = 'bgr'.index(colour)
        seen[row::2, column::2] = bgr[row::2, column::2, channel]
    return seen


def packed_422(bgr, order):
    """Rows of two pixels in four bytes; order such as 'uyvy'."""
    yuv = yuv_of(bgr)
    parts = {'u': yuv[:, ::2, 1], 'v': yuv[:, ::2, 2]}
    lumas = iter([yuv[:, ::2, 0], yuv[:, 1::2, 0]])
    columns = [next(lumas) if part == 'y' else parts[part] for part in order]
    return np.stack(columns, -1).reshape(len(bgr), -1)


def semi_planar(bgr, order, subsampling):
    """A plane of Y, then rows of U, V pairs, as bytes of a row of the Y plane each."""
    yuv = yuv_of(bgr)
    chroma = yuv[::subsampling, ::subsampling]
    pairs = np.stack([chroma[..., 'yuv'.index(part)] for part in order], -1)
    return np.vstack([yuv[..., 0], pairs.reshape(-1, bgr.shape[1])])


def wide(samples):
    """The same brightness in 16 bits, with a low byte that must not matter."""
    return (samples.astype(np.uint16) << 8) | 0x5A


def with_alpha(samples):
    return np.dstack([samples, np.full(samples.shape[:2], 77, np.uint8)])


def encoded_rows(bgr, encoding):
    """The rows of the data, [rows, samples per row], in the dtype of the encoding."""
    if encoding in ('uyvy', 'yuv422'):
        return packed_422(bgr, 'uyvy')
    if encoding in ('yuyv', 'yuv422_yuy2'):
        return packed_422(bgr, 'yuyv')
    if encoding.startswith('nv'):
        order, subsampling = {'nv12': ('uv', 2), 'nv21': ('vu', 2), 'nv24': ('uv', 1)}[encoding]
        return semi_planar(bgr, order, subsampling)
    if encoding.startswith('bayer_'):
        samples = mosaic_of(bgr, encoding[6:10])
    elif encoding.startswith('mono') or encoding.endswith('UC1'):
        samples = gray_of(bgr)
    else:
        samples = bgr[..., ::-1] if encoding.startswith('rgb') else bgr
        if encoding.startswith(('rgba', 'bgra')) or encoding.endswith('UC4'):
            samples = with_alpha(samples)
    is_16_bit = encoding.endswith('16') or encoding.startswith('16')
    return (wide(samples) if is_16_bit else samples).reshape(len(bgr), -1)


def message(bgr, encoding, padding=0, big_endian=False):
    """An Image with rubbish in the padding, so that reading it shows."""
    rows = encoded_rows(bgr, encoding)
    height, width = bgr.shape[:2]
    if rows.dtype == np.uint16:
        rows = rows.astype('>u2' if big_endian else '<u2')
    rows = np.ascontiguousarray(rows).view(np.uint8)
    if encoding == 'nv24':  # its rows of chroma are two steps long
        luma, chroma = rows[:height], rows[height:].reshape(height, -1)
        luma = np.pad(luma, ((0, 0), (0, padding)), constant_values=0xC3)
        chroma = np.pad(chroma, ((0, 0), (0, 2 * padding)), constant_values=0xC3)
        rows = np.vstack([luma, chroma.reshape(2 * height, -1)])
    else:
        rows = np.pad(rows, ((0, 0), (0, padding)), constant_values=0xC3)
    msg = Image(
        width=width, height=height, encoding=encoding, step=rows.shape[1], is_bigendian=big_endian
    )
    msg.data.frombytes(rows.tobytes())
    return msg


def patch_centres(bgr):
    return bgr[PATCH // 2 :: PATCH, PATCH // 2 :: PATCH].reshape(-1, 3).astype(int)


def expected_patches(encoding):
    if encoding.startswith('mono') or encoding.endswith('UC1'):
        return np.repeat(gray_of(PATCHES)[:, None], 3, 1).astype(int)
    return PATCHES.astype(int)


def test_the_encodings_of_cameras_are_supported():
    kinds = ['bgr8', 'rgb8', 'bgra8', 'rgba8', 'mono8', 'bgr16', 'rgb16', 'bgra16', 'rgba16']
    kinds += ['mono16', '8UC1', '8UC3', '8UC4', '16UC1', '16UC3', '16UC4']
    kinds += ['uyvy', 'yuv422', 'yuyv', 'yuv422_yuy2', 'nv12', 'nv21', 'nv24']
    kinds += [f'bayer_{p}{bits}' for bits in (8, 16) for p in ('rggb', 'bggr', 'gbrg', 'grbg')]
    assert set(SUPPORTED_ENCODINGS) >= set(kinds)


@pytest.mark.parametrize('padding', [0, 6])
@pytest.mark.parametrize('encoding', SUPPORTED_ENCODINGS)
def test_colours_come_out_as_they_went_in(encoding, padding):
    bgr = bgr_from_image(message(colour_patches(), encoding, padding))
    assert bgr.dtype == np.uint8 and bgr.shape == (24, 32, 3)
    tolerance = 3 if encoding.startswith(('uyvy', 'yu', 'nv')) else 0
    difference = patch_centres(bgr) - expected_patches(encoding)
    assert np.abs(difference).max() <= tolerance


@pytest.mark.parametrize('encoding', [e for e in SUPPORTED_ENCODINGS if '16' in e])
def test_big_endian_is_read_as_such(encoding):
    picture = colour_patches()
    big = bgr_from_image(message(picture, encoding, padding=4, big_endian=True))
    little = bgr_from_image(message(picture, encoding))
    np.testing.assert_array_equal(big, little)


def test_eight_bits_have_no_byte_order():
    picture = colour_patches()
    msg = message(picture, 'rgb8', big_endian=True)
    np.testing.assert_array_equal(bgr_from_image(msg), picture)


@pytest.mark.parametrize('encoding', ['bayer_rggb8', 'bayer_bggr8', 'bayer_gbrg8', 'bayer_grbg8'])
def test_bayer_gradient_keeps_place_and_colour(encoding):
    rows, columns = np.mgrid[0:40, 0:60]
    picture = np.dstack([columns * 4, rows * 6, 255 - columns * 4]).astype(np.uint8)
    bgr = bgr_from_image(message(picture, encoding))
    inside = np.s_[2:-2, 2:-2]
    assert np.abs(bgr[inside].astype(int) - picture[inside]).max() <= 2


def test_full_range_of_16_bits_is_the_full_range_of_the_picture():
    msg = Image(width=4, height=1, encoding='mono16', step=8)
    msg.data.frombytes(np.array([0, 255, 32768, 65535], '<u2').tobytes())
    assert bgr_from_image(msg)[0, :, 0].tolist() == [0, 0, 128, 255]


@pytest.mark.parametrize('padding', [0, 13])
@pytest.mark.parametrize('encoding', ['bgr8', '8UC3'])
def test_bgr_is_not_copied(encoding, padding):
    msg = message(colour_patches(), encoding, padding)
    assert isinstance(msg.data, array.array)  # what rclpy delivers
    bgr = bgr_from_image(msg)
    assert np.shares_memory(bgr, np.frombuffer(msg.data, np.uint8))
    with pytest.raises(ValueError, match='read-only'):
        bgr[0, 0, 0] = 1  # it would change the message that others see, too


def test_bytes_are_read_like_arrays():
    # rosbags and tests hand over bytes or NumPy arrays.
    picture = colour_patches()
    msg = message(picture, 'bgr8')
    for data in (bytes(msg.data), np.frombuffer(msg.data, np.uint8)):
        msg._data = data
        np.testing.assert_array_equal(bgr_from_image(msg), picture)


@settings(deadline=None, max_examples=150)
@given(
    encoding=st.sampled_from(SUPPORTED_ENCODINGS),
    half_width=st.integers(1, 17),
    half_height=st.integers(1, 9),
    padding=st.integers(0, 40),
    surplus=st.integers(0, 50),
)
def test_any_size_and_step(encoding, half_width, half_height, padding, surplus):
    width, height = 2 * half_width, 2 * half_height
    picture = np.random.default_rng(half_width).integers(0, 256, (height, width, 3), np.uint8)
    tight = bgr_from_image(message(picture, encoding))
    msg = message(picture, encoding, padding)
    msg.data.frombytes(bytes(surplus))
    padded = bgr_from_image(msg)
    assert padded.shape == (height, width, 3)
    np.testing.assert_array_equal(padded, tight)


@settings(deadline=None, max_examples=200)
@given(
    encoding=st.sampled_from(SUPPORTED_ENCODINGS),
    width=st.integers(0, 12),
    height=st.integers(0, 12),
    step=st.integers(0, 120),
    size=st.integers(0, 1500),
)
def test_a_picture_or_an_image_error_and_nothing_else(encoding, width, height, step, size):
    msg = Image(width=width, height=height, encoding=encoding, step=step)
    msg.data.frombytes(bytes(size))
    try:
        assert bgr_from_image(msg).shape == (height, width, 3)
    except ImageError as error:
        assert len(str(error)) > 40  # found, expected, what to do


@pytest.mark.parametrize('encoding', SUPPORTED_ENCODINGS)
def test_truncated_data(encoding):
    msg = message(colour_patches(), encoding)
    del msg.data[-1]
    with pytest.raises(ImageError, match=f'ends after {len(msg.data)} bytes.*need'):
        bgr_from_image(msg)


def test_the_last_row_may_lack_its_padding():
    picture = colour_patches()
    msg = message(picture, 'bgr8', padding=7)
    del msg.data[-7:]
    np.testing.assert_array_equal(bgr_from_image(msg), picture)


def test_the_largest_size_is_refused_not_overflowed():
    top = 2**32 - 1
    msg = Image(width=top, height=top, encoding='mono8', step=top)
    with pytest.raises(ImageError, match='ends after 0 bytes'):
        bgr_from_image(msg)


@pytest.mark.parametrize(
    ('changes', 'text'),
    [
        ({'encoding': 'h264'}, "encoding is 'h264'; supported are bgr8, rgb8"),
        ({'encoding': ''}, "encoding is ''"),
        ({'encoding': '32FC1'}, "encoding is '32FC1'"),
        ({'width': 0}, '0 x 24 pixels; both must be positive'),
        ({'height': 0}, '32 x 0 pixels; both must be positive'),
        ({'step': 95}, 'step is 95 bytes; a row of 32 pixels in bgr8 has 96'),
        ({'step': 0}, 'step is 0 bytes'),
        ({'height': 25}, 'ends after 2304 bytes.*need 2400'),
        ({'encoding': 'uyvy', 'width': 31}, 'width that is a multiple of 2'),
        ({'encoding': 'nv12', 'height': 23}, 'height that is a multiple of 2'),
    ],
)
def test_bad_images_are_explained(changes, text):
    msg = message(colour_patches(), 'bgr8')
    for field, value in changes.items():
        setattr(msg, field, value)
    with pytest.raises(ImageError, match=text):
        bgr_from_image(msg)


def test_data_that_python_cannot_see_is_explained():
    msg = message(colour_patches(), 'bgr8')

    class DeviceBuffer:
        def __len__(self):
            return 2304

    msg._data = DeviceBuffer()
    with pytest.raises(ImageError, match='DeviceBuffer'):
        bgr_from_image(msg)


@pytest.mark.parametrize('encoding', ['bgr8', 'rgb8', 'mono8'])
def test_there_and_back(encoding):
    picture = colour_patches()
    header = Header(frame_id='camera')
    msg = image_from_bgr(picture, header, encoding)
    assert (msg.width, msg.height, msg.encoding) == (32, 24, encoding)
    assert msg.step == 32 * (1 if encoding == 'mono8' else 3)
    assert len(msg.data) == msg.step * 24 and msg.header == header
    expected = np.repeat(gray_of(picture)[..., None], 3, 2) if encoding == 'mono8' else picture
    np.testing.assert_array_equal(bgr_from_image(msg), expected)


def test_publishing_a_crop_and_a_single_row():
    picture = np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8)
    for crop in (picture[5:20, 7:33], picture[3:4, ::2], picture[:, ::-1]):
        msg = image_from_bgr(crop, Header())
        assert msg.step == crop.shape[1] * 3
        np.testing.assert_array_equal(bgr_from_image(msg), crop)


def test_a_published_image_does_not_change_with_its_picture():
    picture = colour_patches()
    msg = image_from_bgr(picture, Header())
    picture[:] = 0
    np.testing.assert_array_equal(bgr_from_image(msg), colour_patches())


@pytest.mark.parametrize(
    'picture',
    [
        np.zeros((4, 4, 3), np.float32),
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((0, 4, 3), np.uint8),
    ],
)
def test_only_pictures_are_published(picture):
    with pytest.raises(ImageError, match=r'uint8 \[height, width, 3\] is expected'):
        image_from_bgr(picture, Header())


def test_only_known_encodings_are_published():
    with pytest.raises(ImageError, match='one of bgr8, rgb8, mono8 is expected'):
        image_from_bgr(colour_patches(), Header(), 'yuv422')


def compressed(picture, suffix, text):
    ok, data = cv2.imencode(suffix, picture, [cv2.IMWRITE_JPEG_QUALITY, 98])
    assert ok
    msg = CompressedImage(format=text)
    msg.data.frombytes(data.tobytes())
    return msg


def test_png_is_exact_and_jpeg_close():
    picture = colour_patches()
    png = bgr_from_compressed(compressed(picture, '.png', 'bgr8; png compressed bgr8'))
    np.testing.assert_array_equal(png, picture)
    jpeg = bgr_from_compressed(compressed(picture, '.jpg', 'jpeg'))
    assert np.abs(patch_centres(jpeg) - patch_centres(picture)).max() <= 8


def test_gray_and_16_bit_files_become_bgr():
    gray = gray_of(colour_patches())
    for picture in (gray, wide(gray)):
        bgr = bgr_from_compressed(compressed(picture, '.png', 'mono8; png compressed '))
        np.testing.assert_array_equal(bgr, np.repeat(gray[..., None], 3, 2))


def test_rgb_handed_to_the_encoder_for_bgr_is_turned_back():
    picture = colour_patches()
    msg = compressed(picture[..., ::-1], '.png', 'rgb8; png compressed rgb8')
    np.testing.assert_array_equal(bgr_from_compressed(msg), picture)


@pytest.mark.parametrize('text', ['bayer_rggb8; png compressed ', 'bayer_rggb8; png'])
def test_a_compressed_mosaic_is_coloured(text):
    msg = compressed(mosaic_of(colour_patches(), 'rggb'), '.png', text)
    np.testing.assert_array_equal(patch_centres(bgr_from_compressed(msg)), PATCHES)


def test_a_colour_picture_of_a_bayer_camera_is_not_demosaiced_again():
    picture = colour_patches()
    msg = compressed(picture, '.png', 'bayer_rggb8; png compressed bgr8')
    np.testing.assert_array_equal(bgr_from_compressed(msg), picture)


def test_exif_orientation_is_not_applied():
    # camera_info describes the pixels as stored.
    msg = compressed(colour_patches(), '.jpg', 'jpeg')
    exif = b'Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0'
    segment = b'\xff\xe1' + (len(exif) + 2).to_bytes(2, 'big') + exif
    data = bytes(msg.data)
    turned = CompressedImage(format='jpeg')
    turned.data.frombytes(data[:2] + segment + data[2:])
    assert cv2.imdecode(np.frombuffer(turned.data, np.uint8), 1).shape == (32, 24, 3)
    np.testing.assert_array_equal(bgr_from_compressed(turned), bgr_from_compressed(msg))


def test_padding_after_a_jpeg_is_ignored():
    msg = compressed(colour_patches(), '.jpg', 'jpeg')
    whole = bgr_from_compressed(msg)
    msg.data.frombytes(bytes(1000))
    np.testing.assert_array_equal(bgr_from_compressed(msg), whole)


@pytest.mark.parametrize('suffix', ['.jpg', '.png'])
def test_cut_files_are_refused(suffix):
    picture = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    msg = compressed(picture, suffix, 'x')
    del msg.data[len(msg.data) // 2 :]
    with pytest.raises(ImageError, match='cannot be decoded'):
        bgr_from_compressed(msg)


@pytest.mark.parametrize('data', [b'', b'\0' * 100, b'not a picture'])
def test_rubbish_is_refused(data):
    msg = CompressedImage(format='jpeg')
    msg.data.frombytes(data)
    with pytest.raises(ImageError, match=f'{len(data)} bytes'):
        bgr_from_compressed(msg)


def test_depth_is_refused():
    msg = compressed(gray_of(colour_patches()), '.png', '16UC1; compressedDepth png')
    with pytest.raises(ImageError, match='compressedDepth'):
        bgr_from_compressed(msg)
