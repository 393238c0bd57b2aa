"""
All that works on the inside of rclpy, in one place: what it saves, and what happens without it.

Nothing here is needed for right answers. Each part falls back to plain rclpy where a version of
rclpy lacks what it relies on, and with ``FSANET_ROS_PLAIN_RCLPY=1`` in the environment all of
them do: an image of the demo's clip then takes 1.09 times the processor time (median of five
runs in turns, 0.99 to 1.17, on a busy machine). More figures: docs/concepts/speed.md.

RareEvents
    rclpy's executor waits for two events of every publisher and subscription, 23 in this node, in
    each of its rounds, and an image takes four rounds. While images come, the node looks for
    events twice a second only. With ``taken`` and single rotations in plain numbers this gave
    11 % of the processor time and 1.7 ms of latency for one face at 640x480. Relies on
    ``Node.waitables``. Without: every round waits for all events.

answer_always
    Answers requests on which rclpy fails, which otherwise ends the process: a transition that the
    state does not allow, a parameter of a type that does not exist, a client that has gone.
    Relies on ``Service.callback`` and ``LifecycleNode._state_machine``. Without: rclpy's own ways.

Gate
    Leaves an image in the middleware until there is time for it. A newer one replaces it there,
    and its pixels are never deserialized. Relies on ``CallbackGroup.can_execute``, which
    executors ask before they wait for a subscription. Without: every image is taken, and the
    newest one waits in Python.

taken
    Takes what has come on a subscription, many messages at once, where an executor takes one a
    round: camera_info does not wake the executor, and /tf keeps up on a busy robot.
    Relies on ``Subscription.handle.take_message``. Without: the executor delivers.

call_after_set
    Calls back when parameters have their new values, before the service answers. That is
    ``Node.add_post_set_parameters_callback`` since Iron. Without: a guard condition calls back
    in the executor's next round.

forget_destroyed
    Drops the weak references to destroyed subscriptions and publishers that rclpy keeps for as
    long as the node lives: 23 in each round through the lifecycle. Relies on
    ``CallbackGroup.entities``. Without: they stay, 100 bytes each.

given_parameters
    The parameters that the command line and files give to a node, declared or not. Relies on
    ``Node._parameter_overrides``. Without: there is no warning about misspelt names.

SubscriptionEventCallbacks, PublisherEventCallbacks
    Public in all versions, but in another module on Humble.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

from lifecycle_msgs.srv import ChangeState
from rcl_interfaces.msg import SetParametersResult
from rclpy.callback_groups import CallbackGroup, MutuallyExclusiveCallbackGroup
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.lifecycle import LifecycleNode
from rclpy.node import Node
from rclpy.service import Service
from rclpy.subscription import Subscription

from fsanet_ros.files.texts import shortened

try:
    from rclpy.event_handler import PublisherEventCallbacks, SubscriptionEventCallbacks
except ImportError:  # Humble
    from rclpy.qos_event import PublisherEventCallbacks, SubscriptionEventCallbacks

__all__ = [
    'CAN_TAKE',
    'PublisherEventCallbacks',
    'RareEvents',
    'SubscriptionEventCallbacks',
    'answer_always',
    'call_after_set',
    'forget_destroyed',
    'gate',
    'given_parameters',
    'taken',
]

PLAIN = os.environ.get('FSANET_ROS_PLAIN_RCLPY', '') not in ('', '0')
CAN_TAKE = not PLAIN and hasattr(rclpy_implementation.Subscription, 'take_message')


class RareEvents(LifecycleNode):
    """A lifecycle node whose events the executor waits for only when they are asked for."""

    # Asked for while rclpy's own constructor runs.
    _events_are_rare = False
    _events_are_due = True

    def __init__(self, name: str) -> None:
        """Make the node; events are waited for until ``make_events_rare``."""
        super().__init__(name)
        self._events_looked_for = self.create_guard_condition(self._on_events_looked_for)

    @property
    def waitables(self) -> Iterator[Any]:
        """What an executor waits for besides: events, such as an incompatible subscriber's."""
        rest = self._events_are_rare and not self._events_are_due and not PLAIN
        return iter(()) if rest else super().waitables

    def make_events_rare(self, rare: bool) -> None:
        """Wait for events only after each ``look_for_events``, or in every round again."""
        self._events_are_rare = rare

    def look_for_events(self) -> None:
        """Have the executor look for events in its next round."""
        # The guard condition makes that round start at once.
        self._events_are_due = True
        self._events_looked_for.trigger()

    def _on_events_looked_for(self) -> None:
        self._events_are_due = False


