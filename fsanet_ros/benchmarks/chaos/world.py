"""A node head_pose as a process, with a camera and listeners around it that faults can change."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Any

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import QoSProfile
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from fsanet_ros.benchmarks.chaos.faults import ChaosError, Fault, Outcome
from fsanet_ros.msg import HeadPoseArray
from fsanet_ros.ros.clients.processes import ending_with_parent
from fsanet_ros.ros.input.images import image_from_bgr

FRAME = 'camera_optical_frame'
RATE_HZ = 15.0
_START_S = 120.0
_IN_A_ROW = 5


class Camera:
    """Publishes pictures in a loop; its fields may be changed at any time."""

    def __init__(self, node: Any, pictures: Sequence[np.ndarray]) -> None:
        """``pictures``: uint8 [h, w, 3] BGR."""
        self.pictures = list(pictures)
        self.encoding = 'bgr8'
        self.on = True
        self.stamp_ns: Callable[[], int] = time.time_ns
        self._node = node
        self._count = 0
        self._publisher = node.create_publisher(Image, 'image', QoSProfile(depth=1))

    def send(self) -> None:
        """Publish the next picture, if the camera is on."""
        if self.on:
            self._count += 1
            picture = self.pictures[self._count % len(self.pictures)]
            header = Header(frame_id=FRAME)
            header.stamp.sec, header.stamp.nanosec = divmod(self.stamp_ns(), 10**9)
            self._publisher.publish(image_from_bgr(picture, header, self.encoding))

    def publish(self, message: Image) -> None:
        """Publish something else."""
        self._publisher.publish(message)

    def restart(self, silent: Callable[[], None]) -> None:
        """End the publisher and make it anew."""
        self._node.destroy_publisher(self._publisher)
        self.on = False
        silent()
        self._publisher = self._node.create_publisher(Image, 'image', QoSProfile(depth=1))
        self.on = True


class World:
    """The node under test and what is around it; leaving the ``with`` block ends everything."""

    def __init__(
        self,
        pictures: Sequence[np.ndarray],
        parameters: dict[str, object],
        through: Sequence[str] = (),
    ) -> None:
        """
        Say what it is made of.

        :param pictures: with a face in each
        :param through: a command that runs the node's
        """
        self._through = list(through)
        self.parameters = dict(parameters)
        self.answers: list[HeadPoseArray] = []
        self.said: list[str] = []
        self._pictures = pictures
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 (closed by __exit__)

    def __enter__(self) -> World:
        """Start everything."""
        rclpy.init(args=[])
        self.ros = rclpy.create_node('chaos')
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self.ros)
        self.camera = Camera(self.ros, self._pictures)
        self.ros.create_timer(1.0 / RATE_HZ, lambda: self.camera.send())
        self.ros.create_subscription(HeadPoseArray, 'head_poses', self.answers.append, 10)
        self.ros.create_subscription(DiagnosticArray, '/diagnostics', self._on_diagnostics, 10)
        self.start_node()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End everything."""
        self.end_node(signal.SIGINT)
        self._executor.shutdown()
        self.ros.destroy_node()
        rclpy.try_shutdown()
        self._log.close()

    def start_node(self) -> None:
        """Start the node's process."""
        options = [f'{n}:={_yaml(value)}' for n, value in self.parameters.items()]
        command = [*self._through, sys.executable, '-m', 'fsanet_ros.ros.node', '--ros-args']
        for option in options:
            command += ['-p', option]
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            preexec_fn=ending_with_parent(),
        )

    def end_node(self, number: int) -> int:
        """Send a signal to the node, and wait for its end; return its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
            try:
                self.process.wait(_START_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        return self.process.returncode

    def spin(self, seconds: float) -> None:
        """Let time go by."""
        self.until(lambda: False, seconds)

    def until(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Let time go by until a condition holds; return whether it does."""
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                return False
            self._executor.spin_once(timeout_sec=0.02)
        return True

    def log(self) -> str:
        """Return what the node has written so far."""
        return os.pread(self._log.fileno(), 1 << 24, 0).decode('utf-8', 'replace')

    def heads_again(self, seconds: float) -> float:
        """Return the seconds until heads come in several answers in a row."""
        begin_s, first = time.monotonic(), len(self.answers)

        def recovered() -> bool:
            last = self.answers[max(first, len(self.answers) - _IN_A_ROW) :]
            return len(last) == _IN_A_ROW and all(answer.heads for answer in last)

        if not self.until(recovered, seconds):
            lately = len(self.answers) - first
            raise ChaosError(f'no heads within {seconds:g} s ({lately} answers came)')
        return time.monotonic() - begin_s

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        self.said += [status.message for status in message.status]


def run_faults(world: World, faults: Sequence[Fault]) -> Iterator[Outcome]:
    """Make faults one after the other; yield what came of each."""
    world.heads_again(_START_S)
    for fault in faults:
        if obstacle := fault.obstacle():
            yield Outcome(fault.name, fault.what, fault.limit_s, skipped=obstacle)
            continue
        yield _run(world, fault)
        if world.process.poll() is not None:
            world.start_node()
        world.heads_again(_START_S)


def _run(world: World, fault: Fault) -> Outcome:
    world.answers.clear()
    world.said.clear()
    written = len(world.log())
    recovery_s, failure, answers = float('nan'), '', 0
    try:
        elsewhere_s = fault.make(world)
        answers = len(world.answers)
        recovery_s = world.heads_again(fault.limit_s)
        if elsewhere_s is not None:
            recovery_s = max(recovery_s, elsewhere_s)
        if recovery_s > fault.limit_s:
            raise ChaosError(f'heads came again after {recovery_s:.1f} s only')
        world.until(lambda: _is_said(fault, world.said), 3.0)
        _check(world, fault, world.log()[written:])
    except ChaosError as error:
        failure = str(error)
    return Outcome(
        fault.name,
        fault.what,
        fault.limit_s,
        recovery_s,
        answers,
        tuple(dict.fromkeys(text for text in world.said if text != 'running')),
        world.log()[written:].count('\n'),
        failure,
    )


def _is_said(fault: Fault, said: Sequence[str]) -> bool:
    return not fault.says or any(part in text for part in fault.says for text in said)


def _check(world: World, fault: Fault, log: str) -> None:
    if world.process.poll() is not None:
        raise ChaosError(f'the node ended with code {world.process.returncode}')
    if 'Traceback' in log:
        raise ChaosError('a traceback in the log')
    if not _is_said(fault, world.said):
        raise ChaosError(f'diagnostics never said {" or ".join(map(repr, fault.says))}')
    for answer in world.answers:
        ids = [head.id for head in answer.heads]
        if len(set(ids)) < len(ids):
            raise ChaosError(f'an id twice in one answer: {ids}')


def _yaml(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
