"""
FSA-Net as the paper has it, with 1x1 scoring and capsules.

T.-Y. Yang, Y.-T. Chen, Y.-Y. Lin, Y.-Y. Chuang, "FSA-Net: Learning Fine-Grained Structure
Aggregation for Head Pose Estimation from a Single Image", CVPR 2019. Read from top to bottom:

    image -> U_k         two streams, multiplied            section 3.6
    U_k   -> A_k         scoring                            section 3.4
    A_k   -> S_k -> Ũ    fine-grained structure mapping     section 3.5, equations (3) to (6)
    Ũ     -> V           capsules                           section 3.3
    V     -> angles      soft stagewise regression          section 3.2, equation (2)

k = 1 is the deepest stage. Where the paper and the official code differ, this follows the code,
which made the published weights: the 1x1 convolutions come before the streams are multiplied.
The paper's other variants are in variants.py; what makes an exported network fast is in
exported_graph.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional

from fsanet_ros.inference.network_config import NetworkConfig

STAGES = 3  # K
SIDE = 8  # w = h: of every stage's feature map
CHANNELS = 64  # c: of every stage's feature map
CELLS = STAGES * SIDE * SIDE  # n = w h K: rows of U
REPRESENTATIVES = 7  # n': rows of Ũ_k
RANK = 5  # m: columns of C, rows of M_k
VECTOR_SIZE = 16  # c': of a stage's vector in V
ANGLES = 3  # yaw, pitch, roll
BINS = 3  # s_k: of every stage
ANGLE_RANGE_DEG = 99.0  # V of equation (2)

ROUTINGS = 2
EPS = 1e-7  # Keras' epsilon
BATCH_NORM_EPS = 1e-3  # Keras' default


class SeparableBlock(nn.Sequential):
    """B_R(c) and B_T(c): separable 3x3 convolution, batch norm, then ReLU or tanh."""

    def __init__(self, channels_in: int, channels_out: int, activation: nn.Module) -> None:
        """Make the block; as in Keras, the depthwise convolution has no bias."""
        super().__init__()
        self.depthwise = nn.Conv2d(
            channels_in, channels_in, 3, padding=1, groups=channels_in, bias=False
        )
        self.pointwise = nn.Conv2d(channels_in, channels_out, 1)
        self.norm = nn.BatchNorm2d(channels_out, eps=BATCH_NORM_EPS, momentum=0.05)
        self.activation = activation


class Stream(nn.Module):
    """One of the two streams, with a 1x1 convolution to c channels on each stage's output."""

    def __init__(self, activation: type[nn.Module], pool: type[nn.Module]) -> None:
        """Make the layers; ``activation`` follows every convolution, ``pool`` halves the size."""
        super().__init__()
        widths = [(3, 16), (16, 32), (32, 32), (32, 64), (64, 64), (64, 128), (128, 128)]
        blocks = [SeparableBlock(n_in, n_out, activation()) for n_in, n_out in widths]
        self.shallow = nn.Sequential(blocks[0], pool(2), *blocks[1:3], pool(2))
        self.middle = nn.Sequential(*blocks[3:5], pool(2))
        self.deep = nn.Sequential(*blocks[5:7])
        self.out_shallow = nn.Sequential(nn.Conv2d(32, CHANNELS, 1), activation())
        self.out_middle = nn.Sequential(nn.Conv2d(64, CHANNELS, 1), activation())
        self.out_deep = nn.Sequential(nn.Conv2d(128, CHANNELS, 1), activation())

    def forward(self, pixels: Tensor) -> list[Tensor]:
        """Map pixels, [n, 3, 64, 64], to the stages' [n, 64, 8, 8], [.., 8, 8], [.., 16, 16]."""
        shallow = self.shallow(pixels)  # [n, 32, 16, 16]
        middle = self.middle(shallow)  # [n, 64, 8, 8]
        deep = self.deep(middle)  # [n, 128, 8, 8]
        return [self.out_deep(deep), self.out_middle(middle), self.out_shallow(shallow)]


