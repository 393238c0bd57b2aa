"""Every network of the paper: built from a configuration, and what its equations say."""

from itertools import product
from typing import get_args

import numpy as np
import pytest

torch = pytest.importorskip('torch', reason='PyTorch is not installed')
onnx = pytest.importorskip('onnx', reason='onnx is not installed')
pytest.importorskip('onnxruntime', reason='onnxruntime is not installed')

from fsanet_ros.inference import network_config  # noqa: E402
from fsanet_ros.inference.description import Description  # noqa: E402
from fsanet_ros.inference.network_config import NetworkConfig  # noqa: E402
from fsanet_ros.inference.onnx_runtime import OnnxRuntime  # noqa: E402
from fsanet_ros.network.fsanet import soft_stagewise  # noqa: E402
from fsanet_ros.network.fusion import build  # noqa: E402
from fsanet_ros.network.onnx_export import write_weights  # noqa: E402
from fsanet_ros.network.torch_runtime import TorchRuntime  # noqa: E402
from fsanet_ros.network.variants import (  # noqa: E402
    MetricProjection,
    NetVLAD,
    VarianceScoring,
    build_network,
)

torch.set_num_threads(1)

VARIANTS = [
    *(
        NetworkConfig(scoring, aggregation, pixel_mean=127.5, pixel_scale=128.0)
        for scoring, aggregation in product(
            get_args(network_config.Scoring), get_args(network_config.Aggregation)
        )
    ),
    NetworkConfig(architecture='ssrnet', pixel_mean=127.5, pixel_scale=128.0),
]
FUSION = (VARIANTS[0], VARIANTS[4], VARIANTS[-1])
each_variant = pytest.mark.parametrize('config', VARIANTS, ids=str)


def crops(count):
    return np.random.default_rng(0).integers(0, 256, (count, 64, 64, 3), np.uint8)


def untrained(configs):
    """Return a network whose batch norms have seen something, so that a mistake in them shows."""
    torch.manual_seed(5)
    network = build(configs)
    network.train()
    network(torch.from_numpy(crops(16)).permute(0, 3, 1, 2).float())
    return network.eval()


@pytest.mark.parametrize(
    ('scoring', 'count'), [('1x1', 238_471), ('variance', 238_406), ('none', 694_563)]
)
def test_capsule_networks_have_the_published_number_of_parameters(scoring, count):
    network = build_network(NetworkConfig(scoring))
    parameters = sum(p.numel() for p in network.parameters())
    # Keras counts the averages of batch norm too.
    assert parameters + sum(b.numel() for n, b in network.named_buffers() if 'running_' in n) == (
        count
    )


