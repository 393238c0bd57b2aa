"""
What a weights file says of itself: which network it holds and which crop it wants to see.

It stands as JSON in the metadata of the .onnx or .safetensors file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, get_args

from fsanet_ros.inference.network_config import FusionMean, NetworkConfig
from fsanet_ros.inference.rotation_error import RotationErrorModel

METADATA_KEY = 'fsanet_ros'

Crop = Literal['face_square', 'official']

_LATER_FIELDS = {'crop': 'face_square', 'networks': (), 'fusion_mean': 'angles'}


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
