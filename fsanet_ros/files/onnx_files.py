"""
ONNX files: run them, and change what they say of themselves.

By hand, as this runs on the robot: the package onnx takes another 11 MB of memory there and is one
more dependency, for a list of numbered fields (protobuf.dev, "Encoding") of which little is wanted.
Where networks are converted (network/onnx_export.py), onnx is used.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any

# Of onnx.proto: ModelProto.graph; GraphProto.input, .output, .value_info.
_GRAPH = 7
_INPUT, _OUTPUT, _VALUE_INFO = 11, 12, 13
# Wire types.
_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_SIZES = {_FIXED64: 8, _FIXED32: 4}
_FLOAT = 1  # TensorProto.DataType


def import_onnxruntime() -> Any:
    """
    Return the module onnxruntime, with its telemetry off.

    From 1.29 on PyPI's builds note what runs in the user's cache and ask for addresses on the
    internet. Whoever wants that sets ORT_DISABLE_TELEMETRY=0.

    :raises ImportError: if it is not installed
    """
    # It is read once, when the library is loaded.
    os.environ.setdefault('ORT_DISABLE_TELEMETRY', '1')
    import onnxruntime

    return onnxruntime


def onnx_session(content: bytes, threads: int = 1) -> Any:
    """
    Return an onnxruntime.InferenceSession on the CPU.

    :raises ImportError: if onnxruntime is not installed
    :raises Exception: onnxruntime's own, which are not public, if it cannot read or run the file
    """
    onnxruntime = import_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Planning saves 2 % of the time of a size seen before and keeps 7 MB and more for each.
    options.enable_mem_pattern = False
    # Threads that wait in busy loops would take the cores of detector and robot.
    options.add_session_config_entry('session.intra_op.allow_spinning', '0')
    return onnxruntime.InferenceSession(content, options, providers=['CPUExecutionProvider'])


def also_giving(names: Sequence[str]) -> bytes:
    """
    Return what makes results of tensors inside a graph, to be put at the end of a file.

    Messages that follow each other are merged ("Last One Wins", embedded messages): the graph gets
    outputs with a name and no type, which onnxruntime infers.
    """
    return _field(_GRAPH, b''.join(_field(_OUTPUT, _named(name.encode())) for name in names))


def with_free_size(content: bytes) -> bytes:
    """
    Return a file whose only input, float [1, 3, height, width], may have any height and width.

    For networks that would work at any size, but were written down with one.

    :raises ValueError: if it is no ONNX file with one input
    """
    parts = [
        _field(_GRAPH, _with_free_size(value)) if number == _GRAPH else whole
        for number, whole, value in _fields(content)
    ]
    return b''.join(parts)


def _with_free_size(graph: bytes) -> bytes:
    parts, inputs = [], 0
    for number, whole, value in _fields(graph):
        if number == _INPUT:
            inputs += 1
            parts.append(_field(_INPUT, _picture(_name_of(value))))
        elif number == _OUTPUT:
            parts.append(_field(_OUTPUT, _named(_name_of(value))))
        elif number != _VALUE_INFO:  # shapes inside, for one size; onnxruntime infers them
            parts.append(whole)
    if inputs != 1:
        raise ValueError(f'an ONNX file with {inputs} inputs: expected one picture')
    return b''.join(parts)


def _named(name: bytes) -> bytes:
    """Return a ValueInfoProto with a name alone."""
    return _field(1, name)


def _picture(name: bytes) -> bytes:
    """Return the ValueInfoProto of a float [1, 3, height, width]."""
    sizes = [_number(1, 1), _number(1, 3), _field(2, b'height'), _field(2, b'width')]
    shape = _field(2, b''.join(_field(1, size) for size in sizes))
    return _named(name) + _field(2, _field(1, _number(1, _FLOAT) + shape))


def _name_of(value_info: bytes) -> bytes:
    return next((value for number, _, value in _fields(value_info) if number == 1), b'')


def _fields(message: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """
    Yield each field's number, the whole field, and its content where it is told with its length.

    :raises ValueError: if the bytes are no message
    """
    at = 0
    while at < len(message):
        start = at
        key, at = _varint(message, at)
        number, kind = key >> 3, key & 7
        content = b''
        if kind == _VARINT:
            _, at = _varint(message, at)
        elif kind in _SIZES:
            at += _SIZES[kind]
        elif kind == _LENGTH:
            length, at = _varint(message, at)
            content, at = message[at : at + length], at + length
        if kind not in (_VARINT, _LENGTH, *_SIZES) or at > len(message):
            raise ValueError('these bytes are no ONNX file, or half of one')
        yield number, message[start:at], content


def _varint(message: bytes, at: int) -> tuple[int, int]:
    """Return a number of any length, and where what follows it begins."""
    value = shift = 0
    while at < len(message) and shift < 64:
        value |= (message[at] & 127) << shift
        at, shift = at + 1, shift + 7
        if message[at - 1] < 128:
            return value, at
    raise ValueError('these bytes are no ONNX file, or half of one')


def _number(number: int, value: int) -> bytes:
    """Return a field with a number below 128."""
    return bytes([number << 3 | _VARINT, value])


def _field(number: int, content: bytes) -> bytes:
    """Return a field that is told with its length, of any length."""
    length, encoded = len(content), bytearray([number << 3 | _LENGTH])
    while length > 127:
        encoded.append(length & 127 | 128)
        length >>= 7
    return bytes(encoded) + bytes([length]) + content
