"""Checkpoints of training runs: all tensors, the step and the recipe, in one .safetensors file."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from fsanet_ros.research.training.recipe import Recipe, recipe_from_values

CHECKPOINT = 'checkpoint.safetensors'


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """``tensors``: by name, which starts with network., average. or optimizer."""

    recipe: Recipe
    step: int
    tensors: dict[str, Tensor]

    def below(self, prefix: str) -> dict[str, Tensor]:
        """Return the tensors of one part, without its prefix."""
        start = f'{prefix}.'
        return {k.removeprefix(start): v for k, v in self.tensors.items() if k.startswith(start)}


def write_checkpoint(checkpoint: Checkpoint, path: Path) -> None:
    """Write a checkpoint; an interrupted write leaves the last one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    contiguous = {k: v.detach().cpu().contiguous() for k, v in checkpoint.tensors.items()}
    recipe = json.dumps(dataclasses.asdict(checkpoint.recipe))
    new = path.with_name(f'{path.name}.new')
    save_file(contiguous, new, metadata={'step': str(checkpoint.step), 'recipe': recipe})
    new.replace(path)


def read_checkpoint(path: Path) -> Checkpoint:
    """
    Read a checkpoint.

    :raises ValueError: if the file is damaged or not a checkpoint
    """
    try:
        with safe_open(path, 'pt') as file:
            about = file.metadata() or {}
        tensors = load_file(path)
    except SafetensorError as error:
        raise ValueError(f'{path} is not a readable .safetensors file ({error})') from error
    try:
        values, step = json.loads(about['recipe']), int(about['step'])
    except (KeyError, ValueError) as error:
        raise ValueError(
            f'{path} is not a checkpoint of a training: expected {CHECKPOINT}'
        ) from error
    return Checkpoint(recipe_from_values(values, path), step, tensors)


def differences(recipe: Recipe, other: Recipe) -> str:
    """Describe the differences between two recipes."""
    pairs = [
        (f.name, getattr(recipe, f.name), getattr(other, f.name))
        for f in dataclasses.fields(Recipe)
    ]
    return ', '.join(f'{name} {a!r} instead of {b!r}' for name, a, b in pairs if a != b)
