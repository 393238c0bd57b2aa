"""
The way of an image, from its message to all outputs: ``Pipeline.process``.

Two threads share it. The executor's does all that is ROS: it takes messages, keeps identities,
publishes. A worker's reads the pixels and runs detector and network, most of it outside Python's
lock, while the executor receives the next image.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial
from itertools import islice

from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.lifecycle import LifecycleNode

from fsanet_ros.estimator import HeadPoseEstimator
from fsanet_ros.inference.heat_maps import make_heat_maps
from fsanet_ros.ros.estimation import Estimate, estimate
from fsanet_ros.ros.input.image_clock import Lateness, NodeClock
from fsanet_ros.ros.input.live_camera import LiveCamera
from fsanet_ros.ros.input.recorded_camera import RecordedCamera
from fsanet_ros.ros.input.topic_camera import PATIENCE_S, Camera, CameraImage, Demand
from fsanet_ros.ros.output.outputs import Outputs, Seen
from fsanet_ros.ros.settings import HeadPoseSettings
from fsanet_ros.ros.statistics import FAILED, diagnostic_status
from fsanet_ros.ros.throttling import ThrottledWarnings
from fsanet_ros.ros.worker import Worker
from fsanet_ros.tracking.tracker import HeadTracker

# After this much silence of a camera, listeners are told that nobody is in view.
SILENT_S = 1.0
# One image in work for so long is an overload; so are images of OVERLOAD_S where nothing else is
# done in this share of the time.
SLOW_S, OVERLOAD_S, FULL_LOAD = 2.0, 0.25, 0.95


class Pipeline:
    """
    Cameras, the worker, outputs.

    Made when the node is configured; ``open`` subscribes, ``close`` ends all input and drops what
    waits. Settings come in through ``adapt`` and go on to cameras and outputs, never back.
    """

    def __init__(
        self,
        node: LifecycleNode,
        settings: HeadPoseSettings,
        estimator: HeadPoseEstimator,
        trackers: dict[str, HeadTracker],
        warnings: ThrottledWarnings,
    ) -> None:
        """
        Make the publishers; nothing is received yet.

        :param trackers: by the prefix of their ids; those that are missing are added
        """
        self.estimator = estimator
        self._node = node
        self._settings = settings
        self._trackers = trackers
        self._warnings = warnings
        self._worker = Worker(node, 'estimation')
        # The runtime that was chosen: its package is loaded already.
        self._outputs = Outputs(
            node,
            settings,
            partial(make_heat_maps, settings.network.weights, estimator.runtime.name),
        )
        self._camera_kind = RecordedCamera if settings.input.deterministic else LiveCamera
        self._cameras: list[Camera] = []
        self._clock = NodeClock()
        self._lateness = Lateness()
        self._load = 0.0
        self._arrival = node.create_guard_condition(self._start)

    async def process(self) -> None:
        """Carry the images that wait from their messages to all outputs."""
        # The oldest image of each camera, with its calibration and depth.
        images = self._next_images()
        if not images:
            return
        # In the worker: pixels, faces, crops, rotations, distances; all faces in one batch.
        estimates = await self._worker.run(estimate, self.estimator, images)
        # The worker goes on with what has come meanwhile, while this thread publishes.
        self._start()
        for found in estimates:
            try:
                self._publish(found)
            except Exception as error:  # of one image; the next may do
                if not self._node.context.ok():
                    raise
                self._drop(found.image.camera, FAILED, f'{type(error).__name__}: {error}')

    def _publish(self, found: Estimate) -> None:
        camera, time_ns = found.image.camera, found.image.time_ns
        if found.pixels is None:
            self._drop(camera, found.dropped, found.problem)
            return
        if found.depth_problem:
            self._warn(camera, f'depth is not used: {found.depth_problem}')
        if found.damage:
            self._warn(camera, f'images may be damaged on their way: {found.damage}')
        # Heads with identities.
        if back_s := camera.jumped_back_by_s(time_ns):
            self._warn(
                camera,
                f'time jumped back by {back_s:.3f} s (has a recording started again?): '
                'heads get new ids',
            )
            self._outputs.clear()
        tracked = camera.track(found.heads, time_ns)
        header = camera.header_of(found.image.message)
        camera.notices.look_at_picture(found.pixels, found.image.bits.bits)
        for notice in camera.notices.take():
            self._warn(camera, notice)
        # Messages, each only if somebody subscribes to it.
        self._outputs.publish(
            Seen(
                header=header,
                image=found.pixels,
                camera=found.camera,
                camera_index=camera.index,
                camera_topic=camera.topic,
                tracked=tracked,
                alive=camera.ids,
            )
        )
        now_ns = self._node.get_clock().now().nanoseconds
        latency_s = camera.clock.latency_s(found.image.stamp_ns, now_ns)
        camera.statistics.count_processed(len(tracked), latency_s)

    @property
    def topics(self) -> list[str]:
        """The resolved topics of the images that it listens to; none while it is closed."""
        return [camera.topic for camera in self._cameras]

    def open(self) -> None:
        """Subscribe to the cameras, if that is not done."""
        if self._cameras:
            return
        demand = Demand(
            is_idle=lambda: not self._worker.busy,
            is_heard=self._outputs.wanted,
            arrived=self._on_arrival,
        )
        self._lateness = Lateness()
        self._cameras = [
            self._camera_kind(self._node, index, self._settings, self._trackers, demand)
            for index in range(len(self._settings.input.image_topics))
        ]

    def close(self) -> None:
        """End all input, drop what waits or is in the worker; nobody is tracked any more."""
        for camera in self._cameras:
            camera.close()
        self._cameras = []
        self._worker.abandon()
        self._outputs.clear()

    def destroy(self) -> None:
        """Release everything."""
        self.close()
        self._worker.destroy()
        self._outputs.destroy()
        self._node.destroy_guard_condition(self._arrival)

    def adapt(self, settings: HeadPoseSettings, estimator: HeadPoseEstimator) -> None:
        """Follow settings that have changed; what is in the worker is not touched."""
        self._settings, self.estimator = settings, estimator
        self._outputs.adapt(settings)
        for camera in self._cameras:
            camera.adapt(settings)

    def check(self, period_s: float) -> None:
        """
        Follow what publishers offer and say what is missing.

        :param period_s: how often it is called
        """
        late_s = self._lateness.late_s(time.monotonic(), period_s)
        for camera in self._cameras:
            # While the node did not run, nothing could come.
            camera.excuse_silence(late_s)
            camera.refresh()
            if camera.silent_s > max(self._settings.tracking.keep_s, SILENT_S):
                self._outputs.forget(camera.topic)
        for cause, problem in self._problems():
            self._warnings.warn(problem, cause)
        self._start()  # on images that have waited long enough for their camera_info

    def statuses(self, name: str, period_s: float) -> list[DiagnosticStatus]:
        """Return the diagnostics of a period that ends now; ``name`` is the node's."""
        models = {
            'detector': self.estimator.detector.name,
            'weights': self.estimator.runtime.description.name,
            'runtime': self.estimator.runtime.name,
        }
        self._load = self._worker.take_load()
        if not self._cameras:
            return [diagnostic_status(f'{name}: head poses', '', 'disabled by ~/enable', models)]
        several = len(self._cameras) > 1
        models['load (%)'] = f'{100 * self._load:.0f}'
        statuses = [
            diagnostic_status(
                f'{name}: {camera.topic if several else "head poses"}',
                camera.topic,
                '; '.join(filter(None, [self._problem(camera), self._notice(camera)])),
                camera.statistics.take(period_s)
                | models
                | {'calibration': camera.calibration, 'stamps': camera.clock.difference or 'fit'},
            )
            for camera in self._cameras
        ]
        if attention := '; '.join(self._outputs.attention.problems()):
            statuses.append(diagnostic_status(f'{name}: attention', '', attention, {}))
        return statuses

    def _start(self) -> None:
        """Process what waits, unless something is being processed."""
        if not self._worker.busy:
            self._worker.start(self.process())

    def _on_arrival(self) -> None:
        if len(self._cameras) == 1:
            self._start()
        else:
            # In the executor's next round, when images of the other cameras have been taken
            # too: one batch, and no camera comes last each time.
            self._arrival.trigger()

    def _next_images(self) -> list[CameraImage]:
        by_age = sorted(self._cameras, key=lambda camera: camera.waiting_ns)
        images = (camera.next_image() for camera in by_age)
        return list(islice((i for i in images if i is not None), self._camera_kind.batch))

    def _drop(self, camera: Camera, reason: str, problem: str) -> None:
        camera.statistics.dropped[reason] += 1
        self._warn(camera, f'image dropped: {problem}')

    def _warn(self, camera: Camera, text: str) -> None:
        self._warnings.warn(f'{camera.topic}: {text}', f'images of {camera.topic}')

    def _problem(self, camera: Camera) -> str:
        """Return what keeps a camera from its full output, the gravest first."""
        now_s = time.monotonic()
        clock = self._clock.problem(self._node.get_clock().now().nanoseconds, now_s)
        busy_s = self._worker.busy_for_s
        if self._load > FULL_LOAD:
            busy_s = max(busy_s, self._worker.took_s)
        if late := self._lateness.problem(now_s):
            return late
        if busy_s > OVERLOAD_S and (self._load > FULL_LOAD or busy_s > SLOW_S):
            return f'overload: {camera.topic}: nothing but images is worked on, each {busy_s:.1f} s'
        # Without images there is no use for the time.
        return (clock if camera.silent_s < SILENT_S else '') or camera.problem()

    def _notice(self, camera: Camera) -> str:
        """Return what the log says once of a camera, for as long as it holds."""
        notice = camera.notices.problem
        return f'{camera.topic}: {notice}' if notice and camera.silent_s < PATIENCE_S else ''

    def _problems(self) -> Iterator[tuple[str, str]]:
        """Yield what is missing, each after its cause."""
        for camera in self._cameras:
            if problem := self._problem(camera):
                yield camera.topic, problem
        for problem in self._outputs.attention.problems():
            yield 'attention', problem
