"""sensor_msgs/Image of a depth camera (REP-118), as an array without a copy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import Image

from fsanet_ros.files.image_layout import (
    ImageError,
    check_pixels,
    check_size,
    checked_bytes,
)
from fsanet_ros.files.picture_sizes import MAX_PIXELS
from fsanet_ros.files.texts import shortened

# OpenNI's drivers and their heirs name millimetres mono16.
_SAMPLES = {'16UC1': 'u2', 'mono16': 'u2', '32FC1': 'f4'}

SUPPORTED_DEPTH_ENCODINGS = tuple(_SAMPLES)
"""The values of sensor_msgs/Image.encoding that :func:`depth_from_image` reads."""


def depth_from_image(
    message: Image, max_pixels: int = MAX_PIXELS
) -> NDArray[np.uint16] | NDArray[np.float32]:
    """
    Return the depth of a sensor_msgs/Image as a read-only view of its bytes, [height, width].

    16UC1 and mono16 give uint16, millimetres; 32FC1 gives float32, metres; with the dtype of the
    message's byte order. Nothing is copied or converted, padded rows included; bytes after the
    last row are ignored.

    Raises ImageError for another encoding, for sizes, step and length of the data that do not fit
    together, and above max_pixels.
    """
    sample = _SAMPLES.get(message.encoding)
    if sample is None:
        raise ImageError(
            f"the depth image's encoding is {shortened(message.encoding, 40)!r}; supported are "
            f'{", ".join(_SAMPLES)}. Use the topic of the uncompressed depth image that is aligned '
            'with the colour image.'
        )
    dtype = np.dtype(sample).newbyteorder('>' if message.is_bigendian else '<')
    check_size(message, name='depth image')
    data = checked_bytes(
        message,
        name='depth image',
        row_bytes=message.width * dtype.itemsize,
        rows=message.height,
    )
    check_pixels(message.width, message.height, max_pixels)
    shape, strides = (message.height, message.width), (message.step, dtype.itemsize)
    return np.ndarray(shape, dtype, data, strides=strides)
