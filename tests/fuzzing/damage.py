"""Bytes that were something once: files and messages, damaged in the ways that parsers mind."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from hypothesis import strategies as st

_STEP = 6
# Lengths and sizes that overflow, and their neighbours.
_NUMBERS = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
_MOST_BYTES = 200_000


@dataclass(frozen=True)
class Damaged:
    """
    Seeds with up to six damages each; none stays whole for long.

    ``seeds``: returns them, when they are first needed. ``words``: of the format, put in anywhere.
    ``wrap``: makes an input of the bytes and a number up to 255.
    """

    seeds: Callable[[], Sequence[bytes]]
    words: Sequence[bytes] = (b'\0',)
    wrap: Callable[[bytes, int], Any] = lambda content, number: content

    def strategy(self) -> st.SearchStrategy[Any]:
        """Return them as hypothesis makes and shrinks them."""
        program = st.binary(min_size=_STEP, max_size=6 * _STEP)
        number = st.integers(0, 255)
        return st.deferred(
            lambda: st.builds(self._made, st.sampled_from(list(self.seeds())), program, number)
        )

    def draw(self, random: Random) -> Any:
        """Return one, thirty times as fast."""
        program = random.randbytes(_STEP * random.randint(1, 6))
        return self._made(random.choice(self.seeds()), program, random.randrange(256))

    def _made(self, seed: bytes, program: bytes, number: int) -> Any:
        return self.wrap(damage(seed, program, self.words), number)


def damage(content: bytes, program: bytes, words: Sequence[bytes]) -> bytes:
    """Return a content after the steps of a program: kind, place (two bytes), length, value."""
    for start in range(0, len(program) - _STEP + 1, _STEP):
        kind, place, length, value, other = struct.unpack('>BHBBB', program[start : start + _STEP])
        # Half of all damages lie in the header.
        reach = len(content) if place & 1 else min(len(content), 256)
        content = _damaged_once(content, kind, place % (reach + 1), length, value, other, words)
    return content[:_MOST_BYTES]


def _damaged_once(
    content: bytes,
    kind: int,
    at: int,
    length: int,
    value: int,
    other: int,
    words: Sequence[bytes],
) -> bytes:
    before, after = content[:at], content[at:]
    kinds = {
        0: before + bytes([value]) + after[1:],
        1: before + bytes([after[0] ^ (1 << value % 8)]) + after[1:] if after else content,
        2: before + after[length:],
        3: before + after[: length + 1] * (1 + value % 20) + after[length + 1 :],
        4: before,
        5: before + words[value % len(words)] + after,
        6: before + words[value % len(words)] + after[len(words[value % len(words)]) :],
        7: before + _number(value, other) + after[len(_number(value, other)) :],
        8: before + bytes([value]) * length + after,
        9: before + content[: at + length] + after[length:],
    }
    return kinds[kind % len(kinds)]


def _number(which: int, form: int) -> bytes:
    order, kind = '<>'[form & 1], 'HIQ'[form // 2 % 3]
    size = struct.calcsize(kind)
    return struct.pack(order + kind, _NUMBERS[which % len(_NUMBERS)] & ((1 << 8 * size) - 1))
