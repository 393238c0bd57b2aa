"""Sends the camera its orders and hears the answers to its images."""

from __future__ import annotations

import contextlib
import json
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import QoSProfile

from fsanet_ros.benchmarks.node_runs.topics import SOURCES
from fsanet_ros.benchmarks.timing import percentiles
from fsanet_ros.msg import HeadPoseArray
from fsanet_ros.ros.stamps import nanoseconds

DEPTH = 1000  # nobody who answers shall wait for the one who counts
_PATIENCE_S = 20.0  # beyond the time that an order takes


class BenchError(RuntimeError):
    """A process of the bench that does not do its part; the text says which."""


@dataclass(frozen=True)
class Answer:
    """One answer: the stamp of its image, when it came (nanoseconds), how many heads it has."""

    stamp_ns: int
    received_ns: int
    heads: int


@dataclass(frozen=True)
class Exchange:
    """
    Images that were sent at a rate, and the answers.

    ``seconds``: from the first image to one period after the last.
    """

    sent: int
    seconds: float
    answers: tuple[Answer, ...]

    @property
    def latencies_ms(self) -> list[float]:
        """Milliseconds from an image's stamp to its answer, in the order of the answers."""
        return [(answer.received_ns - answer.stamp_ns) / 1e6 for answer in self.answers]

    @property
    def latency_ms(self) -> dict[str, float]:
        """Return p50, p95 and p99 of the latencies; ValueError without an answer."""
        return percentiles(self.latencies_ms)


class CameraProcess:
    """The camera of camera.py as a process; leaving the ``with`` block ends it."""

    def __init__(self, frames: Path, transport: str) -> None:
        """Start it with pictures as numpy.save writes them."""
        module = 'fsanet_ros.benchmarks.node_runs.bench_camera'
        self._process = subprocess.Popen(
            [sys.executable, '-m', module, str(frames), '--transport', transport],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._lines: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=self._read, name='camera', daemon=True)
        self._reader.start()

    def order(self, order: Mapping[str, Any], timeout_s: float, step: Callable[[], object]) -> Any:
        """
        Give an order, repeat ``step`` until it is done, and return its result.

        :raises BenchError: if that takes too long or the camera has ended
        """
        assert self._process.stdin is not None
        end = time.monotonic() + timeout_s
        try:
            self._process.stdin.write(json.dumps(order) + '\n')
            self._process.stdin.flush()
        except BrokenPipeError as error:
            raise BenchError('the camera has ended; its output is above') from error
        while True:
            try:
                return json.loads(self._lines.get_nowait())
            except queue.Empty:
                step()
            if self._process.poll() is not None:
                raise BenchError(f'the camera has ended with code {self._process.returncode}')
            if time.monotonic() > end:
                raise BenchError(f'the camera has not answered in {timeout_s:g} s')

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                self._lines.put(line)

    def __enter__(self) -> CameraProcess:
        return self

    def __exit__(self, *error: object) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()  # which ends it
        try:
            self._process.wait(10.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join()


class Collector:
    """Hears all answers, in a context of its own; leaving the ``with`` block ends it."""

    def __init__(self, camera: CameraProcess, check: Callable[[], None]) -> None:
        """``check`` is called now and then, to raise when a node has ended."""
        self._camera = camera
        self._check = check
        self._answers: dict[str, list[Answer]] = {source: [] for source in SOURCES}
        self._context = rclpy.Context()
        rclpy.init(args=[], context=self._context)
        self._node = rclpy.create_node('bench_collector', context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        for source, topic in SOURCES.items():
            self._node.create_subscription(
                HeadPoseArray, topic, self._taker(source), QoSProfile(depth=DEPTH)
            )

    def exchange(
        self, source: str, rate_hz: float, seconds: float, settle_s: float = 0.5
    ) -> Exchange:
        """
        Have images sent on a topic of SOURCES, and return them with what came of them.

        :param settle_s: how long answers are awaited after the last that has come
        :raises BenchError: if one of the processes does not do its part
        """
        answers = self._answers[source]
        answers.clear()
        order = {'topic': source, 'rate_hz': rate_hz, 'seconds': seconds}
        done = self._camera.order(order, seconds + _PATIENCE_S, self._step)
        sent = set(done['stamps_ns'])
        quiet_since, count = time.monotonic(), len(answers)
        while time.monotonic() < quiet_since + settle_s and len(answers) < len(sent):
            self._step()
            if len(answers) != count:
                quiet_since, count = time.monotonic(), len(answers)
        ours = {answer.stamp_ns: answer for answer in answers if answer.stamp_ns in sent}
        return Exchange(len(sent), done['seconds'], tuple(ours.values()))

    def wait_for_subscribers(self, timeout_s: float) -> None:
        """
        Wait until the camera's topics are all subscribed to.

        :raises BenchError: if that takes too long
        """
        order = {'wait_s': timeout_s}
        missing = self._camera.order(order, timeout_s + _PATIENCE_S, self._step)['missing']
        if missing:
            raise BenchError(
                f'nobody has subscribed to {", ".join(missing)} in {timeout_s:g} s; is the output '
                'of the nodes above?'
            )

    def _step(self) -> None:
        self._executor.spin_once(timeout_sec=0.05)
        self._check()

    def _taker(self, source: str) -> Callable[[HeadPoseArray], None]:
        def take(message: HeadPoseArray) -> None:
            received_ns = time.time_ns()
            stamp_ns = nanoseconds(message.header.stamp)
            self._answers[source].append(Answer(stamp_ns, received_ns, len(message.heads)))

        return take

    def __enter__(self) -> Collector:
        return self

    def __exit__(self, *error: object) -> None:
        self._executor.shutdown()
        self._node.destroy_node()
        rclpy.shutdown(context=self._context)
