"""
Nodes under test: as processes of their own, in a ROS domain of their own.

Importing this module sets the environment of the test's process too, so import it before rclpy
is initialised: test and nodes then share the domain and the shared-memory transport.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
# How long a test waits for what should come soon: long, as the machine may be busy.
PATIENCE_S = 60.0


def ros_environment() -> dict[str, str]:
    """Return the variables that keep a test from robots, other tests and lost images."""
    profile = str(ROOT / 'config' / 'fastdds_shm.xml')
    domain = os.environ.get('FSANET_TEST_DOMAIN_ID') or str(1 + os.getpid() % 101)
    return {
        'ROS_DOMAIN_ID': domain,
        'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST',  # Humble does not know it
        'FASTRTPS_DEFAULT_PROFILES_FILE': profile,  # Humble, Jazzy
        'FASTDDS_DEFAULT_PROFILES_FILE': profile,  # Kilted and later
        'PYTHONUNBUFFERED': '1',
    }


os.environ.update(ros_environment())


class NodeProcess:
    """
    A node started as a process; leaving the ``with`` block stops it, by its id alone.

    ``arguments`` follow the Python interpreter: ``['-m', 'fsanet_ros.ros.video_source', ...]``.
    Leaving fails the test when the node does not end after SIGINT.
    """

    def __init__(self, arguments: Sequence[str], environment: dict[str, str] | None = None):
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 (closed by __exit__)
        paths = [str(ROOT), os.environ.get('PYTHONPATH', '')]
        self._process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=ROOT,
            env={
                **os.environ,
                'PYTHONPATH': os.pathsep.join(filter(None, paths)),
                **(environment or {}),
            },
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )

    @property
    def output(self) -> str:
        """What it has written so far, stdout and stderr."""
        # By the descriptor: the file's own position is shared with the process.
        return os.pread(self._log.fileno(), 1 << 24, 0).decode('utf-8', 'replace')

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def wait_for_output(self, text: str, timeout_s: float = PATIENCE_S) -> None:
        """Wait until it has written ``text``; fail when it ends before or takes too long."""
        until(lambda: text in self.output or not self.running, timeout_s)
        assert text in self.output, f'{text!r} is not in the output:\n{self.output}'

    def wait(self, timeout_s: float = PATIENCE_S) -> int:
        """Return its exit code; fail when it does not end by itself in time."""
        until(lambda: not self.running, timeout_s)
        assert not self.running, f'still running after {timeout_s:g} s:\n{self.output}'
        return self._process.returncode

    def send(self, sig: signal.Signals) -> None:
        self._process.send_signal(sig)

    def stop(self, timeout_s: float = PATIENCE_S) -> int:
        """Send SIGINT and return the exit code."""
        if self.running:
            self.send(signal.SIGINT)
        return self.wait(timeout_s)

    def __enter__(self) -> NodeProcess:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self.stop()
        finally:
            if self.running:
                self._process.kill()
                self._process.wait()
            if kind is not None:
                print(f'output of process {self._process.pid}:\n{self.output}')
            self._log.close()


class Unreachable(AssertionError):
    """A service that is not there, or that the middleware has not led us to."""


class Services:
    """
    The services of other nodes, through one client each that is kept.

    Kept, because Fast DDS does not always match an endpoint that comes right after another of the
    same name has gone.
    """

    def __init__(self, node: Any, step: Callable[[], object]) -> None:
        """``step`` spins ``node`` once."""
        self._node = node
        self._step = step
        self._clients: dict[str, Any] = {}

    def client(self, kind: Any, name: str, timeout_s: float = 30.0) -> Any:
        """Return the client of a service that is ready; raise Unreachable."""
        if name not in self._clients:
            self._clients[name] = self._node.create_client(kind, name)
        client = self._clients[name]
        if not until(client.service_is_ready, timeout_s, self._step):
            raise Unreachable(f'the service {name} is not there')
        return client

    def call(self, kind: Any, name: str, request: Any) -> Any:
        """
        Return the response of a service.

        Asks again after some seconds, so ask only what may be asked twice: Fast DDS discovers both
        directions on their own, and loses a response to a client that the server does not know
        yet.
        """
        for _ in range(3):
            future = self.client(kind, name).call_async(request)
            if until(future.done, timeout_s=10.0, step=self._step):
                return future.result()
        raise Unreachable(f'the service {name} does not answer')


def until(
    condition: Callable[[], bool],
    timeout_s: float = PATIENCE_S,
    step: Callable[[], object] = lambda: time.sleep(0.02),
) -> bool:
    """Repeat ``step`` (such as spinning a node once) until ``condition`` holds or time is up."""
    end = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > end:
            return False
        step()
    return True
