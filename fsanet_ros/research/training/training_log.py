"""The log of a training run: validation.jsonl and, on request, TensorBoard files."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fsanet_ros.research.evaluation.scores import Scores

LOSS_EVERY = 50  # steps


class TrainingLog:
    """The log of one run; a continued run drops the entries after its checkpoint."""

    def __init__(self, folder: Path, first_step: int, tensorboard: bool = False) -> None:
        """
        Start or continue a log.

        :param first_step: the step of the checkpoint that the run continues from, 0 for a new run
        :raises ImportError: if TensorBoard is asked for but not installed
        """
        self._path = folder / 'validation.jsonl'
        self._board = _open_board(folder / 'tensorboard', first_step) if tensorboard else None
        self._loss_sum = 0.0
        self._loss_count = 0
        folder.mkdir(parents=True, exist_ok=True)
        if self._path.is_file():
            self._forget_after(first_step)

    def watch(self, step: int, loss_deg: float, learning_rate: float) -> None:
        """Record a step; TensorBoard gets the mean over 50 steps."""
        if self._board is None:
            return
        self._loss_sum += loss_deg
        self._loss_count += 1
        if step % LOSS_EVERY == 0:
            mean = self._loss_sum / self._loss_count
            self._board.add_scalar('training/mean_absolute_error_deg', mean, step)
            self._board.add_scalar('training/learning_rate', learning_rate, step)
            self._loss_sum, self._loss_count = 0.0, 0

    def report(self, step: int, scores: Scores) -> None:
        """Write the scores of a validation."""
        with self._path.open('a', encoding='utf-8') as file:
            file.write(json.dumps({'step': step, **asdict(scores)}) + '\n')
        if self._board is not None:
            for name, value in asdict(scores).items():
                self._board.add_scalar(f'validation/{name}', value, step)

    def close(self) -> None:
        """Write everything that is still buffered."""
        if self._board is not None:
            self._board.close()

    def _forget_after(self, step: int) -> None:
        kept = []
        for line in self._path.read_text(encoding='utf-8').splitlines():
            try:
                if json.loads(line)['step'] <= step:
                    kept.append(f'{line}\n')
            except (ValueError, KeyError, TypeError):
                continue  # half a line: the run was killed while writing
        new = self._path.with_name(f'{self._path.name}.new')
        new.write_text(''.join(kept), encoding='utf-8')
        new.replace(self._path)


def _open_board(folder: Path, first_step: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise ImportError('TensorBoard is not installed: pip install tensorboard') from error
    # This hides what an earlier run wrote after the checkpoint.
    return SummaryWriter(str(folder), purge_step=first_step + 1 if first_step else None)
