"""What was found once, by target: tried in every run of the tests."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

# A BMP of 1,326 x 18 pixels, its width damaged: OpenCV raises instead of returning nothing.
_WIDE_BMP = (
    b'BMF\x05\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\x18\0\x10\0\x12\0\0\0\x01\0\x18\0' + b'\xe1' * 900
)

# A PNG of 24 x 18 pixels with a chunk of 4 GB, for which OpenCV 5 makes room.
_HUGE_CHUNK = (
    b'\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x18\0\0\0\x12\x08\x02\0\0\0\0\0\0\0\xff\xff\xff\xf0IDAT'
    + b'abc' * 900
)
# A TIFF that says nothing of its size.
_TIFF = b'II*\0\x08\0\0\0\x01\0\x00\x02\x03\0\x01\0\0\0\x08\0\0\0' + b'\0' * 40

KEPT: dict[str, list[Any]] = {
    'compressed images': [
        SimpleNamespace(format='jpeg', data=data) for data in (_WIDE_BMP, _HUGE_CHUNK, _TIFF)
    ],
    'pictures': [_WIDE_BMP, _HUGE_CHUNK, _TIFF],
    # Signalling NaN.
    'depth images': [
        SimpleNamespace(
            width=16,
            height=16,
            encoding='32FC1',
            is_bigendian=0,
            step=64,
            data=b'\x01\0\x80\x7f' * 256,
        )
    ],
    # A coefficient whose square is beyond all numbers.
    'camera_info': [
        [(3, 0, -1.333601637316392e154, 0)],
        [(12, 0, math.nan, 0)],
        # A coefficient that leads all pixels to the axis.
        [(3, 4, 1.9859876199511945e303, 0)],
        [(3, 4, 1e5, 0)],
    ],
    'parameters': [('attention.angle_deg', None, ''), ('network.threads', 'many', '')],
}
