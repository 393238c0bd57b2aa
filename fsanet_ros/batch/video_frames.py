"""
Frames of a video with their times: by PyAV, which seeks to the frame, or else by OpenCV.

Times are the container's, so a variable rate is right; frames are turned as the container says.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import cv2
import numpy as np

from fsanet_ros.arrays import Image

try:
    import av
except ImportError:  # the extra "video"; OpenCV reads videos too, as a whole
    av = None

# A frame that is repeated to fill a rate has nearly the time of the one before.
_EPS_S = 1e-6
_DEFAULT_RATE_HZ = 25.0
# Of what a container promises: with fewer frames it was cut off, or is damaged.
_LEAST_SHARE = 0.98


class VideoFrame(NamedTuple):
    """A decoded frame, or None and why there is none; its time in seconds since the begin."""

    image: Image | None
    time_s: float
    problem: str = ''


def extent(path: str) -> tuple[float, float, float, bool]:
    """
    Return begin and duration in seconds, the rate in Hz, and whether parts can be read.

    :raises ValueError: if it is no video, or holds not one frame
    :raises OSError: if it cannot be read
    """
    if av is None:
        return _extent_by_opencv(path)
    with _opened(path) as (container, stream):
        duration_s = _duration_s(container, stream)
        rate_hz = float(stream.average_rate or stream.guessed_rate or _DEFAULT_RATE_HZ)
        seekable = duration_s > 0 and container.format.name not in ('image2', 'mjpeg')
        return 0.0, duration_s, rate_hz, seekable


def frames(path: str, begin_s: float, end_s: float, max_pixels: int) -> Iterator[VideoFrame]:
    """
    Yield the frames from begin_s up to but without end_s.

    Frames that cannot be decoded come as None with a reason, one for each place where something is
    missing.

    :param begin_s: -inf for the begin
    :param end_s: inf for the end; then a video that is shorter than it says ends with a problem
    :raises ValueError: if it is no video
    """
    if av is None:
        yield from _frames_by_opencv(path, max_pixels)
        return
    with _opened(path) as (container, stream):
        _check_size(stream.width, stream.height, max_pixels)
        if math.isfinite(begin_s):
            _seek(container, stream, begin_s)
        last_s = -math.inf
        for frame in _decoded(container, stream):
            if isinstance(frame, str):
                yield VideoFrame(None, math.nan, frame)
                continue
            time_s = _time_s(frame, stream, last_s)
            if time_s >= end_s - _EPS_S:
                return
            last_s = time_s
            if time_s >= begin_s - _EPS_S:
                yield VideoFrame(_upright(frame), time_s)
        promised_s = _duration_s(container, stream)
        if not math.isfinite(end_s) and max(last_s, 0.0) < _LEAST_SHARE * promised_s - 0.5:
            reached = max(last_s, 0.0)
            text = f'it ends after {reached:.1f} of {promised_s:.1f} s: cut off or damaged'
            yield VideoFrame(None, math.nan, text)


class _opened:
    """The container and its first video stream, closed at the end of a with block."""

    def __init__(self, path: str) -> None:
        self._path = path

    def __enter__(self) -> tuple[Any, Any]:
        try:
            self._container = av.open(self._path, metadata_errors='replace')
        except av.error.FFmpegError as error:
            reason = error.strerror or type(error).__name__
            raise ValueError(f'not a video that can be decoded ({reason})') from error
        videos = self._container.streams.video
        if not videos:
            self._container.close()
            raise ValueError('holds no video stream')
        stream = videos[0]
        stream.thread_type = 'NONE'  # the jobs share the cores
        return self._container, stream

    def __exit__(self, *_: object) -> None:
        self._container.close()


def _decoded(container: Any, stream: Any) -> Iterator[Any]:
    """Yield frames, and a text where something could not be decoded."""
    packets = container.demux(stream)
    broken = False  # one text for a run of packets that belong to one damaged place
    while True:
        try:
            packet = next(packets)
        except StopIteration:
            return
        except av.error.FFmpegError as error:
            yield f'the file is damaged from here on ({error.strerror})'
            return
        try:
            decoded = packet.decode()
        except av.error.FFmpegError as error:
            if not broken:
                yield f'a damaged frame ({error.strerror})'
            broken = True
            continue
        for frame in decoded:
            broken = False
            yield frame


def _seek(container: Any, stream: Any, begin_s: float) -> None:
    """Go to a key frame at or before a time; to the begin where a container cannot."""
    start = stream.start_time or 0
    target = start + int(begin_s / stream.time_base)
    try:
        container.seek(target, stream=stream, backward=True, any_frame=False)
        first = next((p for p in container.demux(stream) if p.pts is not None), None)
        if first is not None and first.pts <= target:
            container.seek(target, stream=stream, backward=True, any_frame=False)
            return
    except av.error.FFmpegError:
        pass
    container.seek(start, stream=stream, backward=True, any_frame=False)


def _time_s(frame: Any, stream: Any, last_s: float) -> float:
    if frame.pts is None:  # raw streams have no clock: count at the rate
        step_s = 1.0 / float(stream.average_rate or _DEFAULT_RATE_HZ)
        return last_s + step_s if math.isfinite(last_s) else 0.0
    return float((frame.pts - (stream.start_time or 0)) * stream.time_base)


def _duration_s(container: Any, stream: Any) -> float:
    if stream.duration:
        return float(stream.duration * stream.time_base)
    return container.duration / av.time_base if container.duration else 0.0


def _upright(frame: Any) -> Image:
    image: Image = frame.to_ndarray(format='bgr24')
    quarter_turns = round(frame.rotation / 90) % 4
    # Phones write how they were held; the matrix turns counter-clockwise.
    return np.ascontiguousarray(np.rot90(image, quarter_turns)) if quarter_turns else image


def _check_size(width: int, height: int, max_pixels: int) -> None:
    if width * height > max_pixels:
        raise ValueError(f'{width} x {height} pixels are more than the {max_pixels} accepted')


# ---- OpenCV


def _extent_by_opencv(path: str) -> tuple[float, float, float, bool]:
    capture = _capture(path)
    try:
        rate_hz = _plausible(capture.get(cv2.CAP_PROP_FPS))
        count = capture.get(cv2.CAP_PROP_FRAME_COUNT)
        return 0.0, max(count, 1.0) / rate_hz, rate_hz, False
    finally:
        capture.release()


def _frames_by_opencv(path: str, max_pixels: int) -> Iterator[VideoFrame]:
    capture = _capture(path)
    try:
        get: Callable[[int], float] = capture.get
        width, height = int(get(cv2.CAP_PROP_FRAME_WIDTH)), int(get(cv2.CAP_PROP_FRAME_HEIGHT))
        _check_size(width, height, max_pixels)
        promised = get(cv2.CAP_PROP_FRAME_COUNT)
        number = 0
        while True:
            ok, image = capture.read()
            if not ok:
                break
            yield VideoFrame(np.asarray(image, np.uint8), get(cv2.CAP_PROP_POS_MSEC) / 1000.0)
            number += 1
        if number < _LEAST_SHARE * promised - 1:
            text = f'it ends after {number} of {promised:.0f} frames: cut off or damaged'
            yield VideoFrame(None, math.nan, text)
    finally:
        capture.release()


def _capture(path: str) -> Any:
    capture = cv2.VideoCapture(path)
    if not capture.isOpened():
        capture.release()
        raise ValueError('not a video that OpenCV can decode')
    return capture


def _plausible(fps: float) -> float:
    return fps if math.isfinite(fps) and 0.1 <= fps <= 240.0 else _DEFAULT_RATE_HZ
