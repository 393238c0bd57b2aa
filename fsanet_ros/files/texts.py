"""Texts from outside: for a line of a log, and as names of frames."""

from __future__ import annotations

import os
import re
from pathlib import Path

# Line ends, what steers terminals, what turns the direction of writing.
_STEERING = r'[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]'


def shortened(text: str, most: int) -> str:
    """Return a text, cut to so many characters with a note of what is missing."""
    return text if len(text) <= most else f'{text[:most]}... ({len(text)} characters)'


def first_line(error: BaseException) -> str:
    """Return the first line of an error's text, what kind it is where it has none."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def one_line(text: object, most: int = 1000) -> str:
    """Return a text on one line, shortened."""
    return shortened(' '.join(str(text).split()), most)


def frame_name(frame_id: str) -> str:
    """Return a frame's name as TF takes it, without a slash in front; empty if it names none."""
    plain = frame_id.lstrip('/')
    return plain if plain.strip() else ''


def printable(name: str | Path) -> str:
    r"""
    Return a file name that can be printed on one line.

    Bytes that are not UTF-8 become ``\xe9``, line ends and what steers terminals ``\n``, ``\x1b``.
    """
    text = os.fsencode(name).decode('utf-8', 'backslashreplace')
    return re.sub(_STEERING, lambda found: ascii(found[0])[1:-1], text)
