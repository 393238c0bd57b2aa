"""
The parameters of the node video_source.

docs/reference/parameters.md is written from here, see settings.py.
"""

from __future__ import annotations

from dataclasses import dataclass

from fsanet_ros.ros.parameters import parameter

RELIABILITIES = ('reliable', 'best_effort')


@dataclass(frozen=True)
class VideoSourceSettings:
    """Parameters of video_source. Those that are not live are read once, at start."""

    source: str = parameter(
        '',
        'What to publish: a video file, a picture, a folder of pictures, the address of a stream, '
        'or the number of a camera (0 is the first). Empty: the clip that comes with the package.',
        number=True,
    )
    width: int = parameter(
        0,
        "Width to ask the camera for, in pixels. 0: the camera's default.",
        low=0,
        high=16384,
    )
    height: int = parameter(
        0,
        "Height to ask the camera for, in pixels. 0: the camera's default.",
        low=0,
        high=16384,
    )
    rate_hz: float = parameter(
        0.0,
        "Frames per second. 0: the source's own rate, or 30 if it has none.",
        low=0.0,
        high=1000.0,
        live=True,
    )
    loop: bool = parameter(False, 'Start again after the last frame instead of ending.', live=True)
    max_frames: int = parameter(
        0, 'End after this many frames. 0: no limit.', low=0, high=2**31 - 1
    )
    lockstep: bool = parameter(
        False,
        'Publish a frame only when the head poses of the one before have come (topic head_poses) '
        'or a second has passed, and no sooner than rate_hz allows: every frame is processed, '
        'however slow the machine. The first frame is sent again if it got no answer.',
    )
    frame_id: str = parameter(
        'camera_optical_frame',
        'Frame of the messages: x right, y down, z forward (REP-103).',
    )
    camera_info_url: str = parameter(
        '',
        'Calibration file as camera_calibration writes it (YAML): a path, file:///... or '
        "package://... Empty: not calibrated, or the clip's own.",
    )
    reliability: str = parameter(
        'reliable', 'Reliability of both publishers.', choices=RELIABILITIES
    )
    wait_for_subscriber_s: float = parameter(
        0.0,
        'How long to hold the first frame, in seconds at most, until somebody subscribes to '
        'image (in lockstep: and publishes head_poses).',
        low=0.0,
        high=3600.0,
    )
