"""
Weights on disk: where they are, whether they are whole, and which crop they want.

A set of weights is a file for onnxruntime (.onnx) or for PyTorch (.safetensors), each with a
description of its own inside. A set has a name when it comes with the package, or when it was
fetched or imported into the user's cache (``./run models``). No format here can carry code:
nothing is ever unpickled.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, get_args

from fsanet_ros.files import downloads
from fsanet_ros.inference.network_config import FusionMean, NetworkConfig
from fsanet_ros.inference.uncertainty import RotationErrorModel

DEFAULT_WEIGHTS = 'fsanet_1x1'
FORMATS = ('.onnx', '.safetensors')
METADATA_KEY = 'fsanet_ros'

Crop = Literal['face_square', 'official']

_LATER_FIELDS = {'crop': 'face_square', 'networks': (), 'fusion_mean': 'angles'}

_FOLDER = Path(__file__).parent / 'weights'
_INDEX = _FOLDER / 'index.json'


class WeightsError(ValueError):
    """Weights that can't be used; the text says what was found, expected and what to do."""


@dataclass(frozen=True)
class Description:
    """
    What a weights file says of itself.

    ``crop``: what the network wants to see. "face_square": a square around the face, its side
    ``crop_scale`` times the face square's. "official": FSA-Net's own preprocessing, an upright box
    of landmarks or of a detector, grown by 0.6 on each side (crops.cut_official_crop);
    ``crop_scale`` is then unused. ``pixel_mean``, ``pixel_scale``: applied inside the network;
    crops are 0..255 for all weights. ``rotation_error``: how far a rotation may be off, None where
    that was not measured. ``networks``: what the file holds, several for a fusion, whose members'
    answers become one as ``fusion_mean`` says; none: an FSA-Net with 1x1 scoring and capsules.
    """

    name: str
    crop_scale: float
    pixel_mean: float = 0.0
    pixel_scale: float = 1.0
    rotation_error: RotationErrorModel | None = None
    crop: Crop = 'face_square'
    networks: tuple[NetworkConfig, ...] = ()
    fusion_mean: FusionMean = 'angles'

    def __post_init__(self) -> None:
        """Refuse what no crop can be cut by with a ValueError."""
        if not (self.crop_scale > 0 and self.pixel_scale > 0):
            raise ValueError(
                f'crop_scale is {self.crop_scale}, pixel_scale {self.pixel_scale}: expected '
                'numbers above 0'
            )
        model = self.rotation_error
        if model is not None and model.uses_expected_error != self.has_error_head:
            has, fits = (
                'an' if self.has_error_head else 'no',
                'with' if model.uses_expected_error else 'without',
            )
            raise ValueError(
                f'{self.name} has {has} error head, but its model of the error was fitted {fits} '
                'one: fit it again (fsanet_ros.tools.fit_uncertainty)'
            )
        for name, value, known in (
            ('crop', self.crop, get_args(Crop)),
            ('fusion_mean', self.fusion_mean, get_args(FusionMean)),
        ):
            if value not in known:
                raise ValueError(f'{name} is {value!r}: expected one of {", ".join(known)}')

    @property
    def configs(self) -> tuple[NetworkConfig, ...]:
        """Return what the file holds; never empty."""
        default = NetworkConfig(pixel_mean=self.pixel_mean, pixel_scale=self.pixel_scale)
        return self.networks or (default,)

    @property
    def has_error_head(self) -> bool:
        """Tell whether the network says how far off it expects to be."""
        return all(config.error_head for config in self.configs)

    def to_metadata(self) -> dict[str, str]:
        """Return the metadata of a weights file."""
        values = asdict(self)
        # Files of before there were variants stay the same, to the bit.
        for name, default in _LATER_FIELDS.items():
            if values[name] == default:
                del values[name]
        for network in values.get('networks', ()):
            if not network['error_head']:
                del network['error_head']
        return {METADATA_KEY: json.dumps(values)}

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str], path: Path) -> Description:
        """
        Read the metadata of a weights file.

        :raises WeightsError: if they are not of a file of this package
        """
        try:
            values = json.loads(metadata[METADATA_KEY])
            if values.get('rotation_error') is not None:
                values['rotation_error'] = RotationErrorModel(**values['rotation_error'])
            networks = values.pop('networks', [])
            values['networks'] = tuple(NetworkConfig(**network) for network in networks)
            return cls(**values)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise WeightsError(
                f'{path} does not say which crop it wants ({METADATA_KEY} is missing or unreadable '
                'in its metadata): expected weights that this package has exported or imported'
            ) from error


