"""
A camera for those who have none: publishes a video, pictures, a camera or a stream.

    ros2 run fsanet_ros video_source --ros-args -p source:=people.mp4 -p loop:=true

Topics: ``image`` (sensor_msgs/Image, bgr8) and ``camera_info``, with the same stamp and frame.
In lockstep it listens to ``head_poses``.
"""

from __future__ import annotations

if __name__ == '__main__':  # before the rest is imported, which takes a second
    from fsanet_ros.ros.signals import end_quietly_at_signals

    end_quietly_at_signals('video_source')

import contextlib
import sys
import time
from pathlib import Path

import rclpy
from builtin_interfaces.msg import Time
from rcl_interfaces.msg import SetParametersResult
from rclpy.clock import Clock, ClockType
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.task import Future
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

import fsanet_ros
from fsanet_ros.arrays import Image as BgrImage
from fsanet_ros.files.calibration_file import read_calibration
from fsanet_ros.files.distortion import is_known_model
from fsanet_ros.files.video import BrokenPictureError, Frames, VideoError, open_frames
from fsanet_ros.geometry.camera import CameraModel
from fsanet_ros.msg import HeadPoseArray
from fsanet_ros.ros import parameters
from fsanet_ros.ros.input.camera_info_files import (
    camera_info_from_calibration,
    path_from_url,
    uncalibrated_camera_info,
)
from fsanet_ros.ros.input.images import image_from_bgr
from fsanet_ros.ros.rclpy_internals import given_parameters
from fsanet_ros.ros.running import run_node
from fsanet_ros.ros.settings import FORMER_NAMES
from fsanet_ros.ros.throttling import ThrottledWarnings
from fsanet_ros.ros.video_source_settings import VideoSourceSettings

_DEMO = Path(fsanet_ros.__file__).parent / 'demo'
_FALLBACK_RATE_HZ = 30.0
_RETRY_S = 1.0
_LOCKSTEP_LIMIT_S = 1.0
_LIVE_PERIOD_S = 0.001  # read() of a camera waits for the next frame by itself
_RELIABILITIES = {
    'reliable': ReliabilityPolicy.RELIABLE,
    'best_effort': ReliabilityPolicy.BEST_EFFORT,
}


