"""
Pictures out of messages: sensor_msgs/Image and CompressedImage to BGR.

Written without cv_bridge, which needs a ROS installation: without a copy where none is needed, and
with any NumPy.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from fsanet_ros.arrays import Image
from fsanet_ros.files.image_layout import (
    CompressedImageMessage,
    ImageError,
    ImageMessage,
    bytes_of,
    check_pixels,
    check_size,
    checked_bytes,
)
from fsanet_ros.files.picture_sizes import (
    MAX_PIXELS,
    is_measured_reliably,
    size_of_picture,
)
from fsanet_ros.files.texts import shortened

_Pixels = NDArray[np.uint8]

# BT.601, studio range (Y 16..235): what OpenCV uses for the other YUV formats. Rows B, G, R;
# columns Y, U, V and the constant.
_BGR_FROM_YUV = np.array(
    [
        [1.164, 2.018, 0.0, -16 * 1.164 - 128 * 2.018],
        [1.164, -0.391, -0.813, -16 * 1.164 + 128 * (0.391 + 0.813)],
        [1.164, 0.0, 1.596, -16 * 1.164 - 128 * 1.596],
    ]
)


@dataclass(frozen=True)
class _Encoding:
    """
    How the pixels of an encoding lie in memory and what makes BGR of them.

    ``channels`` samples per pixel, of ``sample_bytes`` each. ``to_bgr`` takes uint8 [h, w] or
    [h, w, channels]; None says that the pixels are BGR as they are. The rows of all planes
    together are ``half_heights`` halves of the picture's height (NV12: 3). The picture's width
    and height have to be multiples of ``multiple``.
    """

    channels: int
    to_bgr: Callable[[_Pixels], Image] | None
    sample_bytes: int = 1
    half_heights: int = 2
    multiple: tuple[int, int] = (1, 1)


def _convert(code: int) -> Callable[[_Pixels], Image]:
    return lambda pixels: cv2.cvtColor(pixels, code)


def _drop_padding_bytes(pixels: _Pixels) -> Image:
    return np.ascontiguousarray(pixels)


def _bgr_from_nv24(planes: _Pixels) -> Image:
    # Full-size chroma follows the luma: a row of U, V pairs takes two steps.
    height, width = planes.shape[0] // 3, planes.shape[1]
    step = planes.strides[0]
    chroma = as_strided(planes[height:], (height, width, 2), (2 * step, 2, 1))
    return cv2.transform(np.dstack([planes[:height], chroma]), _BGR_FROM_YUV)


_GRAY = _convert(cv2.COLOR_GRAY2BGR)
_RGB = _convert(cv2.COLOR_RGB2BGR)
_BGRA = _convert(cv2.COLOR_BGRA2BGR)
_RGBA = _convert(cv2.COLOR_RGBA2BGR)

# ROS names a Bayer pattern after the first two pixels of the first and the second row, OpenCV
# after the second and third pixel of the second row: RGGB is OpenCV's BG.
_BAYER = {
    'bayer_rggb': _convert(cv2.COLOR_BayerBG2BGR),
    'bayer_bggr': _convert(cv2.COLOR_BayerRG2BGR),
    'bayer_gbrg': _convert(cv2.COLOR_BayerGR2BGR),
    'bayer_grbg': _convert(cv2.COLOR_BayerGB2BGR),
}

_UYVY = _Encoding(2, _convert(cv2.COLOR_YUV2BGR_UYVY), multiple=(2, 1))
_YUYV = _Encoding(2, _convert(cv2.COLOR_YUV2BGR_YUYV), multiple=(2, 1))

# The names are those of sensor_msgs/image_encodings.hpp. 'uyvy' and 'yuyv' came after Humble,
# 'nv12' after Kilted; drivers used them before. The generic OpenCV types are read in OpenCV's
# channel order.
_ENCODINGS = {
    'bgr8': _Encoding(3, None),
    'rgb8': _Encoding(3, _RGB),
    'bgra8': _Encoding(4, _BGRA),
    'rgba8': _Encoding(4, _RGBA),
    'mono8': _Encoding(1, _GRAY),
    'bgr16': _Encoding(3, _drop_padding_bytes, 2),
    'rgb16': _Encoding(3, _RGB, 2),
    'bgra16': _Encoding(4, _BGRA, 2),
    'rgba16': _Encoding(4, _RGBA, 2),
    'mono16': _Encoding(1, _GRAY, 2),
    '8UC1': _Encoding(1, _GRAY),
    '8UC3': _Encoding(3, None),
    '8UC4': _Encoding(4, _BGRA),
    '16UC1': _Encoding(1, _GRAY, 2),
    '16UC3': _Encoding(3, _drop_padding_bytes, 2),
    '16UC4': _Encoding(4, _BGRA, 2),
    'uyvy': _UYVY,
    'yuv422': _UYVY,
    'yuyv': _YUYV,
    'yuv422_yuy2': _YUYV,
    'nv12': _Encoding(1, _convert(cv2.COLOR_YUV2BGR_NV12), half_heights=3, multiple=(2, 2)),
    'nv21': _Encoding(1, _convert(cv2.COLOR_YUV2BGR_NV21), half_heights=3, multiple=(2, 2)),
    'nv24': _Encoding(1, _bgr_from_nv24, half_heights=6),
    **{f'{name}8': _Encoding(1, to_bgr) for name, to_bgr in _BAYER.items()},
    **{f'{name}16': _Encoding(1, to_bgr, 2) for name, to_bgr in _BAYER.items()},
}

SUPPORTED_ENCODINGS = tuple(_ENCODINGS)
"""The values of sensor_msgs/Image.encoding that :func:`bgr_from_image` reads."""


class SignificantBits:
    """
    How many bits of 16-bit samples a camera uses: 8, 10, 12, 14 or 16, by its largest sample.

    They never become fewer: the brightness of a face does not change with what else is in view.
    """

    def __init__(self) -> None:
        """Start before the first picture."""
        self.bits = 0

    def eight(self, samples: NDArray[np.uint16]) -> _Pixels:
        """Return the upper eight of the bits that are used, of samples of any shape."""
        if self.bits < 16:
            used = int(samples.max()).bit_length()
            self.bits = max(self.bits, 8, used + used % 2)
        return (samples >> (self.bits - 8)).astype(np.uint8)


def bgr_from_image(
    msg: ImageMessage, max_pixels: int = MAX_PIXELS, bits: SignificantBits | None = None
) -> Image:
    """
    Return the picture of a sensor_msgs/Image as BGR, uint8 [height, width, 3].

    For bgr8 and 8UC3 the result is a read-only view of the message's bytes, padded rows
    included: nothing is copied. Bytes after the last row are ignored.

    Cameras with 10, 12 or 14 bits put these into 16: what their largest sample says is taken for
    the full range. Stretching each picture to its own minimum and maximum would change the
    brightness of a face whenever something else comes into view.

    :param bits: of the camera, over all its images; None: of this image alone
    :raises ImageError: if it does not know the encoding, if size, step and length of the data do
        not fit together, or above max_pixels
    """
    encoding = _ENCODINGS.get(msg.encoding)
    if encoding is None:
        raise ImageError(
            f"the image's encoding is {shortened(msg.encoding, 40)!r}; supported are "
            f'{", ".join(SUPPORTED_ENCODINGS)}. Set one of them in the camera driver or put '
            'image_proc in between.'
        )
    pixels = _pixels(msg, encoding, bits or SignificantBits())
    check_pixels(msg.width, msg.height, max_pixels)
    return pixels if encoding.to_bgr is None else encoding.to_bgr(pixels)


def _pixels(msg: ImageMessage, encoding: _Encoding, bits: SignificantBits) -> _Pixels:
    """
    Return the samples of an image, uint8 [rows, width(, channels)].

    A read-only view of the message, but for those of 16 bits.
    """
    check_size(msg, name='image')
    width, height = msg.width, msg.height
    multiple_x, multiple_y = encoding.multiple
    if width % multiple_x or height % multiple_y:
        raise ImageError(
            f'the image is {width} x {height} pixels; {msg.encoding} shares colours between '
            f'neighbours and needs a width that is a multiple of {multiple_x} and a height that '
            f'is a multiple of {multiple_y}. Change the size in the camera driver.'
        )
    rows = height * encoding.half_heights // 2
    row_bytes = width * encoding.channels * encoding.sample_bytes
    data = checked_bytes(msg, name='image', row_bytes=row_bytes, rows=rows)
    kind = np.uint8 if encoding.sample_bytes == 1 else '>u2' if msg.is_bigendian else '<u2'
    samples = np.ndarray(
        (rows, width, encoding.channels),
        kind,
        data,
        strides=(msg.step, row_bytes // width, encoding.sample_bytes),
    )
    pixels = samples if encoding.sample_bytes == 1 else bits.eight(samples)
    return pixels[..., 0] if encoding.channels == 1 else pixels


def bgr_from_compressed(
    msg: CompressedImageMessage, max_pixels: int = MAX_PIXELS, bits: SignificantBits | None = None
) -> Image:
    """
    Return the picture of a sensor_msgs/CompressedImage (JPEG, PNG ...), uint8 [h, w, 3] BGR.

    An orientation in EXIF data is not applied: camera_info describes the pixels as stored. What
    is not sure to take as long as its header says, such as AVIF, is not decoded.

    :param bits: see bgr_from_image
    :raises ImageError: if OpenCV cannot decode it; above max_pixels, by its header and before it
        is decoded
    """
    stored_as, _, compression = msg.format.partition(';')
    mosaic = _BAYER.get(stored_as.strip().rstrip('0123456789'))
    mode = cv2.IMREAD_GRAYSCALE if mosaic and 'bgr' not in compression else cv2.IMREAD_COLOR
    # Whatever the format says: of 12 bits in 16, OpenCV alone leaves the upper eight, a black
    # picture.
    mode |= cv2.IMREAD_ANYDEPTH
    data = bytes_of(msg.data)
    picture = None
    size = size_of_picture(data.data) if is_measured_reliably(data.data) else None
    if size is not None and 'compressedDepth' not in msg.format and not _is_cut_jpeg(data):
        check_pixels(*size, max_pixels)
        with contextlib.suppress(cv2.error):
            picture = cv2.imdecode(data, mode | cv2.IMREAD_IGNORE_ORIENTATION)
    if picture is None or picture.dtype not in (np.uint8, np.uint16):
        raise ImageError(
            f'the compressed image (format {shortened(msg.format, 80)!r}, {data.size} bytes) '
            'cannot be decoded; '
            'a whole JPEG or PNG file is expected. Check that the topic is .../compressed, not '
            '.../compressedDepth or a video stream, and that the camera is healthy.'
        )
    if picture.dtype == np.uint16:
        picture = (bits or SignificantBits()).eight(picture)
    if mosaic and picture.ndim == 2:
        return mosaic(picture)
    # As in compressed_image_transport: the encoder was handed RGB for BGR.
    if 'compressed rgb' in compression:
        return _RGB(picture)
    return picture


def _is_cut_jpeg(data: NDArray[np.uint8]) -> bool:
    # OpenCV fills what is missing with grey and says nothing to the caller. Searched for from
    # the end, because cameras pad with zeros after the end marker.
    content = data.tobytes()
    return content.startswith(b'\xff\xd8') and content.rfind(b'\xff\xd9') < 0
