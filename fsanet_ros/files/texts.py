"""Texts from outside, kept short enough for a line of a log."""

from __future__ import annotations


def shortened(text: str, most: int) -> str:
    """Return a text, cut to so many characters with a note of what is missing."""
    return text if len(text) <= most else f'{text[:most]}... ({len(text)} characters)'
