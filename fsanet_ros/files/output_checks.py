"""Can an output be written? Asked before the work, which may take hours."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryFile


def check_file(path: Path) -> None:
    """
    Raise OSError if a file of this name cannot be written; folders may be missing.

    Nothing is left behind: what is there stays as it is, and no folder is made.
    """
    if path.is_dir():
        raise IsADirectoryError(f'{path} is a folder: expected the name of a file')
    _check_place(path, path.parent)


def check_folder(path: Path) -> None:
    """Raise OSError if nothing can be written into a folder of this name; it may be missing."""
    _check_place(path, path)


def _check_place(path: Path, folder: Path) -> None:
    there = next(p for p in (folder, *folder.absolute().parents) if p.exists() or p.is_symlink())
    if not there.is_dir():
        raise NotADirectoryError(f'{path} cannot be written: {there} is not a folder')
    try:
        with TemporaryFile(dir=there):
            pass
    except OSError as error:
        raise OSError(f'{path} cannot be written: {error.strerror} ({there})') from error
