"""Run a node from the command line: one line for what a user gets wrong, clean on signals."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TypeVar

import rclpy
from rclpy.exceptions import ParameterException
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from fsanet_ros.files.texts import one_line
from fsanet_ros.ros.shared_memory import keep_private
from fsanet_ros.ros.signals import stop_at_signals

NodeType = TypeVar('NodeType', bound=Node)


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
    :returns: the exit code: 0 after SIGINT, SIGTERM and SIGHUP, 1 after one of the errors
    """
    # Logs and shared memory hold where people look, and pictures of them: for this user alone.
    usual = os.umask(0o077)
    with stop_at_signals() as stop:
        try:
            # rclpy's own handlers end the context at once: the node could not tell anybody that
            # its people are no longer followed.
            rclpy.init(args=argv, signal_handler_options=SignalHandlerOptions.NO)
        except RuntimeError as error:  # arguments that ROS cannot read
            rclpy.logging.get_logger(name).fatal(one_line(error))
            return 1
        node: NodeType | None = None
        try:
            node = make()
            keep_private()
            stop.tell(node.create_guard_condition(_interrupt).trigger)
            return 0 if stop.asked else spin(node)
        except (KeyboardInterrupt, ExternalShutdownException):
            return 0
        except (*errors, ParameterException) as error:  # also of rclpy's own parameters
            rclpy.logging.get_logger(name).fatal(one_line(error))
            return 1
        except RuntimeError:  # raised by publishing after the context was shut down
            if rclpy.ok():
                raise
            return 0
        finally:
            stop.tell(lambda: None)
            if node is not None:
                node.destroy_node()
            rclpy.try_shutdown()
            os.umask(usual)


def _interrupt() -> None:
    raise KeyboardInterrupt
