"""The estimator that the node's settings describe."""

from __future__ import annotations

from pathlib import Path

from fsanet_ros.estimator import HeadPoseEstimator
from fsanet_ros.inference.runtime import Runtime, make_runtime
from fsanet_ros.inference.weight_files import check_sha256, find_weights
from fsanet_ros.ros.settings import HeadPoseSettings

# What a user can mend: a name or file that is wrong, not readable, a package that is missing.
LoadingErrors = (ValueError, OSError, ImportError)


def load_estimator(settings: HeadPoseSettings) -> HeadPoseEstimator:
    """
    Load detector and network, after a check of the weights where their hash is given.

    :raises ValueError: if a name or a file is wrong
    :raises OSError: if a file can not be read
    :raises ImportError: if a package is missing
    """
    if settings.weights_sha256:
        of_a_name = '.safetensors' if settings.runtime == 'torch' else '.onnx'
        path = find_weights(settings.weights, Path(settings.weights).suffix or of_a_name)
        check_sha256(path, settings.weights_sha256)
    runtime = make_runtime(settings.weights, settings.runtime, settings.threads)
    return estimator_with(settings, runtime)


def estimator_with(settings: HeadPoseSettings, runtime: Runtime) -> HeadPoseEstimator:
    """Return an estimator with a network that is loaded already."""
    return HeadPoseEstimator(
        settings.detector,
        runtime=runtime,
        score_threshold=settings.score_threshold,
        detection_size=settings.detection_size,
        detector_model=settings.detector_model,
        mirror=settings.mirror,
        mirror_max_faces=settings.mirror_max_faces,
    )