@each_variant
def test_every_parameter_learns(config):
    torch.manual_seed(0)
    network = build_network(config).train()
    truth = torch.linspace(-60, 60, 24).view(8, 3)
    pixels = torch.from_numpy(crops(8)).permute(0, 3, 1, 2).float()
    (network(pixels) - truth).abs().mean().backward()
    still = [n for n, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    # A convolution's bias before batch norm has no effect in training; Keras has it too.
    assert [n for n in still if not n.endswith('pointwise.bias')] == []


@pytest.fixture(
    scope='module', params=[*((v,) for v in VARIANTS), FUSION], ids=lambda v: '+'.join(map(str, v))
)
def exported(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp('weights')
    write_weights(untrained(request.param), Description('net', 1.0, crop='official'), folder)
    return folder, request.param


def test_both_runtimes_agree_in_angles_and_description(exported):
    folder, configs = exported
    with_onnx, with_torch = (
        OnnxRuntime(folder / 'net.onnx'),
        TorchRuntime(folder / 'net.safetensors'),
    )
    assert np.abs(with_onnx(crops(9)) - with_torch(crops(9))).max() < 1e-3
    assert with_onnx.description == with_torch.description
    assert with_onnx.description.configs == configs
    assert with_onnx.description.crop == 'official'


@pytest.mark.parametrize('kind', [OnnxRuntime, TorchRuntime])
def test_a_face_does_not_depend_on_the_batch_it_is_in(exported, kind):
    suffix = '.onnx' if kind is OnnxRuntime else '.safetensors'
    runtime = kind(exported[0] / f'net{suffix}')
    together = runtime(crops(9))
    alone = np.concatenate([runtime(crop[None]) for crop in crops(9)])
    reversed_ = runtime(np.ascontiguousarray(crops(9)[::-1]))[::-1]
    assert np.abs(together - alone).max() < 1e-4
    assert np.abs(together - reversed_).max() < 1e-4


def test_exported_networks_are_readable_by_old_onnxruntimes(exported):
    model = onnx.load(exported[0] / 'net.onnx')
    # onnxruntime 1.10 reads opset 15 and version 8 of the format.
    assert [o.version for o in model.opset_import if o.domain in ('', 'ai.onnx')] == [13]
    assert model.ir_version <= 8
    (batch, *sides) = model.graph.input[0].type.tensor_type.shape.dim
    assert batch.dim_param and [s.dim_value for s in sides] == [64, 64, 3]


def test_soft_stagewise_regression_is_the_papers_sum():
    rng = np.random.default_rng(1)
    p, eta, delta = (
        rng.random((3, 4, 3, 3)),
        rng.normal(size=(3, 4, 3)),
        rng.random((3, 4, 3)) - 0.5,
    )
    expected = np.zeros((4, 3))
    for k, face, angle, i in product(range(3), range(4), range(3), range(3)):
        width = np.prod([3 * (1 + delta[j, face, angle]) for j in range(k + 1)])
        expected[face, angle] += 99 * p[k, face, angle, i] * (i - 1 + eta[k, face, angle]) / width
    stages = zip(*(torch.from_numpy(part) for part in (p, eta, delta)), strict=True)
    assert np.allclose(soft_stagewise(stages).numpy(), expected)


def test_variance_is_that_of_the_population():
    u = torch.randn(2, 64, 8, 8)
    expected = u.numpy().var(axis=1).reshape(2, 64)
    assert np.allclose(VarianceScoring()(u).numpy(), expected, atol=1e-6)


def test_metric_is_two_products():
    torch.manual_seed(0)
    layer, x = MetricProjection(21), torch.randn(2, 21, 64)
    p, q = layer.channels.weight.detach().numpy().T, layer.features.weight.detach().numpy().T
    expected = np.einsum('nic,cs,ik->nks', x.numpy(), p, q)
    assert np.allclose(layer(x).detach().numpy(), expected, atol=1e-5)


def test_netvlad_sums_residuals_to_its_centres():
    torch.manual_seed(0)
    layer, x = NetVLAD(21), torch.randn(2, 21, 64)
    w, b, c, h = (
        t.detach().numpy() for t in (layer.weight, layer.bias, layer.centres, layer.hidden)
    )
    for features, found in zip(x.numpy(), layer(x).detach().numpy(), strict=True):
        v = np.zeros((64, 3))
        for feature in features:
            weight = np.exp(feature @ w + b)
            v += weight / weight.sum() * (feature[:, None] - c)
        v /= np.linalg.norm(v, axis=0)
        v = v.ravel() / np.linalg.norm(v)
        assert np.allclose(found, (v @ h).reshape(3, 16), atol=1e-5)


def test_unknown_choices_are_refused():
    with pytest.raises(ValueError, match="scoring is '2x2': expected one of 1x1, variance, none"):
        NetworkConfig('2x2')
    with pytest.raises(ValueError, match='aggregation'):
        NetworkConfig(aggregation='mean')
    with pytest.raises(ValueError, match='pixel_scale'):
        NetworkConfig(pixel_scale=0)


# The initial weights that seed 3 has always given: a recipe must stay reproducible.
FINGERPRINTS = [
    (NetworkConfig('1x1', 'capsule'), 1056.9353),
    (NetworkConfig('1x1', 'metric'), 1148.6821),
    (NetworkConfig('1x1', 'netvlad'), 1250.7191),
    (NetworkConfig('variance', 'capsule'), 1082.3671),
    (NetworkConfig('variance', 'metric'), 1140.5370),
    (NetworkConfig('variance', 'netvlad'), 1262.8053),
    (NetworkConfig('none', 'capsule'), 1040.3082),
    (NetworkConfig('none', 'metric'), 1308.3989),
    (NetworkConfig('none', 'netvlad'), 1086.3688),
    (NetworkConfig(architecture='ssrnet'), 1127.8496),
    (NetworkConfig(error_head=True), 1524.2541),
]


def fingerprint(network):
    """Return a number that depends on each initial weight, its place and its sign."""
    weights = torch.cat([p.detach().flatten() for p in network.parameters()]).double()
    return float(weights @ torch.linspace(1, 2, len(weights), dtype=torch.float64))


@pytest.mark.parametrize(('config', 'expected'), FINGERPRINTS)
def test_a_seed_gives_the_initial_weights_it_always_gave(config, expected):
    torch.manual_seed(3)
    assert fingerprint(build_network(config)) == pytest.approx(expected, abs=1e-3)
