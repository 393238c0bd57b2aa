"""Errors of writing say which file it was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fsanet_ros.files.texts import printable


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """
    Name a file in errors of writing it, which often say no more than that the disk is full.

    :raises OSError: instead of one that names no file
    """
    try:
        yield
    except OSError as error:
        if error.filename is not None or error.errno is None:
            raise
        raise OSError(f'{printable(str(path))} cannot be written: {error.strerror}') from error
