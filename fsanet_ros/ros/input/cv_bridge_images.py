"""
cv_bridge as the reader of encodings that images.py does not know.

It is part of ROS installations and not on PyPI; its binaries fail with another major version of
NumPy than they were built with, and an old package of that name decodes 16-bit images wrongly. So
it is imported when the first such image comes, and used only if it reads a known picture right.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import Image


def bgr_from_cv_bridge(msg: Image) -> NDArray[np.uint8] | None:
    """Return the picture as BGR, uint8 [height, width, 3]; None if cv_bridge cannot say."""
    bridge = working_cv_bridge()
    if bridge is None:
        return None
    try:
        picture = np.asarray(bridge.imgmsg_to_cv2(msg, 'bgr8'))
    except Exception:  # CvBridgeError, or whatever else its binaries raise
        return None
    fits = picture.dtype == np.uint8 and picture.shape == (msg.height, msg.width, 3)
    return picture if fits and picture.size else None


@lru_cache(maxsize=1)
def working_cv_bridge() -> Any | None:
    """Return a CvBridge, None where there is none that works."""
    levels = np.array([[0, 17, 51], [204, 255, 102]], np.uint8)  # R, G, B of two pixels
    msg = Image(width=2, height=1, encoding='rgb16', step=12)
    msg.data.frombytes((levels.astype('<u2') * 257).tobytes())
    try:
        from cv_bridge import CvBridge

        bridge = CvBridge()
        read = np.asarray(bridge.imgmsg_to_cv2(msg, 'bgr8'))
    except Exception:
        return None
    return bridge if np.array_equal(read, levels[None, :, ::-1]) else None
