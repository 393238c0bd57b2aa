"""Export weights or a training's checkpoint to ONNX, and compare the angles of both."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fsanet_ros.inference.description import METADATA_KEY, Description
from fsanet_ros.inference.weight_files import find_weights
from fsanet_ros.tools.command_line import command_parser, fail, note

if TYPE_CHECKING:
    from fsanet_ros.network.fusion import Network


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return 0, or 1 when there is no file that agrees with the network."""
    parser = command_parser('export', __doc__)
    parser.add_argument(
        'weights',
        help='weights (a name or a .safetensors file), a checkpoint.safetensors, or the folder of '
        'a training',
    )
    parser.add_argument('-o', '--output', type=Path, required=True, metavar='FILE.onnx')
    arguments = parser.parse_args(argv)
    try:
        difference = export(arguments.weights, arguments.output)
    except (ValueError, OSError, ImportError) as error:
        return fail('export', error)
    note(
        arguments, f'{arguments.output}: PyTorch and onnxruntime agree to {difference:.1e} degrees'
    )
    return 0


def export(weights: str | Path, output: Path) -> float:
    """
    Write an .onnx file; on an error, what was there before stays.

    :param weights: see main
    :returns: the largest difference between PyTorch and onnxruntime, degrees
    :raises FileNotFoundError: if there are no such weights
    :raises ValueError: if they cannot be read, or the exported file gives other angles
    """
    from fsanet_ros.network.onnx_export import export_onnx

    if output.suffix != '.onnx':
        raise ValueError(f'{output} ends in {output.suffix or "nothing"}, expected .onnx')
    network, description = load(weights, output.stem)
    output.parent.mkdir(parents=True, exist_ok=True)
    new = output.with_name(f'.{output.stem}.new.onnx')
    try:
        difference = export_onnx(network, description, new)
        new.replace(output)
    finally:
        new.unlink(missing_ok=True)
    return difference


def load(weights: str | Path, name: str) -> tuple[Network, Description]:
    """
    Load a network of weights or of a checkpoint.

    :param name: what weights from a checkpoint are to be called
    :raises FileNotFoundError: if there are no such weights
    :raises ValueError: if they cannot be read
    """
    from fsanet_ros.network.state_files import load_network
    from fsanet_ros.research.training.checkpoints import CHECKPOINT, read_checkpoint
    from fsanet_ros.research.training.training_loop import describe, make_network

    folder = Path(weights)
    path = folder / CHECKPOINT if folder.is_dir() else find_weights(weights, '.safetensors')
    if not path.is_file():
        raise FileNotFoundError(
            f'{folder} holds no {CHECKPOINT}: expected the folder of a training'
        )
    if METADATA_KEY in _metadata(path):
        return load_network(path)
    checkpoint = read_checkpoint(path)
    network = make_network(checkpoint.recipe)
    try:
        network.load_state_dict(checkpoint.below('average'))
    except RuntimeError as error:
        reason = ' '.join(str(error).split())
        raise ValueError(f'{path} holds another network than its recipe says: {reason}') from error
    return network.eval(), describe(checkpoint.recipe, name)


def _metadata(path: Path) -> dict[str, str]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, 'pt') as file:
            return dict(file.metadata() or {})
    except SafetensorError as error:
        raise ValueError(f'{path} is not a readable .safetensors file ({error})') from error


if __name__ == '__main__':
    sys.exit(main())
