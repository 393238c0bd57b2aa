"""
The way of an image, from its message to all outputs: ``Pipeline.process``.

Two threads share it. The executor's does all that is ROS: it takes messages, keeps identities,
publishes. A worker's reads the pixels and runs detector and network, most of it outside Python's
lock, while the executor receives the next image.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import islice

from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.lifecycle import LifecycleNode

from fsanet_ros.estimator import HeadPoseEstimator
from fsanet_ros.inference.heat_maps import make_heat_maps
from fsanet_ros.ros.estimation import Estimate, estimate
from fsanet_ros.ros.input.live_camera import LiveCamera
from fsanet_ros.ros.input.recorded_camera import RecordedCamera
from fsanet_ros.ros.input.topic_camera import Camera, CameraImage, Demand
from fsanet_ros.ros.output.outputs import Outputs, Seen
from fsanet_ros.ros.settings import HeadPoseSettings
from fsanet_ros.ros.statistics import diagnostic_status
from fsanet_ros.ros.throttling import ThrottledWarnings
from fsanet_ros.ros.worker import Worker
from fsanet_ros.tracking.tracker import HeadTracker

# After this much silence of a camera, listeners are told that nobody is in view.
SILENT_S = 1.0


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
            camera, stamp_ns = found.image.camera, found.image.stamp_ns
            if found.pixels is None:
                self._drop(found)
                continue
            if found.depth_problem:
                self._warn(camera, f'depth is not used: {found.depth_problem}')
            # Heads with identities.
            if back_s := camera.jumped_back_by_s(stamp_ns):
                self._warn(
                    camera,
                    f'time jumped back by {back_s:.3f} s (has a recording started again?): '
                    'heads get new ids',
                )
                self._outputs.clear()
            tracked = camera.track(found.heads, stamp_ns)
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
            latency_s = (self._node.get_clock().now().nanoseconds - stamp_ns) / 1e9
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

    def check(self) -> None:
        """Follow what publishers offer and say what is missing; to be called now and then."""
        for camera in self._cameras:
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

    def _drop(self, found: Estimate) -> None:
        found.image.camera.statistics.dropped[found.dropped] += 1
        self._warn(found.image.camera, f'image dropped: {found.problem}')

    def _warn(self, camera: Camera, text: str) -> None:
        self._warnings.warn(f'{camera.topic}: {text}', f'images of {camera.topic}')

    def _problems(self) -> Iterator[tuple[str, str]]:
        """Yield what is missing, each after its cause."""
        for camera in self._cameras:
            if problem := camera.problem():
                yield camera.topic, problem
        for problem in self._outputs.attention.problems():
            yield 'attention', problem
