"""
The lifecycle node head_pose: images in, head poses out.

    ros2 run fsanet_ros head_pose --ros-args -r image:=/camera/image_raw \
        -r camera_info:=/camera/camera_info
"""

from __future__ import annotations

import sys
from typing import Any

import rclpy
from rcl_interfaces.msg import SetParametersResult
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.time import Time
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from fsanet_ros.estimator import HeadPoseEstimator
from fsanet_ros.ros import parameters
from fsanet_ros.ros.camera_info import Calibration
from fsanet_ros.ros.images import BgrImage, ImageError, bgr_from_compressed, bgr_from_image
from fsanet_ros.ros.loading import estimator_with, load_estimator
from fsanet_ros.ros.outputs import Outputs
from fsanet_ros.ros.running import run_node
from fsanet_ros.ros.settings import HeadPoseSettings
from fsanet_ros.ros.statistics import Statistics, diagnostic_array
from fsanet_ros.ros.subscriptions import MatchingSubscription, compressed_topic
from fsanet_ros.ros.throttling import ThrottledWarnings
from fsanet_ros.tracking.tracker import HeadTracker

CHECK_PERIOD_S = 0.5  # how soon a publisher of another quality of service is noticed
DIAGNOSTICS_PERIOD_S = 1.0
PATIENCE_S = 5.0  # before the log says what is awaited

SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE


