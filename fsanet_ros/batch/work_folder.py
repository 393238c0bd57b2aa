"""
What is done already: one file for each finished job, so that a run that was stopped goes on.

The folder stands beside the output and goes when the run is over. A job's file is found by a key
of its inputs (name, size, time of change), its part and the settings: what has changed since is
done again.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from contextlib import suppress
from pathlib import Path

from fsanet_ros.batch.head_arrays import FrameHeads
from fsanet_ros.batch.writing import naming

_COPIES, _LOCK = 'copies.jsonl', 'lock'


class WorkFolder:
    """A folder of finished jobs."""

    def __init__(self, path: Path) -> None:
        """
        Make the folder, or take what a stopped run has left.

        :raises OSError: if it cannot be made, or another run is at work in it
        """
        self.path = path
        path.mkdir(parents=True, exist_ok=True)
        self._lock = (path / _LOCK).open('w')
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.close()
            raise OSError(
                f'another estimate is writing to the same output (at work in {path}): wait for '
                'it, or choose another name for the output'
            ) from None
        except OSError:
            pass  # file systems of networks that know no locks
        for part in path.glob('.*.part'):
            part.unlink()

    def has(self, key: str) -> bool:
        """Whether a job is done."""
        return self._file(key).is_file()

    def keep(self, key: str, content: bytes) -> None:
        """
        Keep what came of a job.

        :raises OSError: if there is no space
        """
        part = self.path / f'.{key}.part'
        try:
            with naming(self.path):
                part.write_bytes(content)
            os.replace(part, self._file(key))
        finally:
            part.unlink(missing_ok=True)

    def load(self, key: str) -> FrameHeads:
        """
        Return what came of a job.

        :raises ValueError: if the file is damaged; then it is removed, and the job is to do again
        :raises OSError: if it cannot be read
        """
        try:
            return FrameHeads.from_bytes(self._file(key).read_bytes())
        except ValueError:
            self._file(key).unlink(missing_ok=True)
            raise

    def copies(self) -> dict[Path, str]:
        """Return the copies that are written already, as they were written, each with its key."""
        written = {}
        for line in self._lines():
            path, size, changed_ns, key = json.loads(line)
            if _state(Path(path)) == (size, changed_ns):
                written[Path(path)] = key
        return written

    def mark_copy(self, path: Path, key: str) -> None:
        """
        Keep that a copy is written.

        :param key: of what it was made of
        """
        size, changed_ns = _state(path)
        with naming(self.path), (self.path / _COPIES).open('a', encoding='ascii') as file:
            file.write(json.dumps([str(path), size, changed_ns, key]) + '\n')

    def close(self) -> None:
        """Let others work in the folder; an empty one goes."""
        self._lock.close()
        with suppress(OSError):
            if [path.name for path in self.path.iterdir()] == [_LOCK]:
                (self.path / _LOCK).unlink()
                self.path.rmdir()

    def remove(self) -> None:
        """Remove the folder and all in it."""
        self.close()
        shutil.rmtree(self.path, ignore_errors=True)

    def _lines(self) -> list[str]:
        try:
            lines = (self.path / _COPIES).read_text(encoding='ascii').splitlines()
        except FileNotFoundError:
            return []
        # A line that was cut off by a kill is no promise.
        return [line for line in lines if line.endswith(']')]

    def _file(self, key: str) -> Path:
        return self.path / f'{key}.npz'


def _state(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except OSError:
        return -1, -1
    return status.st_size, status.st_mtime_ns
