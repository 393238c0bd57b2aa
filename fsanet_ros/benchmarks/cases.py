"""Which pictures speed is measured on: their size, how many faces, how they are sent."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

TRANSPORTS = ('raw', 'jpeg')


@dataclass(frozen=True)
class Case:
    """
    One kind of picture.

    ``width``, ``height``: in pixels. ``transport``: raw (sensor_msgs/Image, bgr8) or jpeg
    (sensor_msgs/CompressedImage).
    """

    width: int
    height: int
    faces: int
    transport: str = 'raw'

    def __post_init__(self) -> None:
        """
        Check the values.

        :raises ValueError: if one is not possible
        """
        if self.transport not in TRANSPORTS:
            raise ValueError(
                f'the transport is {self.transport!r}, expected {" or ".join(TRANSPORTS)}'
            )
        if min(self.width, self.height) < 64 or self.faces < 0:
            raise ValueError(
                f'{self.faces} faces in {self.width} x {self.height} pixels: expected 0 faces or '
                'more in at least 64 x 64'
            )

    @property
    def name(self) -> str:
        """The case for people and files, as in ``640x480 raw, 1 face``."""
        noun = 'face' if self.faces == 1 else 'faces'
        return f'{self.width}x{self.height} {self.transport}, {self.faces} {noun}'


DEFAULT_CASES = (
    Case(640, 480, 0),
    Case(640, 480, 1),
    Case(640, 480, 4),
    Case(640, 480, 7),
    Case(640, 480, 1, 'jpeg'),
    Case(1280, 720, 4),
    Case(1280, 720, 16),
    Case(1920, 1080, 16),
)
ALL_CASES = tuple(
    Case(width, height, faces, transport)
    for width, height in ((640, 480), (1280, 720), (1920, 1080))
    for transport in TRANSPORTS
    for faces in (0, 1, 4, 7, 16)
)


def choose(parts: Iterable[str]) -> Sequence[Case]:
    """
    Return the cases whose name contains one of the texts; without any, the default ones.

    A text that is in no default case is looked for in all of them: three sizes, raw and jpeg,
    0, 1, 4, 7 and 16 faces.

    :raises ValueError: if a text is in none, with the names that there are
    """
    chosen: dict[Case, None] = {}
    parts = list(parts)
    for part in parts:
        found = [c for c in DEFAULT_CASES if part in c.name]
        found = found or [c for c in ALL_CASES if part in c.name]
        if not found:
            names = '; '.join(case.name for case in ALL_CASES)
            raise ValueError(f'no case has {part!r} in its name. There are: {names}')
        chosen.update(dict.fromkeys(found))
    return tuple(chosen) if parts else DEFAULT_CASES
