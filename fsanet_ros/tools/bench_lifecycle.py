"""
The node's memory over many rounds through its lifecycle, with images coming all the time.

A round is configure, activate, an answer to an image, deactivate, clean up. Memory that grows with
the rounds is a leak. How to read it: docs/how_to/measure_speed.md.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from fsanet_ros.benchmarks.bench_arguments import add_outputs, positive_number, save, save_report
from fsanet_ros.benchmarks.bench_report import plot_lifecycle, table
from fsanet_ros.benchmarks.machine import Machine, memory_mb
from fsanet_ros.benchmarks.node_runs.collector import BenchError
from fsanet_ros.benchmarks.node_runs.surroundings import leave_the_robot_alone
from fsanet_ros.benchmarks.scenes import make_scene
from fsanet_ros.research.arguments import positive
from fsanet_ros.tools.bench_node import add_parameters, chosen_case, surround
from fsanet_ros.tools.command_line import command_parser, fail

HEADER = ('round', 'seconds', 'RSS, MB', 'private, MB', 'threads', 'open files')
_ROWS = 20
_PATIENCE_S = 60.0
# Of the round's transitions, by their ids in lifecycle_msgs/Transition.
_UP, _DOWN = (1, 3), (4, 2)


def bench_lifecycle(argv: Sequence[str]) -> int:
    """Measure from the command line; return 0, or 1 when the node did not hold out."""
    arguments = _parser().parse_args(argv)
    try:
        case, parameters = chosen_case(arguments)
    except (ValueError, OSError, ImportError) as error:
        return fail('bench lifecycle', error)
    machine = Machine()
    print(machine.summary())
    leave_the_robot_alone()
    figures: dict[str, Any] = {'case': case.name, 'parameters': parameters, **surround()}
    parts: list[dict[str, float]] = []
    every = max(1, arguments.rounds // _ROWS)
    print('  '.join(HEADER))
    try:
        images = make_scene(case).images
        for part in rounds(images, arguments.rate, parameters, arguments.rounds):
            parts.append(part)
            if part['round'] % every == 0:
                print('  '.join(row(part)), flush=True)
    except BenchError as error:
        return fail('bench lifecycle', error)
    figures |= {'rate_hz': arguments.rate, 'rounds': parts, **growth(parts)}
    save(arguments, machine, figures)
    said = (
        f'{case.name}, {arguments.rate:g} Hz, {len(parts)} rounds: private memory grows by '
        f'{figures["kb_per_round"]:.1f} kB a round in the second half.\n'
    )
    print(said)
    page = [said, table(HEADER, map(row, parts[::every]))]
    save_report(arguments, machine, 'lifecycle', page, partial(plot_lifecycle, parts))
    return 0


def growth(parts: Sequence[dict[str, float]]) -> dict[str, float]:
    """Return by how much private memory grows in the second half, in kilobytes a round."""
    late = parts[len(parts) // 2 :]
    if len(late) < 2:
        return {'kb_per_round': 0.0}
    rounds = [part['round'] for part in late]
    slope = np.polyfit(rounds, [part['private_mb'] for part in late], 1)[0]
    return {'kb_per_round': 1e3 * float(slope)}


def row(part: dict[str, float]) -> tuple[str, ...]:
    """Return the cells of HEADER for a round."""
    return (
        f'{part["round"]:.0f}',
        f'{part["time_s"]:.0f}',
        f'{part["rss_mb"]:.1f}',
        f'{part["private_mb"]:.1f}',
        f'{part["threads"]:.0f}',
        f'{part["files"]:.0f}',
    )


class _Manager:
    """A lifecycle manager and a camera in one node, beside the process under test."""

    def __init__(self, images: Sequence[np.ndarray], rate_hz: float, pid: int, name: str) -> None:
        import rclpy
        from lifecycle_msgs.srv import ChangeState
        from rclpy.qos import qos_profile_sensor_data
        from sensor_msgs.msg import Image

        from fsanet_ros.benchmarks.node_runs.bench_camera import PreparedImages, image_messages
        from fsanet_ros.msg import HeadPoseArray

        self.pid = pid
        self.answers = 0
        self._node = rclpy.create_node('lifecycle_manager')
        self._images = PreparedImages(image_messages(images, 'raw'))
        self._image = self._node.create_publisher(Image, 'image', qos_profile_sensor_data)
        self._node.create_timer(1.0 / rate_hz, self._send)
        self._node.create_subscription(HeadPoseArray, 'head_poses', self._on_answer, 10)
        self._kind = ChangeState
        self._change = self._node.create_client(ChangeState, f'{name}/change_state')
        self._spin_once = partial(rclpy.spin_once, self._node, timeout_sec=0.1)
        if not self._until(self._change.service_is_ready):
            raise BenchError('the node has no service change_state')

    def change(self, transition: int) -> None:
        """Ask for a transition; BenchError where it is refused or nothing comes."""
        request = self._kind.Request()
        request.transition.id = transition
        future = self._change.call_async(request)
        if not self._until(future.done) or not future.result().success:
            raise BenchError(f'the transition {transition} failed')

    def wait_for_answer(self) -> None:
        """Wait for an answer to an image."""
        before = self.answers
        if not self._until(lambda: self.answers > before):
            raise BenchError('no answer to images has come')

    def _until(self, condition: Callable[[], bool]) -> bool:
        end = time.monotonic() + _PATIENCE_S
        while not condition():
            if time.monotonic() > end:
                return False
            self._spin_once()
        return True

    def _send(self) -> None:
        self._image.publish(self._images.next(time.time_ns()))

    def _on_answer(self, message: Any) -> None:
        self.answers += 1


def rounds(
    images: Sequence[np.ndarray], rate_hz: float, parameters: dict[str, object], count: int
) -> Iterator[dict[str, float]]:
    """
    Lead a node through rounds; yield its memory, threads and open files after each.

    :param images: uint8 [h, w, 3] BGR, published in a loop
    :param parameters: of the node
    :raises BenchError: if the node does not do its part
    """
    with _managed_node(images, rate_hz, parameters) as manager:
        start_s = time.monotonic()
        for number in range(1, count + 1):
            for transition in _UP:
                manager.change(transition)
            manager.wait_for_answer()
            for transition in _DOWN:
                manager.change(transition)
            memory, folder = memory_mb(manager.pid), Path(f'/proc/{manager.pid}')
            yield {
                'round': number,
                'time_s': time.monotonic() - start_s,
                'rss_mb': memory['rss'],
                'private_mb': memory['private'],
                'threads': len(list((folder / 'task').iterdir())),
                'files': len(list((folder / 'fd').iterdir())),
            }


@contextmanager
def _managed_node(
    images: Sequence[np.ndarray], rate_hz: float, parameters: dict[str, object]
) -> Iterator[_Manager]:
    import rclpy

    from fsanet_ros.ros.clients.processes import node_process

    rclpy.init(args=[])
    try:
        with node_process('ros.node', {**parameters, 'autostart': False}) as process:
            yield _Manager(images, rate_hz, process.pid, 'head_pose')
    finally:
        rclpy.try_shutdown()


def _parser() -> argparse.ArgumentParser:
    parser = command_parser('bench lifecycle', __doc__)
    parser.add_argument('--case', default='640x480 raw, 1 face', help='a part of its name')
    parser.add_argument('--rounds', type=positive, default=2000)
    parser.add_argument('--rate', type=positive_number, default=60.0, help='Hz of the images')
    add_parameters(parser)
    add_outputs(parser)
    return parser