def cached_weights_folder() -> Path:
    """Return where weights lie that were fetched or imported; it need not exist."""
    return downloads.cache_folder() / 'weights'


def weight_names() -> list[str]:
    """Return the names of the weights at hand: the package's, and those in the user's cache."""
    return sorted({*_read_index(_INDEX), *_read_index(cached_weights_folder() / 'index.json')})


def find_weights(name_or_path: str | Path, suffix: str) -> Path:
    """
    Return the file for a runtime, checked where its hash is known.

    :param name_or_path: the name of weights that come with the package or are in the user's cache,
        or a file
    :param suffix: .onnx or .safetensors
    :raises FileNotFoundError: if there is no such file or name
    :raises WeightsError: if the file is of another format or not the published one
    """
    name = str(name_or_path)
    cache = cached_weights_folder()
    for folder, index_path in ((_FOLDER, _INDEX), (cache, cache / 'index.json')):
        entry = _read_index(index_path).get(name)
        if entry is None:
            continue
        if suffix not in entry:
            raise WeightsError(
                f'the weights {name} come as {", ".join(entry)}, not as {suffix}: choose '
                'the other runtime'
            )
        path = folder / f'{name}{suffix}'
        check_sha256(path, entry[suffix])
        return path
    path = Path(name_or_path).expanduser()
    if not path.is_file():
        raise FileNotFoundError(_unknown(name))
    if path.suffix != suffix:
        raise WeightsError(_wrong_kind(path, suffix))
    return path


def has_weights(name: str) -> bool:
    """Tell whether weights of that name are at hand, whole, for either runtime."""
    try:
        return all(find_weights(name, suffix).is_file() for suffix in FORMATS)
    except (FileNotFoundError, WeightsError):
        return False


def check_sha256(path: Path, expected: str) -> None:
    """
    Compare a file with its published hash.

    :raises FileNotFoundError: if it is not there
    :raises WeightsError: if it differs
    """
    if not path.is_file():
        raise FileNotFoundError(
            f'{path} is missing: install the package, or fetch or import the weights again'
        )
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != expected.lower():
        raise WeightsError(
            f'{path} has the SHA-256 {found}, expected {expected}: it is damaged or not the '
            'published file; install or download it again'
        )


def _wrong_kind(path: Path, suffix: str) -> str:
    if path.suffix in FORMATS:
        return (
            f'{path} ends in {path.suffix}, this runtime reads {suffix}: choose the other runtime '
            'or export the weights'
        )
    if path.suffix in ('.h5', '.hdf5'):
        return (
            f'{path} is a Keras file, expected {" or ".join(FORMATS)}: convert it with "./run '
            f'models import {path.name} --name NAME" and give the name'
        )
    return f'{path} ends in {path.suffix or "nothing"}, expected {" or ".join(FORMATS)}'


def _unknown(name: str) -> str:
    known = f'expected a file ({" or ".join(FORMATS)}) or one of: {", ".join(weight_names())}'
    if name in downloads.names('network'):
        return f'the weights {name} are not here: {downloads.advice(name)}'
    return f'no weights {name}: {known}; "./run models" lists what can be fetched'


def _read_index(path: Path) -> dict[str, dict[str, str]]:
    if not path.is_file():
        return {}
    try:
        index: dict[str, dict[str, str]] = json.loads(path.read_text(encoding='utf-8'))
    except ValueError as error:
        raise WeightsError(
            f'{path} is not readable JSON ({error}): remove it and fetch the weights again'
        ) from error
    return index
