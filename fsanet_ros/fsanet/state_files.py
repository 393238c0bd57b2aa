"""Networks in .safetensors files, for PyTorch."""

from __future__ import annotations

from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file

from fsanet_ros.fsanet.network import FSANet, FSANetConfig
from fsanet_ros.fsanet.weight_files import Description, WeightsError


def load_network(path: Path) -> tuple[FSANet, Description]:
    """
    Load a network, ready for use.

    :raises WeightsError: if the file is damaged or holds another network
    """
    try:
        with safe_open(path, 'pt') as file:
            description = Description.from_metadata(file.metadata() or {}, path)
        network = FSANet(FSANetConfig(description.pixel_mean, description.pixel_scale))
        network.load_state_dict(load_file(path))
    except (SafetensorError, RuntimeError) as error:
        raise WeightsError(f'{path} does not hold an FSA-Net 1x1 ({error})') from error
    return network.eval(), description


def save_network(network: FSANet, description: Description, path: Path) -> None:
    """Write a network with its description."""
    tensors = {k: v.detach().cpu().contiguous() for k, v in network.state_dict().items()}
    save_file(tensors, path, metadata=description.to_metadata())
