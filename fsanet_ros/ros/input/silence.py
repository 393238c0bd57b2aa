"""Why nothing comes on a topic, as far as the graph and this machine tell."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from typing import Any

from rclpy.node import Node

from fsanet_ros.files.texts import shortened
from fsanet_ros.ros.shared_memory import shared_memory_problem

_IMAGE, _COMPRESSED = 'sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage'
_MOST_NAMES = 3


def reason_for_silence(
    node: Node, topic: str, kind: type, problem: Callable[[], str] = shared_memory_problem
) -> str:
    """
    Return what keeps messages from coming, and what to do, in a sentence.

    :param topic: resolved
    :param kind: the message's class
    :param problem: of shared memory, for publishers on this machine
    """
    wanted = _name(kind)
    infos = node.get_publishers_info_by_topic(topic)
    if not infos:
        instead = _instead(node, topic, wanted)
        return f'nobody publishes {topic}; check the name or remap it' + (
            f' ({instead})' if instead else ''
        )
    others = sorted({info.topic_type for info in infos} - {wanted})
    if others and all(info.topic_type != wanted for info in infos):
        return (
            f'{topic} carries {", ".join(map(_short, others))}, expected {wanted}: '
            f'{_for_type(others, wanted)}'
        )
    shared = problem()
    return f'nothing comes on {topic}, which has {len(infos)} publisher(s)' + (
        f': {shared}' if shared else ''
    )


def _instead(node: Node, topic: str, wanted: str) -> str:
    """Return what is there instead of a topic, empty if nothing like it is."""
    if wanted not in (_IMAGE, _COMPRESSED):
        return ''
    there = {
        name: kinds for name, kinds in node.get_topic_names_and_types() if _is_published(node, name)
    }
    if wanted == _IMAGE and _COMPRESSED in there.get(f'{topic}/compressed', ()):
        return f'{topic}/compressed is there: set input.image_transport to compressed'
    raw = topic.removesuffix('/compressed')
    if wanted == _COMPRESSED and _IMAGE in there.get(raw, ()):
        return f'{raw} is there: set input.image_transport to raw'
    same = [name for name, kinds in there.items() if wanted in kinds and not _is_ours(name)]
    nearest = difflib.get_close_matches(topic, same, _MOST_NAMES, 0.0)
    return f'images are on {", ".join(map(_short, nearest))}' if nearest else ''


def _for_type(others: Sequence[str], wanted: str) -> str:
    if wanted == _IMAGE and _COMPRESSED in others:
        return 'set input.image_transport to compressed'
    if wanted == _COMPRESSED and _IMAGE in others:
        return 'set input.image_transport to raw'
    return 'check the name or remap it'


def _is_ours(topic: str) -> bool:
    """Whether a topic has the name of pictures that nodes of this package draw."""
    return topic.rpartition('/')[2].startswith('debug_')


def _is_published(node: Node, topic: str) -> bool:
    # Subscriptions, ours among them, are in the graph too.
    return bool(node.count_publishers(topic))


def _name(kind: Any) -> str:
    package, folder, *_ = kind.__module__.split('.')
    return f'{package}/{folder}/{kind.__name__}'


def _short(name: str) -> str:
    return shortened(name, 80)
