"""Frames of the package's clip, and videos made of them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import cv2
import numpy as np

from fsanet_ros.demo import CLIP
from fsanet_ros.files.video import open_frames


def clip_frames(count: int, every: int = 1) -> list[np.ndarray]:
    """Return the first frames, uint8 [480, 640, 3] BGR, or with a step every second and so on."""
    with open_frames(CLIP) as frames:
        return list(islice(frames, 0, count * every, every))


def write_video(path: Path, frames: Sequence[np.ndarray], rate_hz: float = 30.0) -> None:
    """Write frames of one size as a video that OpenCV and PyAV read."""
    height, width = frames[0].shape[:2]
    code = cv2.VideoWriter.fourcc(*'mp4v')
    writer = cv2.VideoWriter(str(path), code, rate_hz, (width, height))
    for frame in frames:
        writer.write(frame)
    writer.release()
