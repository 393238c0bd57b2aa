"""
The work cut into jobs: a few pictures, or some seconds of a video or bag.

How it is cut depends on the inputs alone, not on who works on it, so that one machine and a
hundred give the same numbers.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby

from fsanet_ros import __version__
from fsanet_ros.batch.inputs import LIVE, Input
from fsanet_ros.batch.readers import Extent, ReadError, extent_of

PICTURES_PER_JOB = 32
SECONDS_PER_JOB = 10.0


@dataclass(frozen=True)
class Job:
    """
    Some pictures, or the part of a video or bag from ``begin_s`` up to but without ``end_s``.

    ``frames``: how many there are, as far as it is known beforehand, for the progress shown.
    """

    inputs: tuple[Input, ...]
    begin_s: float = 0.0
    end_s: float = float('inf')
    frames: int = 1

    def key(self, settings: str) -> str:
        """Return a name that another job, other settings or a changed file do not have."""
        files = []
        for one in self.inputs:
            try:
                status = os.stat(one.address)
                files.append((one.address, status.st_size, status.st_mtime_ns))
            except OSError:
                files.append((one.address, -1, -1))
        said = json.dumps([files, self.begin_s, self.end_s, settings])
        return hashlib.sha256(said.encode('utf-8', 'backslashreplace')).hexdigest()[:32]


@dataclass(frozen=True)
class EstimationSettings:
    """
    What decides the heads of a frame; see HeadPoseEstimator.

    ``calibration``: a file of camera_calibration, empty for none; bags have their camera_info.
    ``image_topics``: of a bag; none: all. ``as_node``: faces are searched for and followed as the
    node does by default, see HeadFinder. ``mounting_deg``: see estimator.View.
    """

    detector: str = 'auto'
    detector_model: str = ''
    detection_size: int = 480
    weights: str = 'fsanet_1x1'
    mirror: bool = True
    calibration: str = ''
    image_topics: tuple[str, ...] = ()
    as_node: bool = False
    mounting_deg: int = 0

    def fingerprint(self) -> str:
        """Return the settings and the version, on which results depend, as one text."""
        return json.dumps([__version__, asdict(self)], sort_keys=True)


def jobs_of(inputs: Sequence[Input], whole: bool = False) -> Iterator[Job | tuple[Input, str]]:
    """
    Cut the inputs into jobs, in their order; yield an input and the reason where it can't be read.

    Cameras and streams, which have no end, are left out.

    :param whole: leave videos and bags whole
    """
    for is_picture, group in groupby(inputs, key=lambda one: one.kind == 'picture'):
        if is_picture:
            pictures = list(group)
            for begin in range(0, len(pictures), PICTURES_PER_JOB):
                some = tuple(pictures[begin : begin + PICTURES_PER_JOB])
                yield Job(some, frames=len(some))
        else:
            for one in group:
                if one.kind not in LIVE:
                    yield from _parts_of(one, whole)


def _parts_of(one: Input, whole: bool) -> Iterator[Job | tuple[Input, str]]:
    try:
        extent: Extent = extent_of(one)
    except ReadError as error:
        yield one, str(error)
        return
    is_cut = extent.seekable and not whole
    count = max(1, int(extent.duration_s // SECONDS_PER_JOB)) if is_cut else 1
    # The last part has no end: what a container says of its length is often a little short.
    begins = [extent.begin_s + i * SECONDS_PER_JOB for i in range(count)]
    ends = [*begins[1:], float('inf')]
    for begin_s, end_s in zip(begins, ends, strict=True):
        seconds = min(end_s, extent.begin_s + extent.duration_s) - begin_s
        first = begin_s if begin_s > extent.begin_s else -float('inf')
        yield Job((one,), first, end_s, max(1, round(seconds * extent.rate_hz)))