class _Gate(MutuallyExclusiveCallbackGroup):
    def __init__(self, is_open: Callable[[], bool]) -> None:
        super().__init__()
        self._is_open = is_open

    def can_execute(self, entity: Any) -> bool:
        """Whether the callback of an entity of the group may run now; events always may."""
        waits = isinstance(entity, Subscription) and not self._is_open()
        return not waits and super().can_execute(entity)


def gate(is_open: Callable[[], bool]) -> CallbackGroup | None:
    """
    Return a callback group whose subscriptions deliver only while it is open.

    :param is_open: asked before each delivery
    """
    if PLAIN or not hasattr(CallbackGroup, 'can_execute'):
        return None
    return _Gate(is_open)


def taken(subscription: Subscription, kind: type, at_most: int) -> Iterator[Any]:
    """Take messages of a type that have come on a subscription, the oldest first."""
    if not CAN_TAKE:
        return
    with subscription.handle:
        for _ in range(at_most):
            found = subscription.handle.take_message(kind, False)
            if found is None:
                break
            yield found[0]


def call_after_set(node: Node, callback: Callable[[], None]) -> None:
    """Call back whenever parameters of a node have new values."""
    if hasattr(node, 'add_post_set_parameters_callback') and not PLAIN:
        node.add_post_set_parameters_callback(lambda parameters: callback())
        return
    guard = node.create_guard_condition(callback)

    def on_set(parameters: object) -> SetParametersResult:
        guard.trigger()
        return SetParametersResult(successful=True)

    node.add_on_set_parameters_callback(on_set)


def given_parameters(node: Node) -> list[str]:
    """Return the names of the parameters that a node was started with."""
    return list(getattr(node, '_parameter_overrides', {}))


def forget_destroyed(node: Node) -> None:
    """Drop what a node still knows of subscriptions and publishers that are destroyed."""
    entities = getattr(node.default_callback_group, 'entities', None)
    if isinstance(entities, set):
        entities -= {entity for entity in entities if entity() is None}


def answer_always(node: Node, warn: Callable[[str], None]) -> None:
    """
    Have all services of a node refuse what they fail at, instead of ending the process.

    :param warn: gets one line about each request that is refused
    """
    for service in node.services:
        if hasattr(service, 'callback'):
            service.callback = _refusing(node, service, service.callback, warn)
            service.send_response = _sending(service, service.send_response, warn)


def _refusing(
    node: Node,
    service: Service,
    answer: Callable[[Any, Any], Any],
    warn: Callable[[str], None],
) -> Callable[[Any, Any], Any]:
    def answer_or_refuse(request: Any, response: Any) -> Any:
        try:
            reason = _impossible_transition(node, request)
            if not reason:
                return answer(request, response)
        except Exception as error:  # whatever it is, the next request may be all right
            reason = f'{type(error).__name__}: {error}'
        reason = shortened(' '.join(reason.split()), 300)
        warn(f'{service.srv_name}: request refused: {reason}')
        refusal = SetParametersResult(successful=False, reason=reason)
        if hasattr(response, 'results'):  # SetParameters: one for each
            response.results = [*response.results, *[refusal] * len(request.parameters)]
            response.results = response.results[: len(request.parameters)]
        elif isinstance(getattr(response, 'result', None), SetParametersResult):
            response.result = refusal
        return response

    return answer_or_refuse


def _sending(
    service: Service, send: Callable[[Any, Any], None], warn: Callable[[str], None]
) -> Callable[[Any, Any], None]:
    def send_or_warn(response: Any, header: Any) -> None:
        try:
            send(response, header)
        except Exception as error:  # the client has gone
            reason = shortened(' '.join(str(error).split()), 300)
            warn(f'{service.srv_name}: the answer could not be sent: {reason}')

    return send_or_warn


def _impossible_transition(node: Node, request: Any) -> str:
    """Return why a lifecycle request cannot be carried out, empty if it can or is another."""
    machine = getattr(node, '_state_machine', None)
    if machine is None or not isinstance(request, ChangeState.Request):
        return ''
    possible = {number: label for number, label, *_ in machine.available_transitions}
    asked = request.transition
    if asked.label in possible.values() or (not asked.label and asked.id in possible):
        return ''
    name = repr(shortened(asked.label, 40)) if asked.label else str(asked.id)
    state = machine.current_state[1]
    choice = ', '.join(f'{label} ({number})' for number, label in possible.items()) or 'none'
    return f'no transition {name} from the state {state}, possible: {choice}'
