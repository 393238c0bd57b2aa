"""Images of a rosbag2 recording, read by the package rosbags; needs no ROS."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any


def extent(path: str) -> tuple[float, float, float, bool]:
    """Return begin and duration in seconds, the rate in Hz, and whether parts can be read."""
    raise ValueError(f'{path}: bags are not read yet')


def frames(path: str, begin_s: float, end_s: float, topics: Sequence[str]) -> Iterator[Any]:
    """Yield the images of a part of a bag."""
    raise ValueError(f'{path}: bags are not read yet')
