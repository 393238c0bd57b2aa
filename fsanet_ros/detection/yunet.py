"""
The face detector YuNet, an ONNX file run by onnxruntime or, where that is not installed, by OpenCV.

Wu, Peng and Yu: "YuNet: a tiny millisecond-level face detector", Machine Intelligence Research
20, 2023. onnxruntime needs about half of the time. The outputs are decoded here, not by
``cv2.FaceDetectorYN``, which can read this model only from OpenCV 4.8 on; the dnn module runs it
from 4.5.4 on. All of them give the same to 1e-5.
"""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from fsanet_ros.arrays import check_image
from fsanet_ros.detection.detector import (
    DEFAULT_DETECTION_SIZE,
    DetectionSettings,
    faces_from_detections,
)
from fsanet_ros.detection.face_square import YUNET
from fsanet_ros.files import downloads
from fsanet_ros.files.onnx_files import onnx_session, with_free_size
from fsanet_ros.files.texts import first_line
from fsanet_ros.types import Face, FloatArray, Image

DEFAULT_SCORE_THRESHOLD = 0.6

# The image is cut into cells of 8, 16 and 32 pixels, so its sides must be multiples of 32.
STRIDES = (8, 16, 32)
# With one cell of the largest stride to a side, OpenCV 4.8 to 4.14 read memory that is not theirs
# and find faces in it.
_MIN_SIDE = 2 * STRIDES[-1]
# From float32 [1, 3, height, width] to what _OUTPUTS names; from any thread.
_Network = Callable[[FloatArray], list[Any]]
_OUTPUTS = [f'{kind}_{stride}' for kind in ('cls', 'obj', 'bbox', 'kps') for stride in STRIDES]


class YuNetDetector:
    """YuNet (a ``FaceDetector``): boxes, scores and five landmarks."""

    name = 'yunet'
    tiles_per_s = 27.0  # for a sweep (sweep.py)

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
        self._network = _load(Path(model_path) if model_path else downloads.cached_file('yunet'))

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
        detections = _run(self._network, _padded(small), score_threshold)
        return faces_from_detections(
            *detections, (image.shape[1] / width, image.shape[0] / height), YUNET
        )


def _load(path: Path) -> _Network:
    """Return the network of ``path``, proved to be a YuNet by running it once."""
    if not path.is_file():
        raise FileNotFoundError(f'there is no YuNet model at {path}; {downloads.advice("yunet")}')
    downloads.check_known(path)
    has_onnxruntime = importlib.util.find_spec('onnxruntime') is not None
    try:
        network = _by_onnxruntime(path) if has_onnxruntime else _by_opencv(path)
        _run(network, np.zeros((_MIN_SIDE, _MIN_SIDE, 3), np.uint8), 0.0)
    except Exception as error:  # onnxruntime's own classes are not public
        reason = first_line(error)
        runtime = 'onnxruntime' if has_onnxruntime else f'OpenCV {cv2.__version__}'
        raise ValueError(
            f'{path} is not a YuNet face detector that {runtime} can run ({reason}): expected an '
            'ONNX file with the outputs cls_8 to kps_32, such as yunet_n_320_320.onnx; '
            f'{downloads.advice("yunet")}'
        ) from error
    return network


def _by_onnxruntime(path: Path) -> _Network:
    session = onnx_session(with_free_size(path.read_bytes()))
    (name,) = [node.name for node in session.get_inputs()]

    def network(pixels: FloatArray) -> list[Any]:
        outputs: list[Any] = session.run(_OUTPUTS, {name: pixels})
        return outputs

    return network


def _by_opencv(path: Path) -> _Network:
    net = cv2.dnn.readNetFromONNX(str(path))
    one_at_a_time = threading.Lock()

    def network(pixels: FloatArray) -> list[Any]:
        with one_at_a_time:
            net.setInput(pixels)
            return list(net.forward(_OUTPUTS))

    return network


def _padded(image: Image) -> Image:
    """Fill up with black at the right and the bottom, to multiples of the largest stride."""
    below, beside = (max(side + -side % STRIDES[-1], _MIN_SIDE) - side for side in image.shape[:2])
    padded = cv2.copyMakeBorder(image, 0, below, 0, beside, cv2.BORDER_CONSTANT, value=(0, 0, 0))
    return np.asarray(padded, np.uint8)


def _run(
    network: _Network, image: Image, score_threshold: float
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """
    Return boxes [n, 4], scores [n], landmarks [n, 5, 2] of an image of whole strides.

    The network gives each cell two scores, and a box and points in strides from its corner.
    """
    outputs = dict(zip(_OUTPUTS, network(cv2.dnn.blobFromImage(image)), strict=True))
    cls, obj, bbox, kps = (
        np.concatenate([outputs[f'{kind}_{stride}'].reshape(-1, size) for stride in STRIDES])
        for kind, size in (('cls', 1), ('obj', 1), ('bbox', 4), ('kps', 10))
    )
    scores = np.sqrt(np.clip(cls, 0, 1) * np.clip(obj, 0, 1), dtype=np.float64)[:, 0]
    chosen = np.flatnonzero(scores >= score_threshold)
    corners, strides = (known[chosen] for known in _cells(image.shape[1], image.shape[0]))
    values = bbox[chosen].astype(np.float64)
    centers = (corners + values[:, :2]) * strides
    # Cells without a face can hold anything; the bound keeps exp from overflowing there.
    sides = np.exp(np.minimum(values[:, 2:], 10)) * strides
    boxes = np.concatenate([centers - sides / 2, sides], axis=1)
    points = kps[chosen].reshape(-1, 5, 2).astype(np.float64)
    landmarks = (corners[:, None] + points) * strides[:, None]
    return boxes, scores[chosen], landmarks


@lru_cache(maxsize=32)
def _cells(width: int, height: int) -> tuple[FloatArray, FloatArray]:
    """
    Return the cells of an image of whole strides, in the order of the outputs.

    Row by row, those of the smallest stride first: float64 [n, 2], their places in strides, and
    [n, 1], their strides.
    """
    corners, strides = [], []
    for stride in STRIDES:
        rows, columns = np.mgrid[: height // stride, : width // stride]
        corners.append(np.stack([columns.ravel(), rows.ravel()], axis=1).astype(np.float64))
        strides.append(np.full((rows.size, 1), float(stride)))
    return np.concatenate(corners), np.concatenate(strides)
