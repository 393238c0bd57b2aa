"""Files of NumPy arrays (.npz) that somebody else wrote: what is wrong with one is one line."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

# What an array holds, and its shape: numbers, or letters for sizes that the file decides. The same
# letter is the same size in all arrays.
Layout = Mapping[str, tuple[str, tuple[int | str, ...]]]

_KINDS = {'numbers': 'fiu', 'whole numbers': 'iu', 'texts': 'U', 'yes or no': 'b'}


def read_arrays(
    path: Path, layout: Layout, optional: Layout | None = None
) -> dict[str, NDArray[Any]]:
    """
    Return arrays of a .npz file by name, checked; others in it are left alone.

    :param layout: those that must be there, such as ``{'rotations': ('numbers', ('n', 3, 3))}``
    :param optional: those that may be there
    :raises ValueError: if the file is damaged or lacks an array, or one of them has another shape
        or kind, or holds NaN or infinity; with the file's name
    :raises OSError: if it cannot be read
    """
    wanted = {**layout, **(optional or {})}
    content = io.BytesIO(path.read_bytes())
    try:
        with np.load(content, allow_pickle=False) as file:
            if not isinstance(file, np.lib.npyio.NpzFile):
                raise ValueError('holds one array')
            missing = [name for name in layout if name not in file.files]
            if missing:
                found = ', '.join(file.files[:10]) or 'none'
                raise ValueError(f'lacks the array {", ".join(missing)} (found: {found})')
            arrays = {name: file[name] for name in wanted if name in file.files}
        _check(arrays, wanted)
    except Exception as error:  # NumPy, zipfile and zlib each have their own
        reason = ' '.join(str(error).split())
        if 'pickle' in reason:
            reason = 'is no .npz file of plain arrays'
        raise ValueError(f'{path} {reason}: expected {_described(layout)}') from error
    return arrays


def _check(arrays: Mapping[str, NDArray[Any]], layout: Layout) -> None:
    sizes: dict[str, tuple[int, str]] = {}
    for name, array in arrays.items():
        kind, shape = layout[name]
        if array.dtype.kind not in _KINDS[kind]:
            raise ValueError(f'has an array {name} of {array.dtype}, not of {kind}')
        if array.ndim != len(shape):
            raise ValueError(f'has an array {name} of shape {list(array.shape)}')
        for size, expected in zip(array.shape, shape, strict=True):
            if isinstance(expected, int):
                fits, of = size == expected, ''
            else:
                first, owner = sizes.setdefault(expected, (size, name))
                fits, of = size == first, f', {owner} one of {first}'
            if not fits:
                raise ValueError(f'has an array {name} of shape {list(array.shape)}{of}')
        if array.dtype.kind == 'f' and not np.isfinite(array).all():
            raise ValueError(f'has NaN or infinite numbers in {name}')


def _described(layout: Layout) -> str:
    return ', '.join(
        f'{name} ({kind}, [{", ".join(map(str, shape))}])' for name, (kind, shape) in layout.items()
    )
