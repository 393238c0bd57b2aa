"""Frames of pictures, videos and bags, one after the other; what is damaged is stepped over."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from fsanet_ros.batch import bag_frames, video_frames
from fsanet_ros.batch.inputs import Input
from fsanet_ros.files.pictures import MAX_PIXELS, PictureError, read_picture
from fsanet_ros.geometry.camera import CameraModel
from fsanet_ros.types import Image


class ReadError(ValueError):
    """An input that can't be read at all; the text says why."""


@dataclass(frozen=True, eq=False)
class Frame:
    """
    One frame of an input, uint8 [h, w, 3] BGR, or why there is none.

    ``time_s``: since the begin of a video, the stamp in a bag, NaN for a picture. Of a bag:
    ``topic``, ``frame_id``, the stamp and when it was recorded in nanoseconds, ``camera``, as
    camera_info says, or why that cannot be used.
    """

    image: Image | None
    time_s: float = math.nan
    topic: str = ''
    frame_id: str = ''
    stamp_ns: int = 0
    recorded_ns: int = 0
    camera: CameraModel | None = None
    calibration_problem: str = ''
    problem: str = ''


@dataclass(frozen=True)
class Extent:
    """Where an input begins and how long it is, in seconds, and whether parts of it can be read."""

    begin_s: float
    duration_s: float
    rate_hz: float
    seekable: bool


def extent_of(one: Input) -> Extent:
    """
    Look into a video or bag.

    :raises ReadError: if it cannot be opened
    """
    look = bag_frames.extent if one.kind == 'bag' else video_frames.extent
    try:
        return Extent(*look(one.address))
    except (ValueError, OSError) as error:
        raise ReadError(str(error)) from error


def pictures(inputs: Sequence[Input], max_pixels: int = MAX_PIXELS) -> Iterator[Frame]:
    """Yield a frame for each picture, also for those that cannot be read."""
    for one in inputs:
        try:
            yield Frame(read_picture(one.address, max_pixels))
        except PictureError as error:
            yield Frame(None, problem=str(error))
        except OSError as error:
            yield Frame(None, problem=error.strerror or str(error))
