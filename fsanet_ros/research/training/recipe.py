"""The recipe of a training run, read from a YAML file."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

from fsanet_ros.files.untrusted import load_yaml
from fsanet_ros.inference.description import Crop
from fsanet_ros.inference.network_config import Aggregation, Architecture, NetworkConfig, Scoring
from fsanet_ros.research.augmentation.official_augmentation import OfficialAugmentation
from fsanet_ros.research.augmentation.varied_crops import Augmentation

RECIPES = Path(__file__).parent / 'recipes'

# Each kind of picture has its own augmentation.
AUGMENTATIONS = {'face_square': Augmentation, 'official': OfficialAugmentation}
CHOICES = {
    'data': ('aflw', 'rendered', '300w_lp', 'biwi', 'csv'),
    'crop': tuple(AUGMENTATIONS),
    'architecture': get_args(Architecture),
    'scoring': get_args(Scoring),
    'aggregation': get_args(Aggregation),
    'optimizer': ('muon', 'adamw', 'adam'),
    'precision': ('float32', 'bfloat16'),
    'labels': ('file', 'teacher', 'teachers'),
    'schedule': ('cosine', 'drops'),
    'frozen': ('nothing', 'shallow'),
}
# Sets of faces from which a recipe can draw samples, besides its data.
FURTHER = ('pointing04', 'rendered')
# Smallest and largest values; without an entry any number is allowed.
_RANGES = {
    'samples': (1, math.inf),
    'epochs': (0, math.inf),
    'batch_size': (1, math.inf),
    'learning_rate': (1e-12, 10),
    'muon_learning_rate': (1e-12, 10),
    'rotation_share': (0, 1),
    'drops': (0, math.inf),
    'cycles': (1, math.inf),
    'restart_share': (0, 1),
    'weight_decay': (0, math.inf),
    'warmup_steps': (0, math.inf),
    'ema_decay': (0, 1),
    'batch_norm_momentum': (0, 1),
    'validation_share': (0, 0.9),
    'crop_scale': (0.1, 10),
    'pixel_scale': (1e-3, math.inf),
    'error_head_samples': (0, math.inf),
    'seed': (0, math.inf),
}


@dataclass(frozen=True)
class Recipe:
    """
    Everything that decides the result of a training run, except the pictures.

    ``data``: how the folder of the data is read. ``labels``: teacher replaces the file's by one
    teacher's, teachers by those of several that are calibrated (training.teachers). ``also``:
    which share of the samples comes from other sets.
    ``crop``: what the network sees, see inference.description.Description.
    ``architecture``, ``scoring``, ``aggregation``: see inference.network_config.NetworkConfig.
    ``samples``: the number of samples in all. ``epochs``: above 0, how often each face is seen;
    ``samples`` then follows from the number of faces (for_faces).
    ``optimizer``: muon trains weights that are matrices with Muon at ``muon_learning_rate``, and
    all others with AdamW.
    ``schedule``: of the learning rate. cosine: warm-up, then down to zero. drops: down to a tenth,
    ``drops`` times, at equal intervals. ``cycles``: how often cosine goes down to zero, each time
    from ``restart_share`` of the previous start (Loshchilov and Hutter, ICLR 2017).
    ``rarity``: exponent that favours rare poses when samples are drawn, 0: all faces alike.
    ``ema_decay``: of the running average of the weights, which is the result; 0: no average.
    ``validation_share``: of the faces, or of the people or sequences if known.
    ``rotation_share``: share of the loss that is the angle between the rotations. The rest is the
    mean absolute error of the angles, as in the paper.
    ``error_head_samples``: the number of samples that train the error head at the end, while the
    network stays as it is (training.error_head_training); 0: no error head.
    ``precision``: of the computation in training; bfloat16 is faster.
    ``crop_scale``: side of the crop in use, in units of the face square's side.
    ``frozen``: shallow leaves the layers before the first feature maps as they are, where training
    goes on from weights; a step takes 0.6 of the time.
    """

    data: str = 'aflw'
    labels: str = 'file'
    also: dict[str, float] = field(default_factory=dict)
    crop: Crop = 'face_square'
    architecture: Architecture = 'fsanet'
    scoring: Scoring = '1x1'
    aggregation: Aggregation = 'capsule'
    samples: int = 1_000_000
    epochs: int = 0
    batch_size: int = 64
    optimizer: str = 'adamw'
    learning_rate: float = 2e-3
    muon_learning_rate: float = 0.02
    schedule: str = 'cosine'
    drops: int = 2
    cycles: int = 1
    restart_share: float = 0.5
    weight_decay: float = 1e-2
    warmup_steps: int = 500
    ema_decay: float = 0.999
    batch_norm_momentum: float = 0.05
    rarity: float = 0.25
    validation_share: float = 0.1
    crop_scale: float = 0.9
    pixel_mean: float = 127.5
    pixel_scale: float = 128.0
    rotation_share: float = 0.0
    precision: str = 'float32'
    error_head_samples: int = 0
    frozen: str = 'nothing'
    seed: int = 1
    augmentation: Augmentation | OfficialAugmentation = field(default_factory=Augmentation)

    def __post_init__(self) -> None:
        """Refuse values that cannot be trained with; raise ValueError."""
        for name, choices in CHOICES.items():
            if (value := getattr(self, name)) not in choices:
                raise ValueError(f'{name} is {value!r}, expected one of: {", ".join(choices)}')
        for name, (low, high) in _RANGES.items():
            if not low <= (value := getattr(self, name)) <= high:
                raise ValueError(f'{name} is {value}, expected {low:g} to {high:g}')
        if not isinstance(self.augmentation, AUGMENTATIONS[self.crop]):
            raise ValueError(
                f'crop is {self.crop}: expected an {AUGMENTATIONS[self.crop].__name__}, got an '
                f'{type(self.augmentation).__name__}'
            )
        if self.error_head_samples and (self.architecture, self.crop) != ('fsanet', 'face_square'):
            raise ValueError(
                f'error_head_samples is {self.error_head_samples}, architecture '
                f'{self.architecture}, crop {self.crop}: expected fsanet and face_square, or 0'
            )
        for name, share in self.also.items():
            if name not in FURTHER or not 0 < share < 1:
                raise ValueError(
                    f'also has {name}: {share}, expected shares between 0 and 1 of: '
                    f'{", ".join(FURTHER)}'
                )
        if sum(self.also.values()) >= 1:
            raise ValueError(f'also is {self.also}, expected shares of less than 1 in all')

    @property
    def network(self) -> NetworkConfig:
        """The network to train."""
        return NetworkConfig(
            self.scoring, self.aggregation, self.architecture, self.pixel_mean, self.pixel_scale
        )

    @property
    def steps(self) -> int:
        """The number of optimizer steps."""
        return self.samples // self.batch_size

    def steps_per_epoch(self, count: int) -> int:
        """Return the number of full batches of ``count`` faces; an epoch leaves out the rest."""
        return max(1, count // self.batch_size)

    def for_faces(self, count: int) -> Recipe:
        """
        Return the recipe with the number of samples that its epochs make for so many faces.

        :raises ValueError: if there are no faces, or too few samples for a single step
        """
        if not count:
            raise ValueError('no faces to train on')
        recipe = self
        if self.epochs:
            steps = self.epochs * self.steps_per_epoch(count)
            recipe = dataclasses.replace(self, samples=steps * self.batch_size)
        if not recipe.steps:
            raise ValueError(
                f'samples is {recipe.samples}, expected at least the batch_size {self.batch_size}'
            )
        return recipe


def load_recipe(name_or_path: str | Path) -> Recipe:
    """
    Read a recipe from a YAML file, or one that comes with the package by its name.

    :raises FileNotFoundError: naming the recipes of the package
    :raises ValueError: for an unknown key or an impossible value, naming the file, the key and what
        was expected
    """
    path = Path(name_or_path)
    if not path.is_file():
        path = RECIPES / f'{name_or_path}.yaml'
    if not path.is_file():
        names = ', '.join(sorted(p.stem for p in RECIPES.glob('*.yaml')))
        raise FileNotFoundError(
            f'no recipe {name_or_path}: expected a YAML file or one of: {names}'
        )
    try:
        values = load_yaml(path) or {}
    except ValueError as error:
        raise ValueError(f'{path} {error}') from error
    if isinstance(values, dict) and values.get('epochs') and 'samples' in values:
        raise ValueError(f'{path} has samples and epochs: expected one of them')
    return recipe_from_values(values, path)


def recipe_from_values(values: Any, path: Path) -> Recipe:
    """
    Make a recipe from the names and values in a YAML file or a checkpoint.

    :param path: the file they come from, for error messages
    :raises ValueError: see load_recipe
    """
    if not isinstance(values, Mapping):
        raise ValueError(f'{path} holds a {type(values).__name__}, expected names and values')
    values = dict(values)
    section = values.pop('augmentation', None) or {}
    if not isinstance(section, Mapping):
        raise ValueError(f'{path}: augmentation is {section!r}, expected names and values')
    also = values.pop('also', None) or {}
    if not isinstance(also, Mapping):
        raise ValueError(f'{path}: also is {also!r}, expected names and shares')
    shares = {str(n): float(_value(f'also, {n}', v, 0.0, path)) for n, v in also.items()}
    kind = AUGMENTATIONS.get(str(values.get('crop', 'face_square')), Augmentation)
    augmentation = kind(**_checked(kind(), section, path))
    try:
        return Recipe(**_checked(Recipe(), values, path), also=shares, augmentation=augmentation)
    except ValueError as error:
        text = str(error)
        raise ValueError(text if text.startswith(str(path)) else f'{path}: {text}') from error


def _checked(defaults: Any, values: Mapping[Any, Any], path: Path) -> dict[str, Any]:
    known = {f.name: getattr(defaults, f.name) for f in dataclasses.fields(defaults)}
    for section in ('augmentation', 'also'):  # checked on their own
        known.pop(section, None)
    unknown = sorted(str(name) for name in set(values) - set(known))
    if unknown:
        raise ValueError(f'{path}: unknown {", ".join(unknown)}; known are {", ".join(known)}')
    return {name: _value(name, value, known[name], path) for name, value in values.items()}


def _value(name: str, value: Any, default: float | str, path: Path) -> float | str:
    if isinstance(default, str):
        return str(value)  # the recipe checks the choices
    kind = type(default)
    try:
        # Strings too: in YAML 1.1, 1e-3 without a point is a string.
        number = kind(value)
        exact = not isinstance(value, bool) and number == float(value)
    except (TypeError, ValueError, OverflowError):
        exact = False
    if not exact:
        raise ValueError(f'{path}: {name} is {value!r}, expected {kind.__name__}')
    return number
