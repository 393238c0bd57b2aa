"""The estimator that the node's settings describe."""

from __future__ import annotations

from pathlib import Path

from fsanet_ros.estimator import HeadPoseEstimator
from fsanet_ros.inference.runtime import Runtime, make_runtime
from fsanet_ros.inference.weight_files import check_sha256, find_weights
from fsanet_ros.ros.settings import HeadPoseSettings

# What a user can mend: a wrong name, a file that cannot be read, a package that is missing.
LoadingErrors = (ValueError, OSError, ImportError)


def load_estimator(settings: HeadPoseSettings) -> HeadPoseEstimator:
    """
    Load detector and network; check the weights' hash where one is given.

    :raises ValueError: if a name or a file is wrong
    :raises OSError: if a file cannot be read
    :raises ImportError: if a package is missing
    """
    network = settings.network
    if network.weights_sha256:
        of_a_name = '.safetensors' if network.runtime == 'torch' else '.onnx'
        path = find_weights(network.weights, Path(network.weights).suffix or of_a_name)
        check_sha256(path, network.weights_sha256)
    runtime = make_runtime(network.weights, network.runtime, network.threads)
    return estimator_with(settings, runtime)


def estimator_with(settings: HeadPoseSettings, runtime: Runtime) -> HeadPoseEstimator:
    """Return an estimator with a network that is loaded already; errors as in load_estimator."""
    return HeadPoseEstimator(
        settings.detection.detector,
        runtime=runtime,
        score_threshold=settings.detection.score_threshold,
        detection_size=settings.detection.size,
        detector_model=settings.detection.model_file,
        mirror=settings.network.mirror,
        mirror_max_faces=settings.network.mirror_max_faces,
    )
