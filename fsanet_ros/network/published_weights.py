"""
Weights that others published, made into this package's files: .onnx and .safetensors.

Needs PyTorch, h5py, onnx and safetensors (requirements/train.txt).
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from fsanet_ros.files import downloads
from fsanet_ros.inference.description import Description, WeightsError
from fsanet_ros.inference.network_config import FusionMean, NetworkConfig
from fsanet_ros.inference.weight_files import (
    FORMATS,
    cached_weights_folder,
    find_weights,
    has_weights,
)
from fsanet_ros.network.fusion import Fusion, Network
from fsanet_ros.network.keras_weights import load_keras_network
from fsanet_ros.network.onnx_export import write_weights
from fsanet_ros.network.state_files import load_network

# How the official code names its files.
_OFFICIAL_NAME = re.compile(r'fsanet_(var_|noS_)?(capsule|metric|netvlad)_')


@dataclass(frozen=True)
class Imported:
    """
    What was written.

    ``difference_deg``: between PyTorch and onnxruntime. ``finite``: whether all weights are
    numbers; a network with others gives no angles.
    """

    name: str
    paths: tuple[Path, ...]
    networks: tuple[NetworkConfig, ...]
    difference_deg: float
    finite: bool


def import_keras(path: Path, name: str = '', folder: Path | None = None) -> Imported:
    """
    Convert an official Keras file.

    :param name: of the weights; none: the zoo's for a file that it knows, else the file's own
    :param folder: where to; None is the user's cache, where weights are found by their name
    :raises FileNotFoundError: if there is no such file
    :raises WeightsError: if it is damaged or of another network than its name says, or if the
        name is another's
    """
    if not path.is_file():
        raise FileNotFoundError(f'no file {path}: expected the official weights, an .h5 file')
    known = _known_file(path)
    name = name or (known.name if known else path.stem)
    if folder is None:
        _check_name(name, known)
    network = load_keras_network(path, _expected(path, known))
    description = Description(name, crop_scale=1.0, crop='official')
    return _write(network, description, folder or cached_weights_folder())


def fetch_network(
    name: str,
    source: Path | None = None,
    folder: Path | None = None,
    progress: downloads.Progress | None = None,
) -> Imported | None:
    """
    Bring a network of the zoo into the user's cache, or into a folder, converted.

    :param source: a folder with the published files; None downloads them
    :returns: None if it was there
    :raises KeyError: if the zoo has no such network
    :raises ValueError: what arrived is not the published file
    :raises OSError: it cannot be read, downloaded or written
    """
    if folder is None and has_weights(name):
        return None
    members = downloads.members_of(name)
    if members:
        for member in members:
            fetch_network(member, source, folder, progress)
        own = cached_weights_folder() if folder is None else folder
        return _fuse([own / f'{member}{FORMATS[1]}' for member in members], name, own, 'angles')
    with tempfile.TemporaryDirectory() as temporary:
        path = downloads.fetch(name, folder=Path(temporary), source=source, progress=progress)
        return import_keras(path, name, folder)


def fuse(
    weights: Sequence[str | Path],
    name: str,
    folder: Path | None = None,
    mean: FusionMean = 'rotations',
) -> Imported:
    """
    Make one network of several that look at the same crop.

    :param weights: names or .safetensors files
    :param mean: of the members' rotations, or of their angles as in the paper; see fusion.py
    :raises FileNotFoundError: if there are no such weights
    :raises WeightsError: if they want different crops, or are fusions themselves, or if the name
        is another's
    """
    if folder is None:
        _check_name(name, None)
    return _fuse(weights, name, folder or cached_weights_folder(), mean)


def _fuse(weights: Sequence[str | Path], name: str, folder: Path, mean: FusionMean) -> Imported:
    loaded = [load_network(find_weights(w, FORMATS[1])) for w in weights]
    first = loaded[0][1]
    members = []
    for network, description in loaded:
        if isinstance(network, Fusion):
            raise WeightsError(
                f'{description.name} is a fusion itself: expected single networks, name its members'
            )
        if (description.crop, description.crop_scale) != (first.crop, first.crop_scale):
            raise WeightsError(
                f'{description.name} wants the crop {description.crop} {description.crop_scale:g}, '
                f'{first.name} {first.crop} {first.crop_scale:g}: expected networks that look at '
                'the same crop'
            )
        members.append(network)
    description = Description(name, crop_scale=first.crop_scale, crop=first.crop)
    return _write(Fusion(members, mean), description, folder)


def _write(network: Network, description: Description, folder: Path) -> Imported:
    difference = write_weights(network, description, folder)
    return Imported(
        description.name,
        tuple(folder / f'{description.name}{suffix}' for suffix in FORMATS),
        network.configs,
        difference,
        all(bool(torch.isfinite(tensor).all()) for tensor in network.state_dict().values()),
    )


def _known_file(path: Path) -> downloads.PublishedFile | None:
    found = downloads.sha256_of(path)
    networks = (file for file in downloads.PUBLISHED.values() if file.kind == 'network')
    return next((file for file in networks if file.sha256 == found), None)


def _expected(path: Path, known: downloads.PublishedFile | None) -> NetworkConfig | None:
    if known is not None:
        return NetworkConfig(**known.network)
    match = _OFFICIAL_NAME.match(path.name)
    if match is None:
        return None
    scoring = {None: '1x1', 'var_': 'variance', 'noS_': 'none'}[match[1]]
    choices: dict[str, Any] = {'scoring': scoring, 'aggregation': match[2]}
    return NetworkConfig(**choices)


def _check_name(name: str, known: downloads.PublishedFile | None) -> None:
    if not re.fullmatch(r'[A-Za-z0-9][\w.-]*', name):
        raise WeightsError(f'the name {name!r} is no file name: expected letters, digits, _ - .')
    taken = {values['name'] for part in ('packaged', 'fusions') for values in downloads.ZOO[part]}
    taken |= set(downloads.PUBLISHED) - {known.name if known else ''}
    if name in taken:
        raise WeightsError(
            f'{name} is the name of other weights in the zoo: choose another with --name'
        )
