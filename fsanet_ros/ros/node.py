"""
The lifecycle node head_pose: images in, head poses out.

    ros2 run fsanet_ros head_pose --ros-args -r image:=/camera/image_raw \
        -r camera_info:=/camera/camera_info
"""

from __future__ import annotations

if __name__ == '__main__':  # before the rest is imported, which takes a second
    from fsanet_ros.ros.signals import end_quietly_at_signals

    end_quietly_at_signals('head_pose')

import os
import sys
from collections.abc import Callable
from functools import partial, wraps

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rcl_interfaces.msg import SetParametersResult
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecyclePublisher, LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter
from rclpy.timer import Timer
from std_msgs.msg import Header
from std_srvs.srv import SetBool

from fsanet_ros.allocation import give_back_freed_memory, keep_freed_memory
from fsanet_ros.estimator import HeadPoseEstimator
from fsanet_ros.files.texts import one_line
from fsanet_ros.ros import parameters
from fsanet_ros.ros.input.subscriptions import wrong_topic
from fsanet_ros.ros.loading import LoadingErrors, estimator_with, load_estimator
from fsanet_ros.ros.output.outputs import drawn_topics
from fsanet_ros.ros.pipeline import Pipeline
from fsanet_ros.ros.rclpy_internals import (
    RareEvents,
    answer_always,
    call_after_set,
    forget_destroyed,
    given_parameters,
)
from fsanet_ros.ros.running import run_node
from fsanet_ros.ros.settings import FORMER_NAMES, HeadPoseSettings
from fsanet_ros.ros.shared_memory import reclaim_shared_memory, shortage
from fsanet_ros.ros.throttling import ThrottledWarnings
from fsanet_ros.tracking.tracker import HeadTracker

CHECK_PERIOD_S = 0.5  # how soon a publisher of another quality of service is noticed
DIAGNOSTICS_PERIOD_S = 1.0

SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE
Transition = Callable[['HeadPoseNode', LifecycleState], TransitionCallbackReturn]


def logging_errors(transition: Transition) -> Transition:
    """Log an exception in a transition: rclpy goes to error processing without a word."""

    @wraps(transition)
    def logged(node: HeadPoseNode, state: LifecycleState) -> TransitionCallbackReturn:
        try:
            return transition(node, state)
        except Exception as error:
            node.get_logger().error(
                f'{transition.__name__} failed, going to error processing: '
                f'{type(error).__name__}: {one_line(error)}'
            )
            raise

    return logged


