"""What runs while the node is active: from the images of its cameras to all outputs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus

from fsanet_ros.estimator import HeadPoseEstimator
from fsanet_ros.inference.heat_maps import make_heat_maps
from fsanet_ros.ros.estimation import Estimate, Estimation, Shot
from fsanet_ros.ros.input.camera_input import CameraInput
from fsanet_ros.ros.output.outputs import Outputs, Seen
from fsanet_ros.ros.settings import HeadPoseSettings
from fsanet_ros.ros.statistics import diagnostic_status
from fsanet_ros.ros.throttling import ThrottledWarnings
from fsanet_ros.tracking.tracker import HeadTracker

# A camera that is silent for longer has nobody in view any more, as far as listeners go.
SILENT_S = 1.0


class Pipeline:
    """
    Cameras, the estimation beside the executor, outputs.

    Made when the node is configured; ``open`` subscribes, ``close`` ends all input and drops what
    waits.
    """

    def __init__(
        self,
        node: Any,
        settings: HeadPoseSettings,
        estimator: HeadPoseEstimator,
        trackers: dict[str, HeadTracker],
        settle: Callable[[], None],
        warnings: ThrottledWarnings,
    ) -> None:
        """
        Make the publishers; nothing is received yet.

        :param trackers: by what their ids start with; those that are missing are added
        :param settle: called before each estimation; calls ``adapt`` when settings have changed
        """
        self.estimator = estimator
        self._node = node
        self._settings = settings
        self._trackers = trackers
        self._settle = settle
        self._warnings = warnings
        self._estimation = Estimation(node, self._on_estimates)
        # The runtime that was chosen: its package is loaded already.
        self._outputs = Outputs(
            node, settings, partial(make_heat_maps, settings.weights, estimator.runtime.name)
        )
        self._cameras: list[CameraInput] = []
        self._arrival = node.create_guard_condition(self._process)

    @property
    def topics(self) -> list[str]:
        """The resolved topics of the images that it listens to; none while it is closed."""
        return [camera.topic for camera in self._cameras]

    def open(self) -> None:
        """Subscribe to the cameras, if that is not done."""
        if not self._cameras:
            self._cameras = [
                CameraInput(
                    *(self._node, index, self._settings, self._trackers),
                    lambda: not self._estimation.busy,
                    self._on_arrival,
                )
                for index in range(len(self._settings.image_topics))
            ]

    def close(self) -> None:
        """End all input, drop what waits or is being estimated; nobody is followed any more."""
        for camera in self._cameras:
            camera.close()
        self._cameras = []
        self._estimation.abandon()
        self._outputs.clear()

    def destroy(self) -> None:
        """Release everything."""
        self.close()
        self._estimation.destroy()
        self._outputs.destroy()
        self._node.destroy_guard_condition(self._arrival)

    def adapt(self, settings: HeadPoseSettings, estimator: HeadPoseEstimator) -> None:
        """Follow settings that have changed; what is being estimated is not touched."""
        self._settings, self.estimator = settings, estimator
        self._outputs.adapt(settings)
        for camera in self._cameras:
            camera.adapt(settings)

    def check(self) -> None:
        """Follow what publishers offer and say what is missing; to be called now and then."""
        for camera in self._cameras:
            camera.refresh()
            if camera.silent_s > max(self._settings.keep_s, SILENT_S):
                self._outputs.forget(camera.topic)
        for problem in self._problems():
            self._warnings.warn(problem)
        self._process()  # what has waited long enough for its camera_info

    def statuses(self, name: str, period_s: float) -> list[DiagnosticStatus]:
        """Return the diagnostics of a period that ends now; ``name`` is the node's."""
        models = {
            'detector': self.estimator.detector.name,
            'weights': self.estimator.runtime.description.name,
            'runtime': self.estimator.runtime.name,
        }
        if not self._cameras:
            return [diagnostic_status(f'{name}: head poses', '', 'disabled by ~/enable', models)]
        several = len(self._cameras) > 1
        statuses = [
            diagnostic_status(
                f'{name}: {camera.topic if several else "head poses"}',
                camera.topic,
                camera.problem(),
                camera.statistics.take(period_s) | models | {'calibration': camera.calibration},
            )
            for camera in self._cameras
        ]
        attention = '; '.join(self._outputs.attention.problems())
        return statuses + [
            diagnostic_status(f'{name}: attention', '', problem, {})
            for problem in (attention,)
            if problem
        ]

    def _problems(self) -> Iterator[str]:
        for camera in self._cameras:
            if problem := camera.problem():
                yield problem
        yield from self._outputs.attention.problems()

    def _on_arrival(self) -> None:
        if len(self._cameras) == 1:
            self._process()
        else:
            # In the executor's next round, when the images of the others that wait have been
            # taken as well: one batch, and nobody comes last each time.
            self._arrival.trigger()

    def _process(self) -> None:
        """Start on the images that wait, one of each camera, unless others are under way."""
        if self._estimation.busy:
            return
        self._settle()
        replay = self._settings.deterministic
        shots: list[Shot] = []
        for camera in sorted(self._cameras, key=lambda camera: camera.waiting_ns):
            # One at a time in a replay: what comes of an image must not depend on the others.
            if not (shots and replay):
                shot = camera.next_shot()
                shots += [shot] if shot is not None else []
        if shots and (replay or self._outputs.wanted()):
            self._estimation.start(self.estimator, shots)

    def _on_estimates(self, estimates: list[Estimate]) -> None:
        self._process()  # the thread works on the next ones meanwhile
        for estimate in estimates:
            self._publish(estimate)

    def _publish(self, estimate: Estimate) -> None:
        camera: CameraInput = estimate.shot.source
        if estimate.image is None:
            camera.statistics.dropped[estimate.dropped] += 1
            self._warnings.warn(f'{camera.topic}: image dropped: {estimate.problem}')
            return
        if estimate.depth_problem:
            self._warnings.warn(f'{camera.topic}: its depth is not used: {estimate.depth_problem}')
        stamp_ns = estimate.shot.stamp_ns
        if camera.jumped_back_by_s(stamp_ns):
            self._warnings.warn(
                f'{camera.topic}: time jumped back by {camera.jumped_back_by_s(stamp_ns):.3f} s '
                '(a recording that starts again?): heads get new ids'
            )
            self._outputs.clear()
        tracked = camera.track(estimate.heads, stamp_ns)
        header = estimate.shot.message.header
        self._outputs.publish(
            Seen(
                *(header, estimate.image, estimate.camera, camera.index, camera.topic),
                *(tracked, camera.ids),
            )
        )
        latency_s = (self._node.get_clock().now().nanoseconds - stamp_ns) / 1e9
        camera.statistics.count_processed(len(tracked), latency_s)
