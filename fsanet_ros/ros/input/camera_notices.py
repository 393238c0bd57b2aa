"""What is odd about a camera's images: a line in the log, once each, and in diagnostics."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

from fsanet_ros.arrays import Image
from fsanet_ros.files.texts import frame_name
from fsanet_ros.types import Head

# So many heads are looked at together; if this share is upside down, the camera is.
_HEADS, _SHARE = 40, 0.8
# How far a head may be tilted and still stand or hang.
_TILT_COSINE = math.cos(math.radians(45.0))
# Pictures are looked at so often, at so many pixels; all within so few grey levels are blank.
_LOOK_S, _STEP_PX, _LEAST_LEVELS = 5.0, 16, 12


class CameraNotices:
    """
    Looks at the frames, heads and pictures of a camera.

    ``take`` returns what is new, for the log; ``problem`` what holds now, for diagnostics.
    """

    def __init__(self) -> None:
        """Start with nothing said."""
        self.frame_id = ''
        self._mounting_deg = 0
        self._said: set[str] = set()
        self._new: list[str] = []
        self._holding: dict[str, str] = {}  # what keeps a camera from full output, by its subject
        self._header_frame: str | None = None
        self._usable_frame = ''
        self._heads = self._upside_down = 0
        self._looked_s = -math.inf
        self._blank = 0

    def take(self) -> Sequence[str]:
        """Return the lines that have not been logged yet."""
        new, self._new = self._new, []
        return new

    @property
    def problem(self) -> str:
        """What keeps this camera from full output, the gravest first, empty if nothing does."""
        about = ('contrast', 'mounting', 'frame')
        return next((self._holding[a] for a in about if a in self._holding), '')

    @property
    def mounting_deg(self) -> int:
        """How far the camera is said to be turned clockwise."""
        return self._mounting_deg

    @mounting_deg.setter
    def mounting_deg(self, degrees: int) -> None:
        if degrees != self._mounting_deg:
            self._mounting_deg = degrees
            self._heads = self._upside_down = 0
            self._holding.pop('mounting', None)

    def frame_of(self, header_frame: str) -> str:
        """
        Return the frame of an image, as TF takes it, empty if nobody knows it.

        ``frame_id`` is that of images that have none.
        """
        if header_frame != self._header_frame:
            self._header_frame = header_frame
            self._usable_frame = frame_name(header_frame)
        frame = self._usable_frame or frame_name(self.frame_id)
        self._hold(
            'frame',
            not frame,
            'the images have no header.frame_id: no frames on /tf. Set it in the camera driver, or '
            'the parameter input.frame_ids',
        )
        return frame

    def look_at_heads(self, heads: Sequence[Head]) -> None:
        """Look whether people stand as ``mounting_deg`` says."""
        angle = math.radians(self.mounting_deg)
        right, down = math.sin(angle), math.cos(angle)  # where chins are, in the picture
        for head in heads:
            if head.rotation_known:
                x, y = head.rotation_optical[:2, 1].tolist()
                self._heads += 1
                self._upside_down += x * right + y * down < -_TILT_COSINE
        if self._heads < _HEADS:
            return
        meant = (self.mounting_deg + 180) % 360
        self._hold(
            'mounting',
            self._upside_down > _SHARE * self._heads,
            'most faces are upside down: if the camera is mounted so, set the parameter '
            f'input.mounting_deg to {meant}',
        )
        self._heads = self._upside_down = 0

    def look_at_picture(self, picture: Image, significant_bits: int) -> None:
        """
        Look now and then whether anything can be seen in a picture, uint8 [h, w, 3] BGR.

        :param significant_bits: of its samples; 16 unless the camera uses fewer of them
        """
        now_s = time.monotonic()
        if now_s - self._looked_s < _LOOK_S:
            return
        self._looked_s = now_s
        if significant_bits not in (0, 16):
            self._say(
                'bits',
                f'the samples of 16 bits have {significant_bits} that are used: taken for all of '
                'the brightness',
            )
        few = picture[::_STEP_PX, ::_STEP_PX]
        low, high = int(few.min()), int(few.max())
        self._blank = self._blank + 1 if high - low < _LEAST_LEVELS else 0
        self._hold(
            'contrast',
            self._blank > 1,
            f'the images have no contrast (all values are {low} to {high} of 255): no face can be '
            'found. Check lens cap, exposure and encoding',
        )

    def _hold(self, about: str, holds: bool, text: str) -> None:
        if holds:
            self._holding[about] = text
            self._say(about, text)
        else:
            self._holding.pop(about, None)

    def _say(self, about: str, text: str) -> None:
        if about not in self._said:
            self._said.add(about)
            self._new.append(text)