class HeadPoseNode(RareEvents):
    """
    Estimates the poses of the heads in the images of one or more cameras.

    Configuring loads the models and makes the publishers, activating subscribes, deactivating
    ends all output and drops what waits, cleaning up frees the models. All of it, and every
    callback, is for a single-threaded executor. An image's way is Pipeline.process.
    """

    def __init__(self) -> None:
        # First: a node whose constructor failed is destroyed too.
        self._pipeline: Pipeline | None = None
        self._trackers: dict[str, HeadTracker] = {}  # kept for good: no id is given twice
        # What a change of parameters will use once it is accepted.
        self._prepared: tuple[HeadPoseSettings, HeadPoseEstimator] | None = None
        self._diagnostics: LifecyclePublisher | None = None
        self._check_timer: Timer | None = None
        self._diagnostics_timer: Timer | None = None
        super().__init__('head_pose')
        parameters.declare(self, HeadPoseSettings)
        parameters.warn_of_unknown(self, HeadPoseSettings, given_parameters(self), FORMER_NAMES)
        self._warnings = ThrottledWarnings(self.get_logger())
        # Steady: what is missing is said even if a simulation's clock stands still.
        self._steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.add_on_set_parameters_callback(self._on_set_parameters)
        call_after_set(self, self._apply_settings)
        self.create_service(SetBool, '~/enable', self._on_enable)
        answer_always(self, partial(self._warnings.warn, cause='requests'))

    # Transitions

    @logging_errors
    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load detector and network, make the publishers. FAILURE: unconfigured, as before."""
        settings = parameters.read(self, HeadPoseSettings)
        try:
            drawn = drawn_topics(len(settings.input.image_topics))
            if conflict := settings.conflict() or wrong_topic(self, settings.input, drawn):
                raise ValueError(conflict)
            estimator = load_estimator(settings)
        except LoadingErrors as error:
            self.get_logger().error(f'cannot be configured: {one_line(error)}')
            return FAILURE
        if freed := reclaim_shared_memory():
            self.get_logger().info(
                f'removed {freed / 1e6:.0f} MB of shared memory that killed processes had left'
            )
        if missing := shortage(os.environ):
            self.get_logger().warning(missing)
        self._pipeline = Pipeline(self, settings, estimator, self._trackers, self._warnings)
        self._diagnostics = self.create_lifecycle_publisher(DiagnosticArray, '/diagnostics', 10)
        self.get_logger().info(
            f'configured: face detector {estimator.detector.name}, weights '
            f'{estimator.runtime.description.name}, runtime {estimator.runtime.name}'
        )
        return SUCCESS

    @logging_errors
    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Subscribe to images. SUCCESS: active."""
        assert self._pipeline is not None
        result = super().on_activate(state)
        self._pipeline.open()
        self._check_timer = self.create_timer(CHECK_PERIOD_S, self._on_check, clock=self._steady)
        self._diagnostics_timer = self.create_timer(
            DIAGNOSTICS_PERIOD_S, self._on_diagnostics, clock=self._steady
        )
        self.make_events_rare(True)
        topics = ', '.join(self._pipeline.topics)
        self.get_logger().info(f'active: waiting for images on {topics}')
        return result

    @logging_errors
    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """End all input and output. SUCCESS: inactive."""
        self._stop()
        self._tidy()
        return super().on_deactivate(state)

    @logging_errors
    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free the models and the publishers. SUCCESS: unconfigured."""
        self._release()
        self._tidy()
        return SUCCESS

    @logging_errors
    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Release everything. SUCCESS: finalized."""
        self._release()
        return SUCCESS

    @logging_errors
    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Release everything after an error in a transition. SUCCESS: unconfigured."""
        self._release()
        return SUCCESS

    def start(self) -> bool:
        """Configure and activate; return whether it worked."""
        return self.trigger_configure() == SUCCESS and self.trigger_activate() == SUCCESS

    def destroy_node(self) -> None:
        """Release everything."""
        self._release()
        super().destroy_node()

    @property
    def _is_active(self) -> bool:
        return self._check_timer is not None

    def _stop(self) -> None:
        for timer in (self._check_timer, self._diagnostics_timer):
            if timer is not None:
                self.destroy_timer(timer)
        self._check_timer = self._diagnostics_timer = None
        self.make_events_rare(False)
        if self._pipeline is not None:
            self._pipeline.close()

    def _release(self) -> None:
        self._stop()
        if self._pipeline is not None:
            self._pipeline.destroy()
        if self._diagnostics is not None:
            self.destroy_lifecycle_publisher(self._diagnostics)
        self._pipeline = self._prepared = self._diagnostics = None

    def _tidy(self) -> None:
        """Leave nothing behind, or memory grows with the number of starts."""
        forget_destroyed(self)
        give_back_freed_memory()

    def _on_enable(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        response.success = self._is_active
        if self._pipeline is None or not self._is_active:
            response.message = 'the node is not active; configure and activate it first'
        elif request.data:
            self._pipeline.open()
        else:
            self._pipeline.close()
            self._tidy()
        return response

    # Parameters

    def _on_set_parameters(self, changes: list[Parameter]) -> SetParametersResult:
        """Refuse what is wrong; load what else may fail, before the change is accepted."""
        present = parameters.read(self, HeadPoseSettings)
        advice = 'deactivate and clean up the node first' if self._pipeline is not None else ''
        result = parameters.check(present, changes, advice)
        if not result.successful:
            return result
        settings = parameters.updated(present, changes)
        reason = settings.conflict()
        self._prepared = None
        if self._pipeline is not None and settings != present and not reason:
            try:
                estimator = estimator_with(settings, self._pipeline.estimator.runtime)
            except LoadingErrors as error:
                reason = str(error)
            else:
                self._prepared = settings, estimator
        return SetParametersResult(successful=not reason, reason=reason)

    def _apply_settings(self) -> None:
        """Hand accepted settings to the pipeline; they hold from the next image on."""
        if self._pipeline is None or self._prepared is None:
            return
        (settings, estimator), self._prepared = self._prepared, None
        before = self._pipeline.estimator.detector.name
        self._pipeline.adapt(settings, estimator)
        if estimator.detector.name != before:
            self.get_logger().info(f'face detector {estimator.detector.name}')

    # Watching

    def _on_check(self) -> None:
        assert self._pipeline is not None
        self._pipeline.check(CHECK_PERIOD_S)
        self.look_for_events()

    def _on_diagnostics(self) -> None:
        assert self._pipeline is not None and self._diagnostics is not None
        name = self.get_fully_qualified_name().lstrip('/')
        statuses = self._pipeline.statuses(name, DIAGNOSTICS_PERIOD_S)
        header = Header(stamp=self.get_clock().now().to_msg())
        self._diagnostics.publish(DiagnosticArray(header=header, status=statuses))


def main(argv: list[str] | None = None) -> int:
    """Run the node until a signal stops it; return the exit code."""
    keep_freed_memory()
    return run_node('head_pose', argv, HeadPoseNode, _spin, (ValueError,))


def _spin(node: HeadPoseNode) -> int:
    if node.get_parameter('autostart').value and not node.start():
        return 1
    rclpy.spin(node)
    return 0


if __name__ == '__main__':
    sys.exit(main())
