"""sensor_msgs/Image of a depth camera (REP-118), as an array without a copy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import Image

from fsanet_ros.ros.input.images import ImageError, bytes_of

# OpenNI's drivers and their heirs name millimetres mono16.
_SAMPLES = {'16UC1': 'u2', 'mono16': 'u2', '32FC1': 'f4'}

SUPPORTED_DEPTH_ENCODINGS = tuple(_SAMPLES)
"""The values of sensor_msgs/Image.encoding that :func:`depth_from_image` reads."""


def depth_from_image(message: Image) -> NDArray[np.uint16] | NDArray[np.float32]:
    """
    Return the depth of a sensor_msgs/Image as a read-only view of its bytes, [height, width].

    16UC1 and mono16 give uint16, millimetres; 32FC1 gives float32, metres; with the dtype of the
    message's byte order. Nothing is copied or converted, padded rows included; bytes after the
    last row are ignored.

    Raises ImageError for another encoding and for sizes, step and length of the data that do not
    fit together.
    """
    sample = _SAMPLES.get(message.encoding)
    if sample is None:
        raise ImageError(
            f"the depth image's encoding is {message.encoding!r}; supported are "
            f'{", ".join(_SAMPLES)}. Take the topic of the depth image that is aligned with the '
            'colour image, uncompressed.'
        )
    dtype = np.dtype(sample).newbyteorder('>' if message.is_bigendian else '<')
    width, height, step = message.width, message.height, message.step
    if width == 0 or height == 0:
        raise ImageError(
            f'the depth image is {width} x {height} pixels; both must be positive. '
            'Check the camera driver.'
        )
    row_bytes = width * dtype.itemsize
    if step < row_bytes:
        raise ImageError(
            f"the depth image's step is {step} bytes; a row of {width} pixels in "
            f'{message.encoding} has {row_bytes}. The publisher has to fill in step, width and '
            'encoding as they are.'
        )
    data = bytes_of(message.data)
    needed = step * (height - 1) + row_bytes  # the last row may come without its padding
    if data.size < needed:
        raise ImageError(
            f"the depth image's data ends after {data.size} bytes; {width} x {height} pixels in "
            f'{message.encoding} with a step of {step} need {step * height}. '
            'The publisher truncates it, or its height or step is wrong.'
        )
    return np.ndarray((height, width), dtype, data, strides=(step, dtype.itemsize))
