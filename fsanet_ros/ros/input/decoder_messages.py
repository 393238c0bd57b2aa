"""
What the decoders of pictures write to standard error, caught.

libjpeg and libpng, inside OpenCV, write a line for each damaged picture: a camera with a loose plug
fills the log with thousands. No setting stops them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

_STDERR = 2
_OF_DECODERS = re.compile(
    r'\[ ?(WARN|ERROR|INFO):\d+@|libpng |Corrupt JPEG|Premature end of JPEG|Invalid |Unsupported |'
    r'Inconsistent |Unknown |Application transferred|Warning: |Bogus |Not a JPEG|JPEG datastream|'
    r'\s*$'
)
_MOST_BYTES = 1 << 16


class DecoderMessages:
    """Catches what is written while pictures are decoded, in one thread at a time."""

    def __init__(self) -> None:
        """Open a file in memory, where the system has such."""
        make = getattr(os, 'memfd_create', None)
        self._caught = make('decoder_messages') if make is not None else None

    @contextmanager
    def caught(self) -> Iterator[list[str]]:
        """
        Keep decoders' lines out of standard error; they are in the list afterwards.

        What others write meanwhile comes a moment later.
        """
        said: list[str] = []
        try:
            stderr = os.dup(_STDERR)
        except OSError:  # closed, as 2>&- makes it
            stderr = None
        if self._caught is None or stderr is None:
            yield said
            return
        os.dup2(self._caught, _STDERR)
        try:
            yield said
        finally:
            os.dup2(stderr, _STDERR)
            os.close(stderr)
            said += self._taken()

    def close(self) -> None:
        """Give the file back."""
        if self._caught is not None:
            os.close(self._caught)
            self._caught = None

    def _taken(self) -> list[str]:
        assert self._caught is not None
        if not os.lseek(self._caught, 0, os.SEEK_CUR):  # nothing was written, as nearly always
            return []
        content = os.pread(self._caught, _MOST_BYTES, 0)
        os.lseek(self._caught, 0, os.SEEK_SET)
        os.ftruncate(self._caught, 0)
        lines = content.decode('utf-8', 'replace').splitlines(keepends=True)
        of_others = [line for line in lines if not _OF_DECODERS.match(line)]
        if of_others:
            os.write(_STDERR, ''.join(of_others).encode())
        return [line.strip() for line in lines if _OF_DECODERS.match(line) and line.strip()]
