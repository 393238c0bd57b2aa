"""
Convert published weights into this package's files, .onnx and .safetensors: fetch, import, fuse.

Needs PyTorch, h5py, onnx and safetensors (requirements/train.txt).
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

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
from fsanet_ros.network import zoo
from fsanet_ros.network.fusion import Fusion, Network, mean_weights
from fsanet_ros.network.keras_weights import config_from_name, load_keras_network
from fsanet_ros.network.onnx_export import write_weights
from fsanet_ros.network.state_files import load_network

Mean = FusionMean | Literal['weights']


@dataclass(frozen=True)
class Imported:
    """
    The files written.

    ``difference_deg``: the largest between PyTorch and onnxruntime. ``finite``: False if some
    weights are NaN or infinite; such a network gives no angles.
    """

    name: str
    paths: tuple[Path, ...]
    networks: tuple[NetworkConfig, ...]
    difference_deg: float
    finite: bool


def import_keras(path: Path, name: str = '', folder: Path | None = None) -> Imported:
    """
    Convert an official Keras file.

    :param name: the name to give the weights; by default the zoo's name for a file in the zoo,
        else the file's own
    :param folder: where to write; None is the user's cache, where weights are found by name
    :raises FileNotFoundError: if there is no such file
    :raises WeightsError: if the file is damaged, holds another network than its name says, or the
        name is taken
    """
    if not path.is_file():
        raise FileNotFoundError(f'no file {path}: expected the official weights, an .h5 file')
    known = zoo.network_file(path)
    name = name or (known.name if known else path.stem)
    if folder is None:
        _check_name(name, own=known.name if known else '')
    expected = NetworkConfig(**known.network) if known else config_from_name(path.name)
    network = load_keras_network(path, expected)
    description = Description(name, crop_scale=1.0, crop='official')
    return _write(network, description, folder or cached_weights_folder())


def fetch_network(
    name: str,
    source: Path | None = None,
    folder: Path | None = None,
    progress: downloads.Progress | None = None,
) -> Imported | None:
    """
    Fetch a network of the zoo and convert it.

    :param source: a folder with the published files; None downloads them
    :param folder: where to write; None is the user's cache
    :returns: None if it was there already
    :raises KeyError: if the zoo has no such network
    :raises ValueError: if what arrived is not the published file
    :raises OSError: if it cannot be read, downloaded or written
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
    mean: Mean = 'rotations',
) -> Imported:
    """
    Make one network of several that want the same crop.

    :param weights: names or .safetensors files
    :param folder: where to write; None is the user's cache
    :param mean: of the members' rotations, or of their angles as in the paper, or of the weights of
        networks of one kind, which gives one such network; see fusion.py
    :raises FileNotFoundError: if there are no such weights
    :raises WeightsError: if the members want different crops or are fusions themselves, or if the
        name is taken
    """
    if folder is None:
        _check_name(name)
    return _fuse(weights, name, folder or cached_weights_folder(), mean)


def _fuse(weights: Sequence[str | Path], name: str, folder: Path, mean: Mean) -> Imported:
    loaded = [load_network(find_weights(w, FORMATS[1])) for w in weights]
    first = loaded[0][1]
    members = []
    for network, description in loaded:
        if isinstance(network, Fusion):
            raise WeightsError(
                f'{description.name} is a fusion itself: expected single networks; name its members'
            )
        if (description.crop, description.crop_scale) != (first.crop, first.crop_scale):
            raise WeightsError(
                f'{description.name} wants the crop {description.crop} {description.crop_scale:g}, '
                f'{first.name} {first.crop} {first.crop_scale:g}: expected networks that want '
                'the same crop'
            )
        members.append(network)
    description = Description(name, crop_scale=first.crop_scale, crop=first.crop)
    if mean != 'weights':
        return _write(Fusion(members, mean), description, folder)
    try:
        network = mean_weights(members)
    except ValueError as error:
        raise WeightsError(str(error)) from error
    return _write(network, description, folder)


def _write(network: Network, description: Description, folder: Path) -> Imported:
    difference = write_weights(network, description, folder)
    return Imported(
        description.name,
        tuple(folder / f'{description.name}{suffix}' for suffix in FORMATS),
        network.configs,
        difference,
        all(bool(torch.isfinite(tensor).all()) for tensor in network.state_dict().values()),
    )


def _check_name(name: str, own: str = '') -> None:
    """Refuse a name that is no file name, or that the zoo gives to other weights than its own."""
    if not re.fullmatch(r'[A-Za-z0-9][\w.-]*', name):
        raise WeightsError(
            f'{name!r} is not a usable name: expected letters, digits, _ - . and no _ - . at the '
            'start'
        )
    if name != own and name in zoo.models():
        raise WeightsError(
            f'{name} is the name of other weights in the zoo: choose another with --name'
        )
