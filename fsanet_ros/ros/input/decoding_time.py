"""A camera whose pictures take absurdly long to decode does not hold up the others."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from fsanet_ros.arrays import Image
from fsanet_ros.files.image_layout import ImageError

# Slow boards take 0.1 us a pixel. What takes longer than this is made to.
_MOST_S, _MOST_S_PER_PIXEL = 1.0, 0.5e-6
# Such a camera gets this share of the time.
_SHARE = 0.05


class DecodingTime:
    """
    Watches how long the compressed pictures of one camera take, in the thread that decodes.

    Headers tell how large a picture is, not what else a file has in it: a megabyte of a PNG can
    keep a decoder busy for ten seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.thread_time) -> None:
        """Start with all the time that there is; ``clock``: of the processor, for this thread."""
        self._clock = clock
        self._until_s = -math.inf
        self._took_s = 0.0

    def decode(self, read: Callable[[], Image]) -> Image:
        """
        Return what ``read`` returns.

        :raises ImageError: at once, where a picture took too long lately
        """
        if (left_s := self._until_s - time.monotonic()) > 0.0:
            raise ImageError(
                f'a picture of this camera took {self._took_s:.1f} s to decode: for another '
                f'{left_s:.0f} s none is. Check the camera, and who else publishes there.'
            )
        begin_s, pixels = self._clock(), 0
        try:
            picture = read()
            pixels = picture.shape[0] * picture.shape[1]
        finally:
            self._took_s = self._clock() - begin_s
            if self._took_s > _MOST_S + pixels * _MOST_S_PER_PIXEL:
                self._until_s = time.monotonic() + self._took_s / _SHARE
        return picture
