"""What people and other programs do to a node."""

from __future__ import annotations

import random
import signal
from functools import partial
from pathlib import Path
from typing import Any

import rclpy
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rcl_interfaces.msg import Parameter, ParameterValue
from rcl_interfaces.srv import SetParameters

from fsanet_ros.benchmarks.chaos.faults import ChaosError, Fault
from fsanet_ros.benchmarks.chaos.world import World

_DOWN = Transition.TRANSITION_DEACTIVATE, Transition.TRANSITION_CLEANUP
_UP = Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_ACTIVATE
_PATIENCE_S = 30.0


def _call(world: World, kind: Any, service: str, request: Any) -> Any:
    client = world.ros.create_client(kind, f'/head_pose/{service}')
    try:
        if not world.until(client.service_is_ready, _PATIENCE_S):
            raise ChaosError(f'the service {service} is not there')
        future = client.call_async(request)
        return future.result() if world.until(future.done, _PATIENCE_S) else None
    finally:
        world.ros.destroy_client(client)


def _change(world: World, transition: int) -> bool:
    request = ChangeState.Request(transition=Transition(id=transition))
    answer = _call(world, ChangeState, 'change_state', request)
    return answer is not None and bool(answer.success)


def _is_killed(world: World, times: int) -> None:
    for _ in range(times):
        world.end_node(signal.SIGKILL)
        world.start_node()
        world.heads_again(_PATIENCE_S)


def _is_stopped(world: World) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        code = world.end_node(number)
        if code:
            raise ChaosError(f'{number.name} ended the node with code {code}, expected 0')
        world.start_node()
        world.heads_again(_PATIENCE_S)


def _is_led_about(world: World) -> None:
    for number in range(256):
        if number not in (*_DOWN, *range(5, 8)):
            _change(world, number)
    for transition in (*_DOWN, *_UP):
        if not _change(world, transition):
            raise ChaosError(f'the transition {transition} was refused')


def _is_set(world: World) -> None:
    chance = random.Random(0)
    names = ('detection.size', 'tracking.keep_s', 'attention.targets', 'autostart', 'no', '')
    for _ in range(200):
        value = ParameterValue(
            type=chance.choice([*range(10), 99]),
            integer_value=chance.randrange(-(2**62), 2**62),
            double_value=chance.choice([-1.0, float('nan'), float('inf'), 1e300]),
            string_value='x' * chance.randrange(1000),
        )
        request = SetParameters.Request()
        request.parameters = [Parameter(name=chance.choice(names), value=value)]
        _call(world, SetParameters, 'set_parameters', request)


def _participants_come_and_go(world: World, count: int) -> None:
    for number in range(count):
        context = rclpy.Context()
        rclpy.init(args=[], context=context)
        node = rclpy.create_node(f'passer_by_{number}', context=context)
        world.spin(0.1)
        node.destroy_node()
        rclpy.shutdown(context=context)


def _weights_are_replaced(world: World) -> None:
    path = Path(str(world.parameters['network.weights']))
    content = path.read_bytes()
    # As a copy does that is stopped half way.
    path.write_bytes(content[: len(content) // 2])
    world.heads_again(_PATIENCE_S)
    for transition in _DOWN:
        _change(world, transition)
    if _change(world, _UP[0]):
        raise ChaosError('half a file of weights was taken')
    if 'is not a readable ONNX network' not in world.log():
        raise ChaosError('the log does not say what is wrong with the weights')
    path.write_bytes(content)
    for transition in _UP:
        _change(world, transition)


def node_faults(kills: int, participants: int) -> tuple[Fault, ...]:
    """Return the faults; ``kills`` of the node, and ``participants`` that come and go."""
    return (
        Fault(
            'kills',
            f'the node is killed and started again, {kills} times',
            partial(_is_killed, times=kills),
        ),
        Fault('stops', 'SIGINT and SIGTERM among images', _is_stopped),
        Fault(
            'lifecycle', 'every transition by its number, most of them impossible', _is_led_about
        ),
        Fault('parameters', '200 random values of random types', _is_set),
        Fault(
            'participants',
            f'{participants} participants come and go',
            partial(_participants_come_and_go, count=participants),
        ),
        Fault('weights', 'the file of weights is cut while it is in use', _weights_are_replaced),
    )
