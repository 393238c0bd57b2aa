"""Nodes of this package as processes of their own, for tools that need the real thing."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TypeAlias

Process: TypeAlias = 'subprocess.Popen[bytes]'


_PR_SET_PDEATHSIG = 1  # of sys/prctl.h


def ending_with_parent() -> Callable[[], None] | None:
    """
    Return what a child process calls first, to be ended when this one is, however that comes.

    None where the system cannot do it; the main thread has to start the child.
    """
    if sys.platform != 'linux':
        return None
    prctl, parent = ctypes.CDLL(None).prctl, os.getpid()

    def ask() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it has gone meanwhile
            os.kill(os.getpid(), signal.SIGTERM)

    return ask


@contextmanager
def node_process(
    module: str, parameters: Mapping[str, object], remappings: dict[str, str] | None = None
) -> Iterator[Process]:
    """
    Start a node of this package as a process of its own; leaving the block ends it.

    :param module: below fsanet_ros, such as ros.node
    """
    options = [f'{name}:={_yaml(value)}' for name, value in parameters.items()]
    command = [sys.executable, '-m', f'fsanet_ros.{module}', '--ros-args', '--log-level', 'warn']
    for option in options:
        command += ['-p', option]
    for name, other in (remappings or {}).items():
        command += ['-r', f'{name}:={other}']
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, preexec_fn=ending_with_parent())
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(10.0)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _yaml(value: object) -> str:
    if isinstance(value, str):
        # Quoted, or a file named 1.5 would be taken for a number.
        return "'" + value.replace("'", "''") + "'"
    return str(value).lower() if isinstance(value, bool) else str(value)
