"""
Frames from a video file, a folder of pictures, a camera or a stream: one reader for all.

    with open_frames('people.mp4') as frames:
        for bgr in frames:
            ...
"""

from __future__ import annotations

import math
import os
import re
import stat
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path

import cv2

from fsanet_ros.arrays import Image
from fsanet_ros.files.pictures import read_picture
from fsanet_ros.files.plain_files import require_end
from fsanet_ros.files.texts import printable, shortened

# FFmpeg inside OpenCV writes a line for each attempt to reach a camera; read at the first one.
os.environ.setdefault('OPENCV_FFMPEG_LOGLEVEL', '-8')

PICTURE_SUFFIXES = frozenset(
    ('.bmp', '.jpeg', '.jpg', '.pgm', '.png', '.ppm', '.tif', '.tiff', '.webp')
)


class VideoError(RuntimeError):
    """A source of frames that can't be opened or read; the text says why and what to do."""


class BrokenPictureError(VideoError):
    """One picture of a folder that can't be read; the next one may be."""


class Frames(ABC):
    """
    An open source of frames; iterate, or call :meth:`read`.

    ``name`` is for messages. ``rate_hz`` is the source's own rate, None when it has or tells
    none. ``live``: a camera or stream, that comes at its own pace, has no end and may break off.
    """

    name: str
    rate_hz: float | None = None
    live: bool = False

    @abstractmethod
    def read(self) -> Image | None:
        """
        Return the next frame, uint8 [h, w, 3], or None: at the end, or the camera is gone.

        :raises BrokenPictureError: where a folder has one; the next call goes on after it
        """

    @abstractmethod
    def rewind(self) -> None:
        """Start again with the first frame."""

    @abstractmethod
    def close(self) -> None:
        """Release the file or the camera."""

    def __iter__(self) -> Iterator[Image]:
        while (frame := self.read()) is not None:
            yield frame

    def __enter__(self) -> Frames:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_frames(source: str | Path | int, width: int = 0, height: int = 0) -> Frames:
    """
    Open a video file, a folder of pictures, one picture, a stream's URL or a camera's index.

    ``width`` and ``height``, in pixels, are asked of a camera and mean nothing else; 0 leaves it
    as it is. The first frame is read here: what opens can be decoded. Raises VideoError.
    """
    if isinstance(source, int):
        return _Camera(source, width, height)
    if re.match(r'[a-z][a-z0-9+.-]*://', str(source)):
        return _Stream(str(source))
    try:
        path = Path(source).expanduser()
        if not stat.S_ISCHR(path.stat().st_mode):  # a camera has a name below /dev
            require_end(path)
    except (OSError, ValueError, RuntimeError) as error:  # no name for a file, nobody's home
        reason = f'cannot be read ({error.strerror if isinstance(error, OSError) else error})'
        if isinstance(error, FileNotFoundError):
            reason = 'does not exist'
        raise VideoError(
            f'{shortened(printable(source), 300)} {reason}; give a video file, a folder of '
            'pictures or a camera.'
        ) from error
    if path.is_dir() or path.suffix.lower() in PICTURE_SUFFIXES:
        return _Pictures(path)
    return _VideoFile(path)


class _Pictures(Frames):
    """The pictures of a folder in the order of their names (2 before 10), or one picture."""

    def __init__(self, path: Path) -> None:
        self.name = printable(path)
        files = (f for f in path.iterdir() if f.is_file()) if path.is_dir() else [path]
        self._files = sorted(
            (file for file in files if file.suffix.lower() in PICTURE_SUFFIXES), key=_natural_order
        )
        if not self._files:
            raise VideoError(
                f'{self.name} holds no pictures; looked for {", ".join(sorted(PICTURE_SUFFIXES))}.'
            )
        self._next = 0
        self._require_one()
        self.rewind()

    def _require_one(self) -> None:
        first_error: VideoError | None = None
        for _ in self._files:
            try:
                self.read()
                return
            except VideoError as error:
                first_error = first_error or error
        assert first_error is not None
        raise first_error

    def read(self) -> Image | None:
        if self._next == len(self._files):
            return None
        file = self._files[self._next]
        self._next += 1
        try:
            return read_picture(file)
        except (OSError, ValueError) as error:
            raise BrokenPictureError(f'{printable(file)}: {error}; remove or mend it.') from error

    def rewind(self) -> None:
        self._next = 0

    def close(self) -> None:
        pass  # no file stays open


