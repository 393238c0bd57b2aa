"""Files that end: a pipe waits for who writes into it, and /dev/zero goes on for ever."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

_KINDS = ((stat.S_ISFIFO, 'a pipe'), (stat.S_ISSOCK, 'a socket'), (stat.S_ISCHR, 'a device'))


def require_end(path: str | Path) -> None:
    """
    Refuse what is there, but no file or folder.

    :raises OSError: naming what it is; also if nothing is there
    """
    mode = os.stat(path).st_mode
    for is_such, kind in _KINDS:
        if is_such(mode):
            raise OSError(errno.EINVAL, f'it is {kind}, expected a file', str(path))