class TwoStreams(nn.Module):
    """Stream A: ReLU and average pooling. Stream B: tanh and max pooling."""

    def __init__(self) -> None:
        """Make both streams."""
        super().__init__()
        self.stream_a = Stream(nn.ReLU, nn.AvgPool2d)
        self.stream_b = Stream(nn.Tanh, nn.MaxPool2d)

    def forward(self, pixels: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Map pixels, [n, 3, 64, 64], to the outputs of A and B at each stage, deepest first."""
        return list(zip(self.stream_a(pixels), self.stream_b(pixels), strict=True))


class ConvScoring(nn.Module):
    """Scoring option 1, learned: Φ(u) = σ(w · u), a 1x1 convolution, shared by the stages."""

    def __init__(self) -> None:
        """Make the convolution."""
        super().__init__()
        self.convolution = nn.Conv2d(CHANNELS, 1, 1)

    def forward(self, feature_map: Tensor) -> Tensor:
        """Map U_k, [n, 64, 8, 8], to A_k, [n, 64 cells]."""
        return torch.sigmoid(self.convolution(feature_map)).flatten(1)


class FineGrainedStructure(nn.Module):
    """Group the cells of all stages into n' representative features per stage (section 3.5)."""

    def __init__(self, scoring: nn.Module | None = None) -> None:
        """Make f_M and f_C; the default scoring is the 1x1 convolution."""
        super().__init__()
        self.scoring = scoring or ConvScoring()  # Φ
        self.rows = nn.Linear(SIDE * SIDE, RANK * CELLS)  # f_M
        self.mixing = nn.Linear(CELLS, REPRESENTATIVES * RANK)  # f_C

    def forward(self, stages: list[Tensor]) -> Tensor:
        """Map U_1 to U_3, each [n, 64, 8, 8], to Ũ = [Ũ_1, Ũ_2, Ũ_3], [n, 21, 64]."""
        u = all_cells(stages).unsqueeze(1)  # U: [n, 1, 192, 64]
        return (self.maps(stages) @ u).flatten(1, 2)  # (3): Ũ_k = S_k U

    def maps(self, stages: list[Tensor]) -> Tensor:
        """
        Return the spatial maps S_k; a row is three maps of 8 x 8, one per stage, with the sum 1.

        :param stages: U_1 to U_3, each float [n, 64, 8, 8]
        :returns: float [n, 3 stages, 7, 192]
        """
        a = torch.stack([self.scoring(u_k) for u_k in stages], dim=1)  # A_k: [n, 3, 64]
        c = torch.sigmoid(self.mixing(a.flatten(1)))  # (6): C = σ(f_C(A))
        m = torch.sigmoid(self.rows(a))  # (5): M_k = σ(f_M(A_k))
        c = c.view(-1, 1, REPRESENTATIVES, RANK)  # [n, 1, 7, 5], shared by the stages
        m = m.view(-1, STAGES, RANK, CELLS)  # [n, 3, 5, 192]
        s: Tensor = c @ m  # (4): S_k = C M_k
        # Each row is normalised by its L1 norm; the official code has no epsilon.
        return s / (s.sum(dim=-1, keepdim=True) + EPS)


class CapsuleLayer(nn.Module):
    """
    Aggregation by capsules: Ũ to V by dynamic routing (Sabour, Frosst, Hinton, NIPS 2017).

    Procedure 1 there, with the rows of Ũ as input capsules u_i and those of V as outputs v_j.
    """

    def __init__(self, features: int = STAGES * REPRESENTATIVES) -> None:
        """Make W for so many input capsules, to be filled by initialise."""
        super().__init__()
        self.weight = nn.Parameter(torch.empty(STAGES, features, VECTOR_SIZE, CHANNELS))  # W

    def initialise(self) -> None:
        """Fill W within Glorot's limits."""
        bound = math.sqrt(6.0 / (CHANNELS + VECTOR_SIZE))
        nn.init.uniform_(self.weight, -bound, bound)

    def forward(self, u: Tensor) -> Tensor:
        """Map Ũ, [n, 21, 64], to V, [n, 3, 16]; every sample is routed on its own."""
        votes = torch.einsum('jiac,nic->njia', self.weight, u)  # û_j|i = W_ij u_i
        logits = votes.new_zeros(votes.shape[:3])  # b_ij: [n, 3, 21]
        for _ in range(ROUTINGS):
            coupling = torch.softmax(logits, dim=1)  # c_ij: over the output capsules
            v = squash((coupling.unsqueeze(-1) * votes).sum(dim=2))
            logits = logits + (votes * v.unsqueeze(2)).sum(dim=-1)
        return v


def squash(vectors: Tensor) -> Tensor:
    """Shorten vectors on the last axis to a length below 1, keeping their direction."""
    squared = vectors.square().sum(dim=-1, keepdim=True)
    return vectors * (squared / (1 + squared) / torch.sqrt(squared + EPS))


class SoftStagewiseRegression(nn.Module):
    """V to angles: each stage's scale, shift and bins see their own part of its vector."""

    def __init__(self) -> None:
        """Make each stage's fully connected layers."""
        super().__init__()
        self.scale = nn.ModuleList(nn.Linear(4, ANGLES) for _ in range(STAGES))
        self.shift = nn.ModuleList(nn.Linear(4, ANGLES) for _ in range(STAGES))
        self.bins = nn.ModuleList(nn.Linear(8, ANGLES * BINS) for _ in range(STAGES))

    def forward(self, vectors: Tensor) -> Tensor:
        """Map V, [n, 3 stages, 16], to yaw, pitch, roll, [n, 3], degrees."""
        stages = []
        for k, v_k in enumerate(vectors.unbind(dim=1)):
            for_scale, for_shift, for_bins = torch.split(v_k, [4, 4, 8], dim=-1)
            scale = torch.tanh(self.scale[k](for_scale))  # Δ_k: [n, 3]
            shift = torch.tanh(self.shift[k](for_shift))  # η_k: [n, 3]
            p = torch.relu(self.bins[k](for_bins)).view(-1, ANGLES, BINS)  # p_k
            stages.append((p, shift, scale))
        return soft_stagewise(stages)


def soft_stagewise(stages: Iterable[tuple[Tensor, Tensor, Tensor]]) -> Tensor:
    """
    Return the expected angles of equation (2), the sum over the stages of p_k · μ_k.

    μ_k holds the middles of the stage's bins, (i - 1 + η_k) V / w_k: the bins are shifted by η_k,
    and w_k = Π 3 (1 + Δ_j) over the stages up to k of them would cover the range V.

    :param stages: of each stage p, float [n, 3 angles, 3 bins], η and Δ, float [n, 3 angles]
    :returns: float [n, 3], degrees
    """
    expected = []
    w: float | Tensor = 1.0
    for p, shift, scale in stages:
        i = torch.arange(BINS, dtype=p.dtype, device=p.device)
        w = w * BINS * (1 + scale)
        mu = (i - BINS // 2 + shift.unsqueeze(-1)) / w.unsqueeze(-1)
        expected.append((p * mu).sum(dim=-1))
    return ANGLE_RANGE_DEG * torch.stack(expected).sum(dim=0)


class FSANet(nn.Module):
    """The network; the default is the paper's FSA-Caps (1x1), 237 k parameters."""

    def __init__(
        self,
        structure: Callable[[], nn.Module] = FineGrainedStructure,
        aggregation: Callable[[], nn.Module] = CapsuleLayer,
        config: NetworkConfig | None = None,
    ) -> None:
        """
        Make the network with Keras' initial values.

        :param structure: makes what maps U_1 to U_3 to Ũ
        :param aggregation: makes what maps Ũ to V
        :param config: says which they are, and how pixels are scaled; build_network in
            variants.py makes all three fit
        """
        super().__init__()
        self.config = config or NetworkConfig()
        self.features = TwoStreams()
        self.structure = structure()
        self.aggregation = aggregation()
        self.regression = SoftStagewiseRegression()
        self.apply(initialise_like_keras)

    @property
    def configs(self) -> tuple[NetworkConfig, ...]:
        """Return what a weights file says of this network."""
        return (self.config,)

    def forward(self, bgr: Tensor) -> Tensor:
        """
        Estimate the head pose.

        :param bgr: float [n, 3, 64, 64], 0 to 255, channels blue, green, red
        :returns: float [n, 3], yaw, pitch, roll in degrees
        """
        angles: Tensor = self.regression(self.vectors(self.feature_maps(bgr)))
        return angles

    def feature_maps(self, bgr: Tensor) -> list[Tensor]:
        """Map the input of forward to U_1 to U_3, deepest first, each [n, 64, 8, 8]."""
        pixels = (bgr - self.config.pixel_mean) / self.config.pixel_scale
        u1, u2, u3 = (a * b for a, b in self.features(pixels))
        return [u1, u2, functional.avg_pool2d(u3, 2)]

    def vectors(self, stages: list[Tensor]) -> Tensor:
        """Map U_1 to U_3 to V, [n, 3 stages, 16]."""
        vectors: Tensor = self.aggregation(self.structure(stages))
        return vectors


def all_cells(stages: list[Tensor]) -> Tensor:
    """Return U, [n, 192, 64], of U_1 to U_3: a row for each cell of each stage."""
    return torch.cat([as_cells(u_k) for u_k in stages], dim=1)


def as_cells(feature_map: Tensor) -> Tensor:
    """Map a feature map, [n, c, h, w], to a row per cell, [n, h w, c]."""
    return feature_map.flatten(2).transpose(1, 2)


def initialise_like_keras(module: nn.Module) -> None:
    """Start a layer as Keras does: Glorot for kernels, zero bias; PyTorch's own trains worse."""
    if isinstance(module, nn.Conv2d | nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif (initialise := getattr(module, 'initialise', None)) is not None:
        # Other layers do it themselves, but in this pass: a seed must always give the same weights.
        initialise()
