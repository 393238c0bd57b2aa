"""Texts from outside: for a line of a log, and as names of frames."""

from __future__ import annotations


def shortened(text: str, most: int) -> str:
    """Return a text, cut to so many characters with a note of what is missing."""
    return text if len(text) <= most else f'{text[:most]}... ({len(text)} characters)'


def frame_name(frame_id: str) -> str:
    """Return a frame's name as TF takes it, without a slash in front; empty if it names none."""
    plain = frame_id.lstrip('/')
    return plain if plain.strip() else ''