class VideoSource(Node):
    """Publishes frames until they end; ``done`` then holds the number published."""

    def __init__(self) -> None:
        super().__init__('video_source')
        self.done = Future()
        self._warnings = ThrottledWarnings(self.get_logger())
        parameters.declare(self, VideoSourceSettings)
        parameters.warn_of_unknown(self, VideoSourceSettings, given_parameters(self), FORMER_NAMES)
        self._settings = parameters.read(self, VideoSourceSettings)
        self._source, self._info = self._choose_source()
        self._name = ''
        self._frames = self._open()
        self._due = 0.0
        self._published = 0
        self._awaited_stamp: Time | None = None  # in lockstep: of the frame that awaits its heads
        self._awaited_until = 0.0
        self._held = False
        self._first: BgrImage | None = None  # in lockstep, until head poses of any frame have come
        qos = QoSProfile(depth=5, reliability=_RELIABILITIES[self._settings.reliability])
        self._image_publisher = self.create_publisher(Image, 'image', qos)
        self._info_publisher = self.create_publisher(CameraInfo, 'camera_info', qos)
        if self._settings.lockstep:
            self._head_poses = self.create_subscription(
                HeadPoseArray, 'head_poses', self._on_head_poses, 10
            )
        self._wait_until = time.monotonic() + self._settings.wait_for_subscriber_s
        # Steady: frames come at their pace, whatever /clock does. Stamps are the node's clock's.
        self._timer = self.create_timer(
            self._period_s(),
            self._publish_next,
            clock=Clock(clock_type=ClockType.STEADY_TIME),
        )
        self.add_on_set_parameters_callback(self._on_set_parameters)

    def _choose_source(self) -> tuple[str | int, CameraInfo | None]:
        """Return what to open and its calibration; raise VideoError or CalibrationError."""
        source, url = self._settings.source, self._settings.camera_info_url
        if not source:
            source = str(_DEMO / 'clip.mp4')
            url = url or str(_DEMO / 'clip_camera.yaml')
        info = _read_info(url) if url else None
        is_camera = source.isascii() and source.isdigit()
        return (int(source) if is_camera else source), info

    def _open(self) -> Frames | None:
        """Return the opened source; None when a camera or stream is not there: it may come."""
        try:
            frames = open_frames(self._source, self._settings.width, self._settings.height)
        except VideoError as error:
            if isinstance(self._source, str) and '://' not in self._source:
                raise
            self.get_logger().warning(
                f'{error} Trying again every {_RETRY_S:g} s', throttle_duration_sec=30.0
            )
            return None
        self._name = frames.name
        self.get_logger().info(f'{self._name} is open')
        return frames

    def _period_s(self) -> float:
        if self._frames is None:
            return _RETRY_S
        if self._frames.live:
            return _LIVE_PERIOD_S
        return 1.0 / (self._settings.rate_hz or self._frames.rate_hz or _FALLBACK_RATE_HZ)

    def _set_period(self) -> None:
        self._timer.timer_period_ns = int(self._period_s() * 1e9)

    def _on_set_parameters(self, changes: list[Parameter]) -> SetParametersResult:
        result = parameters.check(self._settings, changes, 'restart the node with another value')
        if result.successful:
            old, self._settings = self._settings, parameters.updated(self._settings, changes)
            if self._settings.rate_hz != old.rate_hz:
                self._set_period()
        return result

    def _publish_next(self) -> None:
        if self.done.done() or self._waits_for_others():
            return
        if self._published_all():
            if not self._waits_for_head_poses():
                self._finish()
            return
        frame = self._next_frame()
        if frame is None:
            return
        self._publish(frame)
        if self._settings.lockstep and not self._published:
            self._first = frame
        self._published += 1
        if self._published_all() and not self._settings.lockstep:
            self._finish()

    def _published_all(self) -> bool:
        return 0 < self._settings.max_frames <= self._published

    def _waits_for_others(self) -> bool:
        missing = '' if self._published else self._missing()
        if not missing:
            return False
        limit_s = self._settings.wait_for_subscriber_s
        if time.monotonic() < self._wait_until:
            self.get_logger().info(f'waiting for a {missing}', once=True)
            return True
        if limit_s:
            self.get_logger().warning(
                f'no {missing} after {limit_s:g} s; publishing anyway', once=True
            )
        return False

    def _missing(self) -> str:
        """Return who is still missing, empty if nobody is."""
        if not self._image_publisher.get_subscription_count():
            return f'subscriber of {self._image_publisher.topic_name}'
        if self._settings.lockstep and not self._head_poses_publishers():
            return f'publisher of {self._head_poses.topic_name}'
        return ''

    def _head_poses_publishers(self) -> int:
        return int(self.count_publishers(self._head_poses.topic_name))

    def _waits_for_head_poses(self) -> bool:
        if self._awaited_stamp is None:
            return False
        self._held = time.monotonic() < self._awaited_until
        if not self._held:
            self._awaited_stamp = None
            if self._first is not None:
                return self._repeats_first()
            self.get_logger().warning(
                f'no head poses of the last frame on {self._head_poses.topic_name} within '
                f'{_LOCKSTEP_LIMIT_S:g} s ({self._head_poses_publishers()} publishers); '
                'publishing the next frame anyway',
                throttle_duration_sec=10.0,
            )
        return self._held

    def _repeats_first(self) -> bool:
        # A subscriber that is known here may have heard of this publisher too late for it.
        frame, self._first = self._first, None
        assert frame is not None
        self._publish(frame)
        return True

    def _on_head_poses(self, message: HeadPoseArray) -> None:
        if message.header.stamp != self._awaited_stamp:
            return
        self._awaited_stamp = self._first = None
        if self._held:  # its time has passed
            self._held = False
            self._timer.reset()
            self._publish_next()

    def _next_frame(self) -> BgrImage | None:
        """Return the next frame; None when there is none now or, with ``done`` set, any more."""
        frames = self._frames
        if frames is None:
            frames = self._frames = self._open()
            if frames is None:
                return None
            self._set_period()
        if frames.live:
            return self._next_live_frame(frames)
        if self._waits_for_head_poses():
            return None
        try:
            frame = frames.read()
            if frame is None and self._settings.loop:
                frames.rewind()
                frame = frames.read()
        except BrokenPictureError as error:
            self._warnings.warn(f'left out: {error}', cause='pictures')
            return None
        if frame is None:
            self._finish()
        return frame

    def _next_live_frame(self, frames: Frames) -> BgrImage | None:
        """Return the next frame if it is due by ``rate_hz``; close a source that broke off."""
        frame = frames.read()
        rate_hz, now = self._settings.rate_hz, time.monotonic()
        if frame is None:
            self.get_logger().warning(
                f'lost {self._name}; trying to open it again every {_RETRY_S:g} s',
                throttle_duration_sec=30.0,
            )
            frames.close()
            self._frames = None
            self._set_period()
            return None
        # Every frame is read and the surplus dropped: those left in the driver would grow old.
        if (rate_hz and now < self._due) or self._waits_for_head_poses():
            return None
        self._due = max(self._due + 1.0 / rate_hz, now + 0.5 / rate_hz) if rate_hz else 0.0
        return frame

    def _publish(self, frame: BgrImage) -> None:
        header = Header(stamp=self.get_clock().now().to_msg(), frame_id=self._settings.frame_id)
        info = self._info_for(frame)
        info.header = header
        self._info_publisher.publish(info)  # first: it can wait for its image
        self._image_publisher.publish(image_from_bgr(frame, header))
        if self._settings.lockstep:
            self._awaited_stamp = header.stamp
            self._awaited_until = time.monotonic() + _LOCKSTEP_LIMIT_S
        if not self._published:
            height, width = frame.shape[:2]
            self.get_logger().info(
                f'publishing {self._name}, {width} x {height} pixels, on '
                f'{self._image_publisher.topic_name}'
            )

    def _info_for(self, frame: BgrImage) -> CameraInfo:
        height, width = frame.shape[:2]
        if self._info is None:
            return uncalibrated_camera_info(width, height)
        if self._info.width not in (0, width) or self._info.height not in (0, height):
            self.get_logger().error(
                f'the calibration is for {self._info.width} x {self._info.height} pixels, but '
                f'{self._name} has {width} x {height}: publishing an uncalibrated '
                'camera_info. Calibrate at the size in use.',
                once=True,
            )
            return uncalibrated_camera_info(width, height)
        return self._info

    def _finish(self) -> None:
        self._timer.cancel()
        self.get_logger().info(f'end of {self._name}: {self._published} frames published')
        self.done.set_result(self._published)

    def flush(self) -> None:
        """Wait up to 2 s until the last messages have arrived; leaving at once loses them."""
        with contextlib.suppress(RuntimeError):  # a middleware that cannot say
            self._image_publisher.wait_for_all_acked(Duration(seconds=2))
        time.sleep(0.1)  # best-effort messages are not acknowledged

    def destroy_node(self) -> None:
        """Release the file or camera, then what the node holds."""
        if self._frames is not None:
            self._frames.close()
        super().destroy_node()


def _read_info(url: str) -> CameraInfo:
    """
    Return what a calibration file says.

    :raises CalibrationError: also if that cannot be used; models not known here are passed on
    """
    path = path_from_url(url)
    calibration = read_calibration(path)
    if is_known_model(calibration.distortion_model):
        CameraModel.from_file(path)
    return camera_info_from_calibration(calibration)


def main(argv: list[str] | None = None) -> int:
    """Run the node until the frames end or a signal stops it; return the exit code."""
    # A CalibrationError is a ValueError.
    return run_node('video_source', argv, VideoSource, _spin, (VideoError, ValueError))


def _spin(node: VideoSource) -> int:
    rclpy.spin_until_future_complete(node, node.done)
    if node.done.done():
        node.flush()
    return 0


if __name__ == '__main__':
    sys.exit(main())
