"""Where annotated copies go: each to a place of its own, on nothing that is there already."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from fsanet_ros.batch.annotation import copy_name
from fsanet_ros.batch.inputs import Input
from fsanet_ros.files.texts import printable


def copy_targets(inputs: Sequence[Input], folder: Path) -> dict[Input, Path]:
    """
    Return where the copy of each input goes.

    Where two would have the same name, as those of a.png of two folders or of a.avi and a.mov,
    the later one has another.
    """
    targets: dict[Input, Path] = {}
    taken: set[Path] = set()
    for one in inputs:
        name = copy_name(one)
        number = 1
        while name in taken:
            number += 1
            name = copy_name(one).with_stem(f'{copy_name(one).stem}_{number}')
        taken.add(name)
        targets[one] = folder / name
    return targets


def check_outputs(
    outputs: Iterable[Path], inputs: Sequence[Input], overwrite: bool, own: Mapping[Path, object]
) -> None:
    """
    Refuse outputs that are inputs, also by a link, and those that exist.

    :param overwrite: what exists may be replaced
    :param own: what a stopped run of the same command has written may be in any case
    :raises ValueError: naming the first of them
    """
    read = {found for one in inputs for found in _files_of(Path(one.address))}
    existing = []
    for path in outputs:
        if _identity(path) in read:
            raise ValueError(
                f'{printable(str(path))} is an input too: choose another name for the output'
            )
        if path.exists() and path not in own:
            existing.append(path)
    if existing and not overwrite:
        more = f' (and {len(existing) - 1} more)' if len(existing) > 1 else ''
        raise ValueError(
            f'{printable(str(existing[0]))} exists{more}: choose another name for the output, or '
            'add --overwrite'
        )


def _files_of(path: Path) -> Iterable[tuple[int, int]]:
    """Yield what tells a file from all others, of a bag's folder of all in it."""
    found = [path, *path.iterdir()] if path.is_dir() else [path]
    return [identity for one in found if (identity := _identity(one)) is not None]


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino
