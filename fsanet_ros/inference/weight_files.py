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
from pathlib import Path

from fsanet_ros.files import downloads
from fsanet_ros.inference.description import WeightsError

DEFAULT_WEIGHTS = 'fsanet_1x1'
FORMATS = ('.onnx', '.safetensors')

_FOLDER = Path(__file__).parent / 'weights'
_INDEX = _FOLDER / 'index.json'


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
