"""Recordings of ROS 2 (bags), read by the package rosbags; needs no ROS."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from fsanet_ros.arrays import FloatArray
from fsanet_ros.files.untrusted import load_yaml

HEAD_POSE_ARRAY = 'fsanet_ros/msg/HeadPoseArray'
_SUFFIXES = ('.mcap', '.db3')


class BagError(RuntimeError):
    """A bag that can't be read or holds no head poses; the text says what to do."""


def is_bag(path: Path) -> bool:
    """Return whether this is a recording of ROS 2: its folder, or a file of it."""
    return (path / 'metadata.yaml').is_file() or path.suffix in _SUFFIXES


@contextmanager
def open_bag(path: Path) -> Iterator[Any]:
    """
    Open a bag as a rosbags.highlevel.AnyReader that knows the messages of this package.

    :param path: the bag's folder, or a file of it
    :raises BagError: if it cannot be read, also while it is read in the with block
    :raises ImportError: if rosbags is not installed
    """
    try:
        from rosbags.highlevel import AnyReader
    except ImportError as error:
        raise ImportError(
            f'bags are read by the package rosbags ({error}): install it with "pip install '
            'rosbags", or play the bag and give the topic'
        ) from error
    # A file belongs to the folder that it lies in.
    folder = path.parent if path.suffix == '.db3' else path
    try:
        _check_metadata(folder / 'metadata.yaml')
        with AnyReader([folder], default_typestore=message_types()) as reader:
            yield reader
    except (BagError, ImportError, GeneratorExit):
        raise
    # Of rosbags, SQLite, YAML and struct, each its own, where a bag is damaged.
    except Exception as error:
        reason = str(error).strip() or type(error).__name__
        raise BagError(f'{path} cannot be read as a bag of ROS 2: {reason}') from error


def head_poses_of_bag(path: Path, topic: str = '') -> Iterator[tuple[float, str, FloatArray]]:
    """
    Return an image's stamp in seconds, the head's id, and yaw, pitch, roll in degrees [3].

    :param topic: of fsanet_ros/HeadPoseArray; needed when the bag has several
    :raises BagError: if the bag cannot be read or has no such topic
    :raises ImportError: if rosbags is not installed
    """
    with open_bag(path) as reader:
        connections = _connections(reader, path, topic)
        for connection, _, raw in reader.messages(connections=connections):
            message: Any = reader.deserialize(raw, connection.msgtype)
            stamp_s = message.header.stamp.sec + message.header.stamp.nanosec * 1e-9
            for head in message.heads:
                yield stamp_s, head.id, np.degrees([head.yaw, head.pitch, head.roll])


def _connections(reader: Any, path: Path, topic: str) -> list[Any]:
    found = [c for c in reader.connections if c.msgtype == HEAD_POSE_ARRAY]
    topics = sorted({c.topic for c in found})
    if topic:
        found = [c for c in found if c.topic == topic]
    if not found:
        others = ', '.join(sorted(c.topic for c in reader.connections)) or 'nothing'
        raise BagError(
            f'{path} has no {f"topic {topic}" if topic else "topic"} of {HEAD_POSE_ARRAY}; it '
            f'holds {others}. If these are images, play the bag to the node and record head_poses.'
        )
    if len({c.topic for c in found}) > 1:
        raise BagError(f'{path} has several: choose with --topic one of {", ".join(topics)}')
    return found


def message_types() -> Any:
    """Return the types of ROS 2 and of this package, for bags that carry no definitions."""
    from rosbags.typesys import Stores, get_types_from_msg, get_typestore

    store = get_typestore(Stores.ROS2_HUMBLE)
    for file in _message_files():
        kind = f'fsanet_ros/msg/{file.stem}'
        store.register(get_types_from_msg(file.read_text(encoding='utf-8'), kind))
    return store


def _check_metadata(path: Path) -> None:
    """Refuse what rosbag2 never writes, aliases above all: nested ones take forever to unfold."""
    if path.is_file():
        try:
            load_yaml(path)
        except ValueError as error:
            raise BagError(f'{path} {error}') from error


def _message_files() -> list[Path]:
    """Return HeadPose.msg and HeadPoseArray.msg of the checkout or of the installation."""
    here = Path(__file__).resolve()
    folders = [
        parent / place for parent in here.parents for place in ('msg', 'share/fsanet_ros/msg')
    ]
    for folder in folders:
        files = [folder / 'HeadPose.msg', folder / 'HeadPoseArray.msg']
        if all(file.is_file() for file in files):
            return files
    return []


def empty_message(store: Any, kind: str) -> Any:
    """
    Return a message with the defaults of ROS: zeros, empty texts, empty lists.

    :param store: rosbags' types, see message_types
    :param kind: such as geometry_msgs/msg/Pose
    """
    _, fields = store.fielddefs[kind]
    return store.types[kind](**{name: _default(store, *rest) for name, rest in fields})


def _default(store: Any, node: Any, of: Any) -> Any:
    kind = node.name
    if kind == 'BASE':
        return {'string': '', 'bool': False}.get(of[0], 0.0 if of[0].startswith('float') else 0)
    if kind == 'NAME':
        return empty_message(store, of)
    (inner, inner_of), length = of
    if inner.name == 'BASE' and inner_of[0] != 'string':
        return np.zeros(length, np.dtype(inner_of[0].replace('octet', 'uint8')))
    return [_default(store, inner, inner_of) for _ in range(length)]
