"""
Pictures in and out of ROS messages: sensor_msgs/Image to BGR and back.

The usual encodings are read by files/image_messages.py; those that it does not know are left to
cv_bridge, where that is installed and works.
"""

from __future__ import annotations

import cv2
import numpy as np
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from fsanet_ros.arrays import Image as BgrImage
from fsanet_ros.files import image_messages
from fsanet_ros.files.image_layout import ImageError
from fsanet_ros.files.image_messages import SUPPORTED_ENCODINGS, SignificantBits
from fsanet_ros.files.picture_sizes import MAX_PIXELS
from fsanet_ros.ros.input.cv_bridge_images import bgr_from_cv_bridge


def bgr_from_image(
    msg: Image, max_pixels: int = MAX_PIXELS, bits: SignificantBits | None = None
) -> BgrImage:
    """
    Return the picture of a sensor_msgs/Image as BGR, uint8 [height, width, 3].

    See image_messages.bgr_from_image. An encoding that is not in SUPPORTED_ENCODINGS is left to
    cv_bridge, if there is one.

    :raises ImageError: if nobody knows the encoding, if size, step and length of the data do not
        fit together, or above max_pixels
    """
    if msg.encoding not in SUPPORTED_ENCODINGS and msg.width * msg.height <= max_pixels:
        picture = bgr_from_cv_bridge(msg)
        if picture is not None:
            return picture
    return image_messages.bgr_from_image(msg, max_pixels, bits)


_FROM_BGR = {'bgr8': None, 'rgb8': cv2.COLOR_BGR2RGB, 'mono8': cv2.COLOR_BGR2GRAY}


def image_from_bgr(bgr: BgrImage, header: Header, encoding: str = 'bgr8') -> Image:
    """
    Make a sensor_msgs/Image of a BGR picture, uint8 [h, w, 3], in bgr8, rgb8 or mono8.

    Raises ImageError for another array or encoding.
    """
    if bgr.dtype != np.uint8 or bgr.ndim != 3 or bgr.shape[2] != 3 or bgr.size == 0:
        raise ImageError(
            f'the picture is {bgr.dtype} {list(bgr.shape)}; uint8 [height, width, 3] is expected.'
        )
    if encoding not in _FROM_BGR:
        raise ImageError(
            f'the encoding is {encoding!r}; one of {", ".join(_FROM_BGR)} is expected.'
        )
    code = _FROM_BGR[encoding]
    pixels = np.ascontiguousarray(bgr) if code is None else cv2.cvtColor(bgr, code)
    msg = Image(header=header, encoding=encoding, is_bigendian=0)
    msg.height, msg.width = pixels.shape[:2]
    msg.step = pixels.nbytes // msg.height
    # Filling the array in place is one memcpy. The setter would copy once more or, for anything
    # but an array.array, look at every byte in Python.
    msg.data.frombytes(pixels.data)
    return msg
