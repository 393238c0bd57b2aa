"""
What is done already: one file for each finished job, so that a run that was stopped goes on.

The folder stands beside the output and goes when the run is over. A job's file is found by a key
of its inputs (name, size, time of change), its part and the settings: what has changed since is
done again.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from fsanet_ros.batch.head_arrays import FrameHeads


class WorkFolder:
    """A folder of finished jobs."""

    def __init__(self, path: Path) -> None:
        """
        Make the folder, or take what a stopped run has left.

        :raises OSError: if it cannot be made
        """
        self.path = path
        path.mkdir(parents=True, exist_ok=True)
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

    def remove(self) -> None:
        """Remove the folder and all in it."""
        shutil.rmtree(self.path, ignore_errors=True)

    def _file(self, key: str) -> Path:
        return self.path / f'{key}.npz'
