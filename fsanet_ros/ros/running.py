"""Run a node from the command line: one line for what a user gets wrong, clean on signals."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TypeVar

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

NodeType = TypeVar('NodeType', bound=Node)
SIGNALS = (signal.SIGINT, signal.SIGTERM)


def run_node(
    name: str,
    argv: list[str] | None,
    make: Callable[[], NodeType],
    spin: Callable[[NodeType], int],
    errors: tuple[type[Exception], ...],
) -> int:
    """
    Make a node and spin it until it ends or a signal ends it; for the main thread.

    :param name: of the node, for the log
    :param spin: returns the exit code
    :param errors: what is the user's mistake; its text is logged in one line
    :returns: the exit code: 0 after SIGINT and SIGTERM, 1 after one of the errors
    """
    try:
        # rclpy's own handlers end the context at once: the node could not tell anybody that its
        # people are no longer followed.
        rclpy.init(args=argv, signal_handler_options=SignalHandlerOptions.NO)
    except RuntimeError as error:  # arguments that ROS cannot read
        rclpy.logging.get_logger(name).fatal(' '.join(str(error).split()))
        return 1
    node: NodeType | None = None
    try:
        with _signals() as call_on_signal:
            node = make()
            stop = node.create_guard_condition(_interrupt)
            call_on_signal(stop.trigger)
            return spin(node)
    except (KeyboardInterrupt, ExternalShutdownException):
        return 0
    except errors as error:
        rclpy.logging.get_logger(name).fatal(str(error))
        return 1
    except RuntimeError:  # raised by publishing after the context was shut down
        if rclpy.ok():
            raise
        return 0
    finally:
        if node is not None:
            node.destroy_node()
        rclpy.try_shutdown()


def _interrupt() -> None:
    raise KeyboardInterrupt


@contextmanager
def _signals() -> Iterator[Callable[[Callable[[], None]], None]]:
    """
    Have something called, in a thread, at the first signal; the second one interrupts.

    Python runs its own handlers in the main thread only, and only when that comes back from what
    it waits for: a pipe is written to at once. Until there is something to call, the first
    signal interrupts.
    """
    calls: list[Callable[[], None]] = []
    numbers: list[int] = []

    def handle(number: int, frame: FrameType | None) -> None:
        numbers.append(number)
        if not calls or len(numbers) > 1:
            raise KeyboardInterrupt

    def listen() -> None:
        while os.read(readable, 1):
            for call in calls:
                call()

    readable, writable = os.pipe()
    os.set_blocking(writable, False)
    thread = threading.Thread(target=listen, name='signals', daemon=True)
    thread.start()
    before = {number: signal.signal(number, handle) for number in SIGNALS}
    pipe_before = signal.set_wakeup_fd(writable, warn_on_full_buffer=False)
    try:
        yield calls.append
    finally:
        signal.set_wakeup_fd(pipe_before)
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(writable)  # which ends the thread
        thread.join()
        os.close(readable)
