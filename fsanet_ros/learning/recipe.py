"""What a training run is made of, read from a YAML file."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from fsanet_ros.learning.augmentation import Augmentation

RECIPES = Path(__file__).parent / 'recipes'


@dataclass(frozen=True)
class Recipe:
    """
    Everything that decides what comes out of a training run, but for the pictures.

    ``samples``: how many are seen in all; the learning rate falls to zero there.
    ``rarity``: exponent of the weight of rare poses when samples are drawn, 0: all alike.
    ``crop_scale``: the crop in use, in units of the face square's side.
    """

    samples: int = 1_000_000
    batch_size: int = 64
    learning_rate: float = 2e-3
    weight_decay: float = 1e-2
    warmup_steps: int = 500
    ema_decay: float = 0.999
    rarity: float = 0.25
    validation_share: float = 0.1
    crop_scale: float = 0.9
    pixel_mean: float = 127.5
    pixel_scale: float = 128.0
    seed: int = 1
    augmentation: Augmentation = field(default_factory=Augmentation)

    @property
    def steps(self) -> int:
        """The number of optimizer steps."""
        return self.samples // self.batch_size


def load_recipe(name_or_path: str | Path) -> Recipe:
    """
    Read a recipe: a YAML file's path, or the name of one that comes with the package.

    :raises FileNotFoundError: naming the recipes there are
    :raises ValueError: for a key that no recipe has, or a value that is no number
    """
    path = Path(name_or_path)
    if not path.is_file():
        path = RECIPES / f'{name_or_path}.yaml'
    if not path.is_file():
        names = ', '.join(sorted(p.stem for p in RECIPES.glob('*.yaml')))
        raise FileNotFoundError(
            f'no recipe {name_or_path}: expected a YAML file or one of: {names}'
        )
    values = yaml.safe_load(path.read_text(encoding='utf-8')) or {}
    if not isinstance(values, dict):
        raise ValueError(f'{path} holds a {type(values).__name__}, expected names and values')
    augmentation = _checked(Augmentation(), values.pop('augmentation', None) or {}, path)
    return Recipe(**_checked(Recipe(), values, path), augmentation=Augmentation(**augmentation))


def _checked(defaults: Any, values: dict[str, Any], path: Path) -> dict[str, Any]:
    known = {f.name: getattr(defaults, f.name) for f in dataclasses.fields(defaults)}
    known.pop('augmentation', None)
    unknown = sorted(str(name) for name in set(values) - set(known))
    if unknown:
        raise ValueError(f'{path}: unknown {", ".join(unknown)}; known are {", ".join(known)}')
    return {name: _number(name, value, known[name], path) for name, value in values.items()}


def _number(name: str, value: Any, default: float, path: Path) -> float:
    kind = type(default)
    try:
        # A string too: 1e-3 without a point is one in YAML 1.1.
        number = kind(value)
        exact = not isinstance(value, bool) and number == float(value)
    except (TypeError, ValueError):
        exact = False
    if not exact:
        raise ValueError(f'{path}: {name} is {value!r}, expected {kind.__name__}')
    return number
