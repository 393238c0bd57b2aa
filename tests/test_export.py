"""Export to ONNX: weights and checkpoints, with the same angles, or one line that says why not."""

import dataclasses
import os
import shutil
from itertools import product
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

torch = pytest.importorskip('torch', reason='PyTorch is not installed')
pytest.importorskip('onnx', reason='onnx is not installed')
pytest.importorskip('onnxruntime', reason='onnxruntime is not installed')

from safetensors.torch import save_file  # noqa: E402

from fsanet_ros.inference.description import Description  # noqa: E402
from fsanet_ros.inference.network_config import (  # noqa: E402
    Aggregation,
    NetworkConfig,
    Scoring,
)
from fsanet_ros.inference.onnx_runtime import OnnxRuntime  # noqa: E402
from fsanet_ros.inference.weight_files import DEFAULT_WEIGHTS, find_weights  # noqa: E402
from fsanet_ros.network import onnx_export as fsanet_export  # noqa: E402
from fsanet_ros.network.exported_graph import rewritten_for_export  # noqa: E402
from fsanet_ros.network.fsanet import (  # noqa: E402
    CapsuleLayer,
    ConvScoring,
    FineGrainedStructure,
    SoftStagewiseRegression,
)
from fsanet_ros.network.onnx_export import export_onnx  # noqa: E402
from fsanet_ros.network.torch_runtime import TorchRuntime  # noqa: E402
from fsanet_ros.network.variants import AllCells, VarianceScoring, build_network  # noqa: E402
from fsanet_ros.research.training.batches import Batch  # noqa: E402
from fsanet_ros.research.training.checkpoints import CHECKPOINT  # noqa: E402
from fsanet_ros.research.training.recipe import load_recipe  # noqa: E402
from fsanet_ros.research.training.training_loop import Trainer  # noqa: E402
from fsanet_ros.tools.export import main  # noqa: E402

EVERY_KIND = [
    *(
        NetworkConfig(scoring, aggregation, pixel_mean=127.5, pixel_scale=128.0)
        for scoring, aggregation in product(get_args(Scoring), get_args(Aggregation))
    ),
    NetworkConfig(architecture='ssrnet', pixel_mean=127.5, pixel_scale=128.0),
]
CROPS = np.random.default_rng(2).integers(0, 256, (5, 64, 64, 3), np.uint8)


@pytest.fixture
def trained(tmp_path):
    """Return a trainer after a few steps and the folder with its checkpoint."""
    recipe = dataclasses.replace(load_recipe('official_300w_lp'), pixel_mean=100.0)
    trainer = Trainer(recipe.for_faces(64))
    for _ in range(3):
        trainer.train_step(Batch(CROPS, np.zeros((5, 3), np.float32)))
    trainer.save(tmp_path / 'run')
    return trainer, tmp_path / 'run'


def failure(arguments, capsys):
    assert main([str(a) for a in arguments]) == 1
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith('export: ')
    return line


def untrained(config):
    """Return a network in double precision whose batch norms have seen something."""
    torch.manual_seed(0)
    network = build_network(config).double().train()
    network(pixels())
    return network.eval()


def pixels():
    return torch.from_numpy(CROPS).permute(0, 3, 1, 2).double()


@pytest.mark.parametrize('config', EVERY_KIND, ids=str)
def test_what_makes_a_graph_fast_leaves_the_angles_as_they_are(config):
    network = untrained(config)
    with torch.inference_mode():
        expected = network(pixels())
    rewritten = rewritten_for_export(network)
    with torch.inference_mode():
        assert torch.allclose(rewritten(pixels()), expected, rtol=0, atol=1e-9)
        assert torch.equal(network(pixels()), expected)  # the network itself did not change


