"""Copies of pictures and videos with the heads drawn in, written whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from fsanet_ros.batch import video_frames
from fsanet_ros.batch.inputs import Input
from fsanet_ros.batch.sightings import SightedFrame
from fsanet_ros.batch.writing import naming
from fsanet_ros.drawing import draw_heads, note_about
from fsanet_ros.files.pictures import MAX_PIXELS, read_picture
from fsanet_ros.files.texts import printable
from fsanet_ros.types import Image

try:
    import av
except ImportError:  # the extra "video"
    av = None

# OpenCV writes these; others are written as PNG.
_WRITABLE = ('.bmp', '.jpeg', '.jpg', '.png', '.tif', '.tiff', '.webp')
_CRF = '20'  # x264's scale of quality: hardly to be told from the original
_TICKS_PER_S = 90_000


def copy_name(one: Input) -> Path:
    """Return where the annotated copy of an input goes below the output folder."""
    place = Path(one.place)
    if one.kind == 'bag':
        return place.with_suffix('')  # a folder of that name
    if one.kind == 'picture':
        return place if place.suffix.lower() in _WRITABLE else place.with_suffix('.png')
    return place.with_suffix('.mp4')


def annotate_picture(one: Input, frames: Iterable[SightedFrame], target: Path) -> None:
    """
    Write a picture with its heads drawn in.

    :raises OSError: if it cannot be read or written
    """
    image = read_picture(one.address)
    for frame in frames:
        image = _drawn(image, frame)
    ok, content = cv2.imencode(target.suffix, image)
    if not ok:
        raise OSError(f'{target}: OpenCV cannot encode it')
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f'.{target.name}.part')
    try:
        with naming(target):
            part.write_bytes(content.tobytes())
        os.replace(part, target)
    finally:
        part.unlink(missing_ok=True)


def annotate_video(one: Input, frames: Iterable[SightedFrame], target: Path) -> None:
    """
    Write a video as H.264 in MP4 with its heads drawn in, its times and its sound kept.

    Sound that MP4 can hold is copied, other is made AAC.

    :raises ImportError: if PyAV is not installed
    :raises ValueError: if the video cannot be decoded
    :raises OSError: if it cannot be written
    """
    if av is None:
        raise ImportError('annotated videos are written by PyAV: pip install "fsanet_ros[video]"')
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f'.{target.name}.part')
    try:
        with av.open(str(part), 'w', format='mp4', options={'movflags': 'faststart'}) as output:
            _write(output, one.address, frames)
        os.replace(part, target)
    except av.error.FFmpegError as error:
        raise OSError(f'{printable(str(target))} cannot be written: {error.strerror}') from error
    finally:
        part.unlink(missing_ok=True)


def _drawn(image: Image, frame: SightedFrame) -> Image:
    named = [(s.id, s.head) for s in frame.sightings]
    return draw_heads(image, named, note=note_about(image, len(named)))


def _write(output: Any, source: str, sighted: Iterable[SightedFrame]) -> None:
    sound = _Sound(output, source)
    stream: Any = None
    for (image, time_s), found in zip(_decodable(source), sighted, strict=False):
        drawn = _even(_drawn(image, found))
        if stream is None:
            stream = _h264(output, drawn.shape[1], drawn.shape[0])
        if (drawn.shape[1], drawn.shape[0]) != (stream.width, stream.height):
            drawn = np.asarray(cv2.resize(drawn, (stream.width, stream.height)), np.uint8)
        frame = av.VideoFrame.from_ndarray(drawn, format='bgr24')
        frame.pts, frame.time_base = round(time_s * _TICKS_PER_S), Fraction(1, _TICKS_PER_S)
        output.mux(stream.encode(frame))
        sound.copy_until(time_s)
    if stream is not None:
        output.mux(stream.encode(None))
    sound.finish()


def _decodable(source: str) -> Iterator[tuple[Image, float]]:
    for frame in video_frames.frames(source, -np.inf, np.inf, MAX_PIXELS):
        if frame.image is not None:
            yield frame.image, frame.time_s


def _even(image: Image) -> Image:
    """Cut off a last odd row and column: H.264 players want colour for each four pixels."""
    height, width = image.shape[:2]
    return np.ascontiguousarray(image[: height - height % 2, : width - width % 2])


def _h264(output: Any, width: int, height: int) -> Any:
    stream = output.add_stream('libx264', options={'crf': _CRF, 'preset': 'veryfast'})
    stream.width, stream.height = width, height
    stream.pix_fmt = 'yuv420p'  # what browsers play
    stream.time_base = stream.codec_context.time_base = Fraction(1, _TICKS_PER_S)
    return stream


class _Sound:
    """Takes the sound of a video along; silent where there is none."""

    def __init__(self, output: Any, source: str) -> None:
        self._output = output
        self._input = av.open(source, metadata_errors='replace')
        self._from = next(iter(self._input.streams.audio), None)
        self._packets: Iterator[Any] = iter(())
        self._waiting: Any = None
        if self._from is None:
            return
        self._copied = self._from.codec_context.name in ('aac', 'mp3', 'alac', 'ac3')
        if self._copied:
            self._to = output.add_stream_from_template(self._from)
        else:
            self._to = output.add_stream('aac', rate=self._from.codec_context.sample_rate)
        self._packets = self._input.demux(self._from)

    def copy_until(self, time_s: float) -> None:
        """Copy what is to be heard until a time."""
        while (packet := self._next()) is not None:
            if packet.pts is not None and float(packet.pts * packet.time_base) > time_s:
                self._waiting = packet
                return
            self._take(packet)

    def finish(self) -> None:
        """Copy the rest."""
        self.copy_until(float('inf'))
        if self._from is not None and not self._copied:
            self._output.mux(self._to.encode(None))
        self._input.close()

    def _next(self) -> Any:
        packet, self._waiting = self._waiting, None
        try:
            return next(self._packets, None) if packet is None else packet
        except av.error.FFmpegError:  # the sound ends where it is damaged
            return None

    def _take(self, packet: Any) -> None:
        try:
            if not self._copied:
                for frame in packet.decode():
                    frame.pts = None  # the encoder counts samples
                    self._output.mux(self._to.encode(frame))
            elif packet.dts is not None:
                packet.stream = self._to
                self._output.mux(packet)
        except av.error.FFmpegError:
            return  # a damaged packet: a click, where the rest is heard
