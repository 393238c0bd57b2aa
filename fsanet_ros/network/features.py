"""The two streams that both FSA-Net and SSR-Net-MD look through (section 3.6)."""

from __future__ import annotations

from torch import Tensor, nn

STAGES = 3  # K of the paper
CHANNELS = 64  # c: of every stage's feature map
# Keras' default in batch norm.
BATCH_NORM_EPS = 1e-3


class SeparableBlock(nn.Sequential):
    """B_R(c) and B_T(c): separable 3x3 convolution, batch norm, ReLU or tanh."""

    def __init__(self, channels_in: int, channels_out: int, activation: nn.Module) -> None:
        """Make the block; the depthwise convolution has no bias, as in Keras."""
        super().__init__()
        self.depthwise = nn.Conv2d(
            channels_in, channels_in, 3, padding=1, groups=channels_in, bias=False
        )
        self.pointwise = nn.Conv2d(channels_in, channels_out, 1)
        self.norm = nn.BatchNorm2d(channels_out, eps=BATCH_NORM_EPS, momentum=0.05)
        self.activation = activation


class Stream(nn.Module):
    """
    One of the two streams, with a 1x1 convolution on the output of each of its three stages.

    The convolutions come before the streams are multiplied: so does the official code, where the
    paper has them after.

    ``activation`` makes the module that follows every convolution, ``pool`` halves the size.
    """

    def __init__(self, activation: type[nn.Module], pool: type[nn.Module]) -> None:
        """Make the stream's layers."""
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
        """
        Return the three feature maps, deepest first.

        :param pixels: float [n, 3, 64, 64]
        :returns: float [n, 64, 8, 8], [n, 64, 8, 8], [n, 64, 16, 16]
        """
        shallow = self.shallow(pixels)
        middle = self.middle(shallow)
        deep = self.deep(middle)
        return [self.out_deep(deep), self.out_middle(middle), self.out_shallow(shallow)]


class TwoStreams(nn.Module):
    """Both streams, not yet combined."""

    def __init__(self) -> None:
        """Make stream A (ReLU, average pooling) and stream B (tanh, max pooling)."""
        super().__init__()
        self.stream_a = Stream(nn.ReLU, nn.AvgPool2d)
        self.stream_b = Stream(nn.Tanh, nn.MaxPool2d)

    def outputs(self, pixels: Tensor) -> list[tuple[Tensor, Tensor]]:
        """
        Return what A and B say at each stage, deepest first.

        :param pixels: float [n, 3, 64, 64]
        :returns: three pairs of float [n, 64, 8, 8], [n, 64, 8, 8], [n, 64, 16, 16]
        """
        return list(zip(self.stream_a(pixels), self.stream_b(pixels), strict=True))


class TwoStreamFeatures(TwoStreams):
    """The feature maps U_k of FSA-Net's stages: the product of both streams."""

    def __init__(self) -> None:
        """Make both streams and what shrinks the largest map."""
        super().__init__()
        self.shrink = nn.AvgPool2d(2)

    def forward(self, pixels: Tensor) -> list[Tensor]:
        """
        Return U_1 to U_3, deepest first.

        :param pixels: float [n, 3, 64, 64]
        :returns: three of float [n, 64, 8, 8]
        """
        u1, u2, u3 = (a * b for a, b in self.outputs(pixels))
        return [u1, u2, self.shrink(u3)]


class PooledFeatures(TwoStreams):
    """SSR-Net-MD's features: each stream is pooled in its own way, then they are multiplied."""

    def __init__(self) -> None:
        """Make both streams and their last poolings."""
        super().__init__()
        self.pool_a = nn.AvgPool2d(2)
        self.pool_b = nn.MaxPool2d(2)

    def forward(self, pixels: Tensor) -> list[Tensor]:
        """
        Return the stages' feature maps, deepest first.

        :param pixels: float [n, 3, 64, 64]
        :returns: float [n, 64, 4, 4], [n, 64, 4, 4], [n, 64, 8, 8]
        """
        return [self.pool_a(a) * self.pool_b(b) for a, b in self.outputs(pixels)]


def as_cells(feature_map: Tensor) -> Tensor:
    """
    Turn a feature map into one row per cell, as the paper's matrices have it.

    :param feature_map: float [n, channels, h, w]
    :returns: float [n, h * w, channels]
    """
    return feature_map.flatten(2).transpose(1, 2)


def initialise_like_keras(module: nn.Module) -> None:
    """Start a layer as Keras does: Glorot for kernels, zero bias; PyTorch's own trains worse."""
    if isinstance(module, nn.Conv2d | nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif (initialise := getattr(module, 'initialise', None)) is not None:
        # Layers of other kinds say how; here, so that a seed gives the same weights ever since.
        initialise()
