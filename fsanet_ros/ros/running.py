"""Run a node from the command line: one line for what a user gets wrong, clean on signals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import rclpy
from rclpy.executors import ExternalShutdownException

NodeType = TypeVar('NodeType')


def run_node(
    name: str,
    argv: list[str] | None,
    make: Callable[[], NodeType],
    spin: Callable[[NodeType], int],
    errors: tuple[type[Exception], ...],
) -> int:
    """
    Make a node and spin it until it ends or a signal ends it.

    :param name: of the node, for the log
    :param spin: returns the exit code
    :param errors: what is the user's mistake and is told in one line
    :returns: the exit code: 0 after SIGINT and SIGTERM, 1 after one of the errors
    """
    try:
        rclpy.init(args=argv)
    except RuntimeError as error:  # arguments that ROS can not read
        rclpy.logging.get_logger(name).fatal(' '.join(str(error).split()))
        return 1
    node: Any = None
    try:
        node = make()
        return spin(node)
    except (KeyboardInterrupt, ExternalShutdownException):
        return 0
    except errors as error:
        rclpy.logging.get_logger(name).fatal(str(error))
        return 1
    except RuntimeError:  # what publishing raises when a signal has shut the context down
        if rclpy.ok():
            raise
        return 0
    finally:
        if node is not None:
            node.destroy_node()
        rclpy.try_shutdown()