class HeadPoseNode(LifecycleNode):
    """
    Estimates the poses of the heads in the images of one camera.

    Configuring loads the models and makes the publishers, activating subscribes, deactivating
    ends all output and drops what waits, cleaning up frees the models.
    """

    def __init__(self) -> None:
        super().__init__('head_pose')
        parameters.declare(self, HeadPoseSettings)
        self._settings = parameters.read(self, HeadPoseSettings)
        self._settings_changed = False
        self._estimator: HeadPoseEstimator | None = None
        self._tracker: HeadTracker | None = None
        self._outputs: Outputs | None = None
        self._images: MatchingSubscription | None = None
        self._camera_infos: MatchingSubscription | None = None
        self._timers: list[Any] = []
        self._calibration = Calibration()
        self._statistics = Statistics()
        self._warnings = ThrottledWarnings(self.get_logger())
        self._last_stamp_ns = 0
        self._waiting_since_s = 0.0
        # Steady: what is awaited is said also while a simulation's clock stands still.
        self._steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.add_on_set_parameters_callback(self._on_set_parameters)

    # Transitions

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load detector and network, make the publishers. FAILURE: unconfigured, as before."""
        self._settings = parameters.read(self, HeadPoseSettings)
        try:
            self._tracker = HeadTracker(self._settings.keep_s, self._settings.id_prefix)
            self._estimator = load_estimator(self._settings)
        except (ValueError, OSError, ImportError) as error:
            self.get_logger().error(f'can not be configured: {error}')
            self._estimator = None
            return FAILURE
        self._outputs = Outputs(self)
        self.get_logger().info(
            f'configured: faces by {self._estimator.detector.name}, weights '
            f'{self._estimator.runtime.description.name} in {self._estimator.runtime.name}'
        )
        return SUCCESS

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Subscribe to images. SUCCESS: active."""
        result = super().on_activate(state)
        self._calibration, self._statistics = Calibration(), Statistics()
        self._waiting_since_s = self._steady_s()
        self._last_stamp_ns = 0
        depth = self._settings.queue_depth
        self._camera_infos = MatchingSubscription(
            self, CameraInfo, 'camera_info', self._calibration.update, depth=5
        )
        if self._settings.image_transport == 'compressed':
            topic = compressed_topic(self, 'image')
            self._images = MatchingSubscription(
                self, CompressedImage, topic, self._on_compressed, depth
            )
        else:
            self._images = MatchingSubscription(self, Image, 'image', self._on_image, depth)
        self._timers = [
            self.create_timer(CHECK_PERIOD_S, self._on_check, clock=self._steady),
            self.create_timer(DIAGNOSTICS_PERIOD_S, self._on_diagnostics, clock=self._steady),
        ]
        self.get_logger().info(f'active: waiting for images on {self._images.topic}')
        return result

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """End all input and output. SUCCESS: inactive."""
        self._stop()
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free the models and the publishers. SUCCESS: unconfigured."""
        self._release()
        return SUCCESS

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Release everything. SUCCESS: finalized."""
        self._release()
        return SUCCESS

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Release everything after an error in a transition. SUCCESS: unconfigured."""
        self._release()
        return SUCCESS

    def start(self) -> bool:
        """Configure and activate; return whether it worked."""
        return self.trigger_configure() == SUCCESS and self.trigger_activate() == SUCCESS

    def _stop(self) -> None:
        for timer in self._timers:
            self.destroy_timer(timer)
        for subscription in (self._images, self._camera_infos):
            if subscription is not None:
                subscription.destroy()
        self._timers, self._images, self._camera_infos = [], None, None
        if self._tracker is not None:
            self._tracker.reset()

    def _release(self) -> None:
        self._stop()
        if self._outputs is not None:
            self._outputs.destroy()
        self._outputs = self._estimator = self._tracker = None

    # Parameters

    def _on_set_parameters(self, changes: list[Any]) -> SetParametersResult:
        advice = 'deactivate and clean up the node first' if self._estimator is not None else ''
        result = parameters.check(HeadPoseSettings, changes, advice)
        # They are read when the next image comes: here they do not have their new values yet.
        self._settings_changed |= result.successful
        return result

    def _apply_live_settings(self) -> None:
        assert self._estimator is not None and self._tracker is not None
        self._settings_changed = False
        self._settings = parameters.read(self, HeadPoseSettings)
        self._tracker.keep_s = self._settings.keep_s
        try:
            self._estimator = estimator_with(self._settings, self._estimator.runtime)
        except (ValueError, OSError, ImportError) as error:  # the detector's file is gone, say
            self._warnings.warn(f'the detector stays as it is: {error}')

    # Images

    def _on_image(self, message: Image) -> None:
        self._process(message, bgr_from_image)

    def _on_compressed(self, message: CompressedImage) -> None:
        self._process(message, bgr_from_compressed)

    def _process(self, message: Any, to_bgr: Any) -> None:
        self._statistics.count_received()
        self._waiting_since_s = self._steady_s()
        assert self._outputs is not None
        if self._settings_changed:
            self._apply_live_settings()
        if not self._outputs.wanted(self._settings):
            return
        try:
            image: BgrImage = to_bgr(message)
        except ImageError as error:
            assert self._images is not None
            self._statistics.dropped['unreadable image'] += 1
            self._warnings.warn(f'{self._images.topic}: image dropped: {error}')
            return
        self._estimate(image, message.header)

    def _estimate(self, image: BgrImage, header: Any) -> None:
        assert self._estimator is not None and self._tracker is not None
        assert self._outputs is not None
        stamp_ns = Time.from_msg(header.stamp).nanoseconds
        if stamp_ns < self._last_stamp_ns:
            self._warnings.warn(
                f'time jumped back by {(self._last_stamp_ns - stamp_ns) / 1e9:.3f} s (a recording '
                'that starts again?): heads get new ids'
            )
        self._last_stamp_ns = stamp_ns
        camera = self._calibration.camera_for(image.shape[1], image.shape[0])
        heads = self._estimator.estimate(image, camera)
        tracked = self._tracker.update(heads, stamp_ns / 1e9)
        error_deg = self._estimator.runtime.description.rotation_error_deg
        self._outputs.publish(tracked, image, header, camera, error_deg, self._settings)
        latency_s = (self.get_clock().now().nanoseconds - stamp_ns) / 1e9
        self._statistics.count_processed(len(tracked), latency_s)

    # Watching

    def _on_check(self) -> None:
        assert self._images is not None and self._camera_infos is not None
        self._images.refresh()
        self._camera_infos.refresh()
        problem = self._problem()
        if problem:
            self._warnings.warn(problem)

    def _problem(self) -> str:
        """Return what keeps the node from its full output, empty if nothing does."""
        assert self._images is not None and self._camera_infos is not None
        if self._steady_s() - self._waiting_since_s > PATIENCE_S:
            return self._images.silence()
        if self._statistics.dropped_lately:
            return f'{self._images.topic}: images are dropped, see the log for the reason'
        if not self._statistics.ever_received or self._calibration.state == 'calibrated':
            return ''
        if not self._calibration.known:
            return f'orientation only, no position: {self._camera_infos.silence()}'
        return (
            f'orientation only, no position: {self._camera_infos.topic}: {self._calibration.state}'
        )

    def _on_diagnostics(self) -> None:
        assert self._outputs is not None and self._estimator is not None
        assert self._images is not None
        problem = self._problem()
        values = self._statistics.take(DIAGNOSTICS_PERIOD_S)
        values |= {
            'detector': self._estimator.detector.name,
            'weights': self._estimator.runtime.description.name,
            'runtime': self._estimator.runtime.name,
            'calibration': self._calibration.state,
        }
        self._outputs.diagnostics.publish(
            diagnostic_array(self, 'head poses', self._images.topic, problem, values)
        )

    def _steady_s(self) -> float:
        return float(self._steady.now().nanoseconds) / 1e9


def main(argv: list[str] | None = None) -> int:
    """Run the node until it is told to stop; return the exit code."""
    return run_node('head_pose', argv, HeadPoseNode, _spin, (ValueError,))


def _spin(node: HeadPoseNode) -> int:
    if node.get_parameter('autostart').value and not node.start():
        return 1
    rclpy.spin(node)
    return 0


if __name__ == '__main__':
    sys.exit(main())
