"""What a running node publishes, hears, serves and asks for, as the ROS graph tells it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

SETTLED_S = 1.0
TIMEOUT_S = 20.0


@dataclass
class NodeGraph:
    """Full names and their types; ``|`` unites those of several runs."""

    publishes: dict[str, set[str]] = field(default_factory=dict)
    subscribes: dict[str, set[str]] = field(default_factory=dict)
    replies: dict[str, set[str]] = field(default_factory=dict)
    requests: dict[str, set[str]] = field(default_factory=dict)

    def __or__(self, other: NodeGraph) -> NodeGraph:
        return NodeGraph(**{kind: names | vars(other)[kind] for kind, names in vars(self).items()})


def graph_of(rig: Any, name: str, *, subscribes: str = '', publishes: str = '') -> NodeGraph:
    """
    Return the endpoints of the node ``/<name>`` once they do not change any more.

    :param rig: a Rig; its node asks
    :param subscribes: a topic that must be among its subscriptions
    :param publishes: a topic that must be among its publishers
    """
    last, since = NodeGraph(), time.monotonic()

    def settled() -> bool:
        nonlocal last, since
        now = _read(rig.node, name)
        if now != last:
            last, since = now, time.monotonic()
        complete = {subscribes} <= {'', *now.subscribes} and {publishes} <= {'', *now.publishes}
        return complete and bool(now.replies) and time.monotonic() - since > SETTLED_S

    assert rig.until(settled, TIMEOUT_S), last
    return last


def _read(node: Any, name: str) -> NodeGraph:
    if (name, '/') not in node.get_node_names_and_namespaces():
        return NodeGraph()
    questions = {
        'publishes': node.get_publisher_names_and_types_by_node,
        'subscribes': node.get_subscriber_names_and_types_by_node,
        'replies': node.get_service_names_and_types_by_node,
        'requests': node.get_client_names_and_types_by_node,
    }
    return NodeGraph(
        **{
            kind: {topic: set(types) for topic, types in ask(name, '/')}
            for kind, ask in questions.items()
        }
    )
