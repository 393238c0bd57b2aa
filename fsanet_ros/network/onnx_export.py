"""Export a network to ONNX, with one input, uint8 [n, 64, 64, 3] BGR, and a free batch axis."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from safetensors.torch import load_file, save
from torch import Tensor, nn

from fsanet_ros.inference.crops import NETWORK_SIZE
from fsanet_ros.inference.description import Description, WeightsError
from fsanet_ros.inference.onnx_runtime import ANGLES, EXPECTED_ERROR, OnnxRuntime
from fsanet_ros.inference.weight_files import FORMATS
from fsanet_ros.network.exported_graph import rewritten_for_export
from fsanet_ros.network.fusion import Network
from fsanet_ros.network.state_files import described, save_network

OPSET = 13  # read by every onnxruntime from 1.6 on
AGREEMENT_DEG = 1e-3


class _FromPixels(nn.Module):
    """The network with raw crops as its input, so that nothing is left to do outside."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, crops: Tensor) -> Any:
        """Map uint8 [n, 64, 64, 3] to float [n, 3], yaw, pitch, roll in degrees."""
        return self.network(crops.permute(0, 3, 1, 2).float())


class _WithExpectedError(_FromPixels):
    """The same, with the expected error as a second output."""

    def forward(self, crops: Tensor) -> Any:
        """Map uint8 [n, 64, 64, 3] to float [n, 3] and float [n], degrees."""
        network: Any = self.network
        return network.with_expected_error(crops.permute(0, 3, 1, 2).float())


def write_weights(network: Network, description: Description, folder: Path) -> float:
    """
    Write a network as <name>.onnx and <name>.safetensors, and their hashes into index.json.

    :returns: the largest difference between the two, degrees
    :raises WeightsError: if it is above AGREEMENT_DEG
    """
    folder.mkdir(parents=True, exist_ok=True)
    onnx_path, state_path = (folder / f'{description.name}{suffix}' for suffix in FORMATS)
    save_network(network, description, state_path)
    difference = export_onnx(network, description, onnx_path)
    _write_hashes(description.name, folder)
    return difference


def write_description(description: Description, folder: Path) -> None:
    """
    Replace the description in the files of its name, and their hashes in index.json.

    The weights stay the same to the bit.

    :raises FileNotFoundError: if one of the files is missing
    """
    onnx_path, state_path = (folder / f'{description.name}{suffix}' for suffix in FORMATS)
    model = onnx.load(onnx_path)
    _describe(model, description)
    onnx.save(model, onnx_path)
    # save_file would make a file that only its owner can read.
    state_path.write_bytes(save(load_file(state_path), description.to_metadata()))
    _write_hashes(description.name, folder)


def export_onnx(network: Network, description: Description, path: Path) -> float:
    """
    Write an .onnx file and compare it with the network.

    :returns: the largest difference in the angles, degrees
    :raises WeightsError: if it is above AGREEMENT_DEG
    """
    network = network.cpu().eval()
    description = described(network, description)
    kind, outputs = (
        (_WithExpectedError, [ANGLES, EXPECTED_ERROR])
        if description.has_error_head
        else (_FromPixels, [ANGLES])
    )
    example = torch.zeros((2, NETWORK_SIZE, NETWORK_SIZE, 3), dtype=torch.uint8)
    torch.onnx.export(
        kind(rewritten_for_export(network)).eval(),
        (example,),
        str(path),
        input_names=['crops_bgr'],
        output_names=outputs,
        dynamic_axes={name: {0: 'n'} for name in ('crops_bgr', *outputs)},
        opset_version=OPSET,
        dynamo=False,
    )
    model = onnx.load(path)
    _describe(model, description)
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return _check_agreement(network, path)


def _describe(model: Any, description: Description) -> None:
    onnx.helper.set_model_props(model, description.to_metadata())


def _write_hashes(name: str, folder: Path) -> None:
    index_path = folder / 'index.json'
    index = json.loads(index_path.read_text(encoding='utf-8')) if index_path.is_file() else {}
    index[name] = {
        suffix: hashlib.sha256((folder / f'{name}{suffix}').read_bytes()).hexdigest()
        for suffix in FORMATS
    }
    new = folder / '.index.json.new'
    new.write_text(json.dumps(index, indent=2) + '\n', encoding='utf-8')
    new.replace(index_path)


def _check_agreement(network: Network, path: Path) -> float:
    shape = (7, NETWORK_SIZE, NETWORK_SIZE, 3)
    crops = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    with torch.inference_mode():
        expected = network(torch.from_numpy(crops).permute(0, 3, 1, 2).float()).numpy()
    found = OnnxRuntime(path)(crops)
    # NaN weights give NaN in both: the export is right, even if the weights are useless.
    both_nan = np.isnan(found) & np.isnan(expected)
    difference = float(np.where(both_nan, 0.0, np.abs(found - expected)).max())
    if not difference <= AGREEMENT_DEG:
        raise WeightsError(
            f'{path} differs from the network by {difference:.4f} degrees: expected at most '
            f'{AGREEMENT_DEG}; do not use it'
        )
    return difference
