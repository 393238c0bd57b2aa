"""Files of the repository that are written by a command, and checked by a test."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path


def write_or_check(texts: Mapping[str, str], root: Path, check: bool) -> int:
    """
    Write the files that differ, or name them.

    :param texts: what each file should contain, by its path below ``root``
    :param check: only compare
    :returns: the exit code: 1 if ``check`` has found a file that differs
    """
    different = 0
    for name, text in texts.items():
        path = root / name
        if path.is_file() and path.read_text(encoding='utf-8') == text:
            continue
        different += 1
        if check:
            print(f'{name} is out of date; run this without --check', file=sys.stderr)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding='utf-8')
            print(f'{name} written')
    return int(check and different > 0)