def _natural_order(file: Path) -> list[tuple[int, str]]:
    parts = re.findall(r'\d+|\D+', file.name)
    return [(int(part), '') if part.isdecimal() else (-1, part) for part in parts]


class _Capture(Frames):
    """What cv2.VideoCapture reads; the first frame is kept until it is asked for."""

    def __init__(self) -> None:
        self._first: Image | None
        self._capture, self._first = self._open()
        self.rate_hz = _plausible_rate(self._capture.get(cv2.CAP_PROP_FPS))

    def _open(self) -> tuple[cv2.VideoCapture, Image]:
        capture = self._new_capture()
        ok, frame = capture.read()
        if not ok:
            capture.release()
            raise VideoError(self._reason())
        return capture, frame

    @abstractmethod
    def _new_capture(self) -> cv2.VideoCapture: ...

    @abstractmethod
    def _reason(self) -> str:
        """Say why it could not be opened and what to do."""

    def read(self) -> Image | None:
        frame, self._first = self._first, None
        return self._capture.read()[1] if frame is None else frame

    def rewind(self) -> None:
        # Opened anew: seeking is inexact in many containers.
        self._capture.release()
        self._capture, self._first = self._open()

    def close(self) -> None:
        self._capture.release()


class _VideoFile(_Capture):
    def __init__(self, path: Path) -> None:
        self.name = printable(path)
        self._path = str(path)
        try:
            self._path.encode('utf-8')
        except UnicodeEncodeError as error:  # OpenCV crashes
            raise VideoError(f'{self.name} is no name in UTF-8; rename the file.') from error
        super().__init__()

    def _new_capture(self) -> cv2.VideoCapture:
        return cv2.VideoCapture(self._path)

    def _reason(self) -> str:
        return (
            f'{self.name} is not a video that OpenCV can decode; convert it, for example to '
            'H.264 in .mp4, or check that it is whole.'
        )


class _Stream(_Capture):
    live = True

    def __init__(self, url: str) -> None:
        self._url = url
        self.name = re.sub(r'//[^/@]*@', '//', url)  # no password in messages
        super().__init__()

    def _new_capture(self) -> cv2.VideoCapture:
        return cv2.VideoCapture(self._url)

    def _reason(self) -> str:
        return f'{self.name} gives no frames; check the address and that the camera is on.'


class _Camera(_Capture):
    live = True

    def __init__(self, index: int, width: int, height: int) -> None:
        self.name = f'camera {index}'
        self._index = index
        self._size = (width, height)
        super().__init__()

    def _new_capture(self) -> cv2.VideoCapture:
        # Looked for first: OpenCV tries every backend, slowly and loudly.
        if sys.platform == 'linux' and not Path(f'/dev/video{self._index}').exists():
            raise VideoError(self._reason())
        capture = cv2.VideoCapture(self._index)
        width, height = self._size
        if width:
            capture.set(cv2.CAP_PROP_FRAME_WIDTH, width)
        if height:
            capture.set(cv2.CAP_PROP_FRAME_HEIGHT, height)
        capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)  # old frames are of no use
        return capture

    def _reason(self) -> str:
        if sys.platform != 'linux':
            return f'{self.name} gives no frames; check the index and that no one else uses it.'
        found = ', '.join(sorted(str(file) for file in Path('/dev').glob('video*'))) or 'none'
        return (
            f'{self.name} gives no frames; cameras found: {found}. Check the index, the '
            "permissions (group 'video') and that no one else uses it."
        )


def _plausible_rate(fps: float) -> float | None:
    # Containers without a rate give 0, nan or their clock's ticks, such as 1000 or 90000.
    return float(fps) if math.isfinite(fps) and 0.1 <= fps <= 240.0 else None
