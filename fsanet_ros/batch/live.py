"""Cameras and streams: no end, and nothing to resume; rows are written as frames come."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from fsanet_ros.batch.estimation_job import load_estimator, misfit_of
from fsanet_ros.batch.head_finder import HeadFinder
from fsanet_ros.batch.inputs import Input
from fsanet_ros.batch.jobs import EstimationSettings
from fsanet_ros.batch.sightings import Follower, SightedFrame, TrackingSettings
from fsanet_ros.files.video import open_frames


def sighted_frames_live(
    one: Input,
    settings: EstimationSettings,
    tracking: TrackingSettings,
    advance: Callable[[int], object],
) -> Iterator[SightedFrame]:
    """
    Yield the frames with their heads, until the stream ends or the camera is gone.

    Times are seconds since the first frame. A frame that comes while another is worked on is left
    out: nothing falls behind.

    :raises VideoError: if the camera or stream does not open
    :raises ValueError: if the calibration is not for its frames
    """
    estimator, camera = load_estimator(settings)
    source: str | int = int(one.address) if one.kind == 'camera' else one.address
    finder = HeadFinder(
        estimator,
        settings.detection_size,
        as_node=settings.as_node,
        mounting_deg=settings.mounting_deg,
    )
    follower = Follower(tracking)
    with open_frames(source) as frames:
        begin_s = time.monotonic()
        for number, image in enumerate(frames):
            time_s = time.monotonic() - begin_s
            if camera is not None and (misfit := misfit_of(camera, image)):
                raise ValueError(f'{settings.calibration}: {misfit}')
            heads = finder.find(image, camera, '', time_s)
            yield SightedFrame(number, time_s, sightings=follower.follow(heads, time_s))
            advance(1)
