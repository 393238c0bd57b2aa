"""
The face detector YuNet, an ONNX file run by OpenCV's dnn module.

Wu, Peng and Yu: "YuNet: a tiny millisecond-level face detector", Machine Intelligence Research
20, 2023. The outputs are decoded here, not by ``cv2.FaceDetectorYN``, which can read this model
only from OpenCV 4.8 on; the dnn module runs it from 4.5.4 on, and the result is the same.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from fsanet_ros import downloads
from fsanet_ros.detection.detector import (
    DEFAULT_DETECTION_SIZE,
    DetectionSettings,
    check_image,
    faces_from_detections,
)
from fsanet_ros.detection.face_square import YUNET
from fsanet_ros.types import Face, FloatArray, Image

DEFAULT_SCORE_THRESHOLD = 0.6

# The image is cut into cells of 8, 16 and 32 pixels, so its sides must be multiples of 32.
STRIDES = (8, 16, 32)
# With one cell of the largest stride to a side, OpenCV 4.8 to 4.14 read memory that is not theirs
# and find faces in it.
_MIN_SIDE = 2 * STRIDES[-1]
_OUTPUTS = [f'{kind}_{stride}' for kind in ('cls', 'obj', 'bbox', 'kps') for stride in STRIDES]


class YuNetDetector:
    """YuNet (a ``FaceDetector``): boxes, scores and five landmarks."""

    name = 'yunet'

    def __init__(
        self,
        *,
        score_threshold: float = DEFAULT_SCORE_THRESHOLD,
        detection_size: int = DEFAULT_DETECTION_SIZE,
        model_path: str = '',
    ) -> None:
        """
        Load the model: ``model_path``, or when that is empty the downloaded one.

        :raises ValueError: a setting is out of range, or the file is not a YuNet.
        :raises FileNotFoundError: there is no such file, or nothing was downloaded yet.
        """
        self._settings = DetectionSettings(score_threshold, detection_size)
        self._net = _load(Path(model_path) if model_path else downloads.cached_file('yunet'))
        self._lock = threading.Lock()

    def detect(self, image: Image) -> list[Face]:
        """Find faces, as ``FaceDetector.detect`` says."""
        check_image(image)
        small = self._settings.shrink(image)
        height, width = small.shape[:2]
        with self._lock:
            detections = _run(self._net, _padded(small), self._settings.score_threshold)
        return faces_from_detections(
            *detections, (image.shape[1] / width, image.shape[0] / height), YUNET
        )


def _load(path: Path) -> Any:
    """Return the cv2.dnn.Net of ``path``, proved to be a YuNet by running it once."""
    if not path.is_file():
        raise FileNotFoundError(f'there is no YuNet model at {path}; {downloads.advice("yunet")}')
    downloads.check_known(path)
    try:
        net = cv2.dnn.readNetFromONNX(str(path))
        _run(net, np.zeros((_MIN_SIDE, _MIN_SIDE, 3), np.uint8), 0.0)
    except (cv2.error, ValueError, IndexError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ValueError(
            f'{path} is not a YuNet face detector that OpenCV {cv2.__version__} can run '
            f'({reason}): expected an ONNX file with the outputs cls_8 to kps_32, such as '
            f'yunet_n_320_320.onnx; {downloads.advice("yunet")}'
        ) from error
    return net


def _padded(image: Image) -> Image:
    """Fill up with black at the right and the bottom, to multiples of the largest stride."""
    below, beside = (max(side + -side % STRIDES[-1], _MIN_SIDE) - side for side in image.shape[:2])
    padded = cv2.copyMakeBorder(image, 0, below, 0, beside, cv2.BORDER_CONSTANT, value=(0, 0, 0))
    return np.asarray(padded, np.uint8)


def _run(
    net: Any, image: Image, score_threshold: float
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return boxes [n, 4], scores [n], landmarks [n, 5, 2] of an image of whole strides."""
    net.setInput(cv2.dnn.blobFromImage(image))
    outputs = dict(zip(_OUTPUTS, net.forward(_OUTPUTS), strict=True))
    parts = [
        _decode(
            *(outputs[f'{kind}_{stride}'] for kind in ('cls', 'obj', 'bbox', 'kps')),
            stride=stride,
            columns=image.shape[1] // stride,
            score_threshold=score_threshold,
        )
        for stride in STRIDES
    ]
    boxes, scores, landmarks = (np.concatenate(part) for part in zip(*parts, strict=True))
    return boxes, scores, landmarks


def _decode(
    cls: FloatArray,
    obj: FloatArray,
    bbox: FloatArray,
    kps: FloatArray,
    *,
    stride: int,
    columns: int,
    score_threshold: float,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """
    Turn the outputs of one stride into boxes [n, 4], scores [n] and landmarks [n, 5, 2].

    ``cls`` and ``obj`` are [1, cells, 1], ``bbox`` [1, cells, 4], ``kps`` [1, cells, 10]; cells
    go row by row, and positions are in strides from the cell's corner.
    """
    scores = np.sqrt(np.clip(cls.ravel(), 0, 1) * np.clip(obj.ravel(), 0, 1), dtype=np.float64)
    cells = np.flatnonzero(scores >= score_threshold)
    corners = np.stack([cells % columns, cells // columns], axis=1).astype(np.float64)
    values = bbox.reshape(-1, 4)[cells].astype(np.float64)
    centers = (corners + values[:, :2]) * stride
    # Cells without a face can hold anything; the bound keeps exp from overflowing there.
    sides = np.exp(np.minimum(values[:, 2:], 10)) * stride
    boxes = np.concatenate([centers - sides / 2, sides], axis=1)
    points = kps.reshape(-1, 5, 2)[cells].astype(np.float64)
    landmarks = (corners[:, None] + points) * stride
    return boxes, scores[cells], landmarks
