"""Load and save networks as .safetensors files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import Tensor, nn

from fsanet_ros.inference.description import Description, WeightsError
from fsanet_ros.network.fusion import Fusion, Network, build


def load_network(path: Path) -> tuple[Network, Description]:
    """
    Load a network in evaluation mode, and its description.

    :raises WeightsError: if the file is damaged or does not fit its description
    """
    try:
        with safe_open(path, 'pt') as file:
            description = Description.from_metadata(file.metadata() or {}, path)
        state = load_file(path)
    except SafetensorError as error:
        raise WeightsError(
            f'{path} does not hold an FSA-Net ({error}): expected a .safetensors file that this '
            'package has written'
        ) from error
    network = build(description.configs, description.fusion_mean)
    fill(network, state, path)
    return network.eval(), description


def save_network(network: Network, description: Description, path: Path) -> None:
    """Write a network with its description."""
    tensors = {k: v.detach().cpu().contiguous() for k, v in network.state_dict().items()}
    # save_file would make a file that only its owner can read.
    path.write_bytes(save(tensors, described(network, description).to_metadata()))


def described(network: Network, description: Description) -> Description:
    """Return the description with its networks, mean and pixel scale taken from the network."""
    mean = network.mean if isinstance(network, Fusion) else 'angles'
    if (description.configs, description.fusion_mean) == (network.configs, mean):
        return description
    (first, *others) = network.configs
    if others:
        return replace(description, networks=network.configs, fusion_mean=mean)
    return replace(
        description,
        networks=(first,),
        pixel_mean=first.pixel_mean,
        pixel_scale=first.pixel_scale,
        fusion_mean=mean,
    )


def fill(network: nn.Module, state: Mapping[str, Tensor], path: str | Path) -> None:
    """
    Load weights into a network.

    :raises WeightsError: if one is missing, unknown or of another shape; names the first
    """
    wanted = network.state_dict()
    missing = [name for name in wanted if name not in state]
    unknown = [name for name in state if name not in wanted]
    kinds = ', '.join(str(config) for config in getattr(network, 'configs', ()))
    expected = f'expected the weights of {kinds}'
    if missing:
        raise WeightsError(f'{path} does not hold an FSA-Net, {missing[0]} is missing: {expected}')
    if unknown:
        raise WeightsError(f'{path} also has {unknown[0]}: {expected}')
    for name, tensor in wanted.items():
        if state[name].shape != tensor.shape:
            raise WeightsError(
                f'{path}: {name} is {list(state[name].shape)}, not {list(tensor.shape)}; {expected}'
            )
    network.load_state_dict(state)