@pytest.mark.parametrize('config', EVERY_KIND[:-1], ids=str)
def test_every_part_of_fsanet_that_has_a_faster_form_is_rewritten(config):
    kinds = {type(module) for module in rewritten_for_export(untrained(config)).modules()}
    assert kinds.isdisjoint({FineGrainedStructure, CapsuleLayer, SoftStagewiseRegression})
    assert kinds.isdisjoint({VarianceScoring, ConvScoring, AllCells})


@pytest.mark.parametrize('config', EVERY_KIND[:3], ids=str)
def test_a_graph_works_out_no_sizes(tmp_path, config):
    import onnx

    description = Description('net', 1.0, networks=(config,))
    export_onnx(untrained(config).float(), description, tmp_path / 'net.onnx')
    operations = [node.op_type for node in onnx.load(tmp_path / 'net.onnx').graph.node]
    # Normalising NetVLAD's residuals asks for two.
    assert operations.count('Shape') == (2 if config.aggregation == 'netvlad' else 0)
    assert 'Einsum' not in operations


@pytest.mark.parametrize('weights', [DEFAULT_WEIGHTS, 'mine.safetensors'])
def test_weights_give_the_same_angles_as_onnx(tmp_path, capsys, weights):
    path = find_weights(DEFAULT_WEIGHTS, '.safetensors')
    if weights != DEFAULT_WEIGHTS:
        weights = shutil.copy(path, tmp_path / weights)
    output = tmp_path / 'new' / 'mine.onnx'
    assert main([str(weights), '--output', str(output)]) == 0
    assert f'{output}: PyTorch and onnxruntime agree to' in capsys.readouterr().out
    assert os.listdir(output.parent) == ['mine.onnx']
    exported, original = OnnxRuntime(output), TorchRuntime(path)
    assert exported.description == original.description
    assert np.abs(exported(CROPS) - original(CROPS)).max() < 1e-3
    import onnx

    assert onnx.load(output).opset_import[0].version == 13  # onnxruntime 1.6 and later


@pytest.mark.parametrize('which', ['', CHECKPOINT])
def test_a_checkpoint_is_exported_with_its_averaged_weights(tmp_path, trained, which):
    trainer, folder = trained
    output = tmp_path / 'mine.onnx'
    assert main([str(folder / which), '--output', str(output)]) == 0
    runtime = OnnxRuntime(output)
    assert np.abs(runtime(CROPS) - trainer.estimate(CROPS)).max() < 1e-3
    description = runtime.description
    assert (description.name, description.crop) == ('mine', 'official')
    assert (description.pixel_mean, description.pixel_scale) == (100.0, 1.0)


def test_bad_input_is_refused_with_what_was_expected(tmp_path, trained, capsys):
    output = tmp_path / 'mine.onnx'

    def reason(weights, to=output):
        return failure([weights, '--output', to], capsys)

    assert 'expected .onnx' in reason(DEFAULT_WEIGHTS, tmp_path / 'mine.pt')
    assert 'no weights nothing: expected a file' in reason('nothing')
    (tmp_path / 'empty').mkdir()
    assert f'holds no {CHECKPOINT}' in reason(tmp_path / 'empty')
    damaged = tmp_path / 'damaged.safetensors'
    damaged.write_bytes((trained[1] / CHECKPOINT).read_bytes()[:5000])
    assert 'damaged.safetensors is not a readable .safetensors' in reason(damaged)
    other = tmp_path / 'other.safetensors'
    save_file({'a': torch.zeros(3)}, other)
    assert 'other.safetensors is not a checkpoint of a training' in reason(other)
    assert not output.exists()


def test_an_export_that_does_not_agree_replaces_nothing(tmp_path, capsys, monkeypatch):
    output = tmp_path / 'mine.onnx'
    output.write_bytes(b'what was there')
    monkeypatch.setattr(fsanet_export, 'AGREEMENT_DEG', -1.0)
    line = failure([DEFAULT_WEIGHTS, '--output', output], capsys)
    assert 'differs from the network by' in line
    assert output.read_bytes() == b'what was there'
    assert [Path(p).name for p in os.listdir(tmp_path)] == ['mine.onnx']
