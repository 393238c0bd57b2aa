"""
Weights on disk: where they are, whether they are whole, and which crop they want.

A set of weights is a file for onnxruntime (.onnx) or for PyTorch (.safetensors), each with a
description of its own inside. No format here can carry code: nothing is ever unpickled.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from fsanet_ros.fsanet.uncertainty import RotationErrorModel

DEFAULT_WEIGHTS = 'fsanet_aflw'
FORMATS = ('.onnx', '.safetensors')
METADATA_KEY = 'fsanet_ros'

_FOLDER = Path(__file__).parent / 'weights'
_INDEX = _FOLDER / 'index.json'


class WeightsError(ValueError):
    """Weights that can't be used; the text says what was found, expected and what to do."""


@dataclass(frozen=True)
class Description:
    """
    What a weights file says of itself.

    ``crop_scale``: the side of the network's crop in units of the face square's. ``pixel_mean``,
    ``pixel_scale``: applied inside the network; crops are 0..255 for all weights.
    ``rotation_error``: how far a rotation may be off, None where that was not measured.
    ``crop``: face_square, a square of ``crop_scale`` times the face square's side; or official,
    the authors' box with margins, which knows no ``crop_scale``.
    """

    name: str
    crop_scale: float
    pixel_mean: float = 0.0
    pixel_scale: float = 1.0
    rotation_error: RotationErrorModel | None = None
    crop: str = 'face_square'

    def __post_init__(self) -> None:
        """Refuse what no crop can be cut by with a ValueError."""
        if not (self.crop_scale > 0 and self.pixel_scale > 0):
            raise ValueError(
                f'crop_scale is {self.crop_scale}, pixel_scale {self.pixel_scale}: expected '
                'numbers above 0'
            )

    def to_metadata(self) -> dict[str, str]:
        """Return the metadata of a weights file."""
        return {METADATA_KEY: json.dumps(asdict(self))}

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
            return cls(**values)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise WeightsError(
                f'{path} does not say which crop it wants ({METADATA_KEY} is missing or unreadable '
                'in its metadata): expected weights that this package has exported or imported'
            ) from error


def weight_names() -> list[str]:
    """Return the names of the weights that come with the package."""
    return sorted(_index())


def find_weights(name_or_path: str | Path, suffix: str) -> Path:
    """
    Return the file for a runtime, checked where its hash is known.

    :param name_or_path: the name of weights that come with the package, or a file
    :param suffix: .onnx or .safetensors
    :raises FileNotFoundError: if there is no such file or name
    :raises WeightsError: if the file is of another format or not the published one
    """
    entry = _index().get(str(name_or_path))
    if entry is not None:
        if suffix not in entry:
            raise WeightsError(
                f'the weights {name_or_path} come as {", ".join(entry)}, not as {suffix}: choose '
                'the other runtime'
            )
        path = _FOLDER / f'{name_or_path}{suffix}'
        check_sha256(path, entry[suffix])
        return path
    path = Path(name_or_path).expanduser()
    if not path.is_file():
        raise FileNotFoundError(
            f'no weights {name_or_path}: expected a file ({" or ".join(FORMATS)}) or one of: '
            f'{", ".join(weight_names())}'
        )
    if path.suffix != suffix:
        raise WeightsError(
            f'{path} ends in {path.suffix or "nothing"}, this runtime reads {suffix}: '
            'choose the other runtime or export the weights'
        )
    return path


def check_sha256(path: Path, expected: str) -> None:
    """
    Compare a file with its published hash.

    :raises FileNotFoundError: if it is not there
    :raises WeightsError: if it differs
    """
    if not path.is_file():
        raise FileNotFoundError(f'{path} is missing: install the package again')
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != expected.lower():
        raise WeightsError(
            f'{path} has the SHA-256 {found}, expected {expected}: it is damaged or not the '
            'published file; install or download it again'
        )


def _index() -> dict[str, dict[str, str]]:
    index: dict[str, dict[str, str]] = json.loads(_INDEX.read_text(encoding='utf-8'))
    return index
