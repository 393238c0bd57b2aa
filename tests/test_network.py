"""FSA-Net as published: its size, its behaviour in a batch, its gradients."""

import numpy as np
import pytest

torch = pytest.importorskip('torch', reason='PyTorch is not installed')

from fsanet_ros.inference.network_config import NetworkConfig  # noqa: E402
from fsanet_ros.network.fsanet import (  # noqa: E402
    CapsuleLayer,
    FineGrainedStructure,
    FSANet,
    SoftStagewiseRegression,
    squash,
)

torch.set_num_threads(1)  # the networks are small: waiting for each other costs more


@pytest.fixture
def network():
    torch.manual_seed(0)
    return FSANet(config=NetworkConfig(pixel_mean=127.5, pixel_scale=128.0))


def pictures(count, seed=0):
    pixels = np.random.default_rng(seed).integers(0, 256, (count, 3, 64, 64))
    return torch.from_numpy(pixels.astype(np.float32))


def test_it_has_the_published_number_of_parameters(network):
    trained = sum(p.numel() for p in network.parameters())
    statistics = sum(b.numel() for n, b in network.named_buffers() if 'running_' in n)
    assert trained == 236_615
    # Keras counts the averages of batch norm too: the 238,471 of the official code.
    assert trained + statistics == 238_471


@pytest.mark.parametrize('count', [0, 1, 2, 5])
def test_a_batch_of_any_size_gives_three_angles_each(network, count):
    assert network.eval()(pictures(count)).shape == (count, 3)


def test_a_face_does_not_depend_on_the_batch_it_is_in(network):
    network.eval()
    faces = pictures(9)
    with torch.inference_mode():
        together = network(faces)
        alone = torch.cat([network(face[None]) for face in faces])
        reversed_ = network(faces.flip(0)).flip(0)
    assert (together - alone).abs().max() < 1e-4
    assert (together - reversed_).abs().max() < 1e-4


def test_each_sample_is_routed_on_its_own():
    torch.manual_seed(0)
    layer = CapsuleLayer()
    torch.nn.init.normal_(layer.weight, std=0.5)
    primary = torch.randn(6, 21, 64) * 3
    alone = torch.cat([layer(p[None]) for p in primary])
    assert torch.allclose(layer(primary), alone, atol=1e-5)


def test_routing_changes_the_result():
    # With a softmax over an axis of size one it would not.
    torch.manual_seed(0)
    layer = CapsuleLayer()
    torch.nn.init.normal_(layer.weight, std=0.5)
    primary = torch.randn(2, 21, 64)
    routed = layer(primary)
    votes = torch.einsum('jiac,nic->njia', layer.weight, primary)
    alike = squash(votes.sum(dim=2) / votes.shape[1])
    assert not torch.allclose(routed, alike, atol=1e-3)


def test_every_parameter_learns(network):
    network.train()
    truth = torch.linspace(-60, 60, 24).view(8, 3)
    (network(pictures(8)) - truth).abs().mean().backward()
    still = [n for n, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    # A convolution's bias before batch norm has no effect in training; Keras has it too.
    assert [n for n in still if not n.endswith('pointwise.bias')] == []
    assert all(torch.isfinite(p.grad).all() for p in network.parameters())


def test_squash_keeps_direction_and_shortens():
    vectors = torch.tensor([[3.0, 4.0], [0.03, 0.04]])
    short = squash(vectors)
    lengths = short.norm(dim=-1)
    assert torch.allclose(lengths, torch.tensor([25 / 26, 0.0025 / 1.0025]), atol=1e-4)
    assert torch.allclose(short / lengths[:, None], torch.tensor([[0.6, 0.8], [0.6, 0.8]]))


def test_squash_of_zero_is_zero_with_a_finite_gradient():
    zero = torch.zeros(2, 4, requires_grad=True)
    squash(zero).sum().backward()
    assert not squash(zero).any()
    assert torch.isfinite(zero.grad).all()


@pytest.mark.parametrize('value', [0.0, 127.5, 255.0])
def test_uniform_images_give_finite_angles(network, value):
    network.eval()
    assert torch.isfinite(network(torch.full((1, 3, 64, 64), value))).all()


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def test_structure_is_equations_3_to_6_of_the_paper():
    torch.manual_seed(0)
    structure = FineGrainedStructure().double()
    stages = [torch.randn(2, 64, 8, 8, dtype=torch.float64) for _ in range(3)]
    w = {name: tensor.detach().numpy() for name, tensor in structure.named_parameters()}
    for sample, found in enumerate(structure(stages).detach().numpy()):
        # U_k has a row for each cell, row by row of the feature map.
        u_k = [u[sample].numpy().reshape(64, 64).T for u in stages]
        score = w['scoring.convolution.weight'].reshape(64), w['scoring.convolution.bias']
        a_k = [sigmoid(u @ score[0] + score[1]) for u in u_k]
        c = sigmoid(w['mixing.weight'] @ np.concatenate(a_k) + w['mixing.bias']).reshape(7, 5)
        expected = []
        for a in a_k:
            m = sigmoid(w['rows.weight'] @ a + w['rows.bias']).reshape(5, 192)
            s = c @ m
            expected.append((s / np.abs(s).sum(axis=1, keepdims=True)) @ np.concatenate(u_k))
        assert np.allclose(found, np.concatenate(expected), atol=1e-7)


def test_capsules_are_routed_as_procedure_1_of_sabour_says():
    torch.manual_seed(0)
    layer = CapsuleLayer().double()
    torch.nn.init.normal_(layer.weight, std=0.5)
    primary = torch.randn(2, 21, 64, dtype=torch.float64)
    weight = layer.weight.detach().numpy()
    for u, found in zip(primary.numpy(), layer(primary).detach().numpy(), strict=True):
        votes = np.array([[weight[j, i] @ u[i] for i in range(21)] for j in range(3)])
        b = np.zeros((3, 21))
        for _ in range(2):
            c = np.exp(b) / np.exp(b).sum(axis=0)
            s = np.array([sum(c[j, i] * votes[j, i] for i in range(21)) for j in range(3)])
            length = np.linalg.norm(s, axis=1, keepdims=True)
            v = length**2 / (1 + length**2) * s / length
            b = b + np.array([[votes[j, i] @ v[j] for i in range(21)] for j in range(3)])
        assert np.allclose(found, v, atol=1e-6)


def test_each_head_sees_its_own_part_of_its_stages_vector():
    torch.manual_seed(0)
    regression = SoftStagewiseRegression()
    torch.nn.init.ones_(regression.bins[1].bias)  # a bin that is 0 hides the shift
    for part, head in ((slice(4), 'scale'), (slice(4, 8), 'shift'), (slice(8, 16), 'bins')):
        vectors = torch.full((1, 3, 16), 0.5, requires_grad=True)
        layer = getattr(regression, head)[1]
        output = []
        handle = layer.register_forward_hook(lambda *args, seen=output: seen.append(args[2].sum()))
        regression(vectors)
        handle.remove()
        (gradient,) = torch.autograd.grad(output[0], vectors)
        touched = torch.zeros(3, 16, dtype=torch.bool)
        touched[1, part] = True
        assert torch.equal(gradient[0] != 0, touched)
