"""
SSR-Net-MD, the baseline of FSA-Net's paper (section 3.2): the streams and the regression alone.

SSR-Net: T.-Y. Yang, Y.-H. Huang, Y.-Y. Lin, P.-C. Hsiu, Y.-Y. Chuang, "SSR-Net: A Compact Soft
Stagewise Regression Network for Age Estimation", IJCAI 2018. "MD", multi-dimensional: three angles.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from fsanet_ros.inference.network_config import NetworkConfig
from fsanet_ros.network.fsanet import (
    ANGLES,
    BINS,
    CHANNELS,
    TwoStreams,
    as_cells,
    initialise_like_keras,
    soft_stagewise,
)


class DenseStage(nn.Module):
    """The heads of one stage; unlike FSA-Net's they see the whole feature map."""

    def __init__(self, features: int) -> None:
        """Make the heads; those for scale and shift have a hidden layer of six."""
        super().__init__()
        self.scale = nn.Sequential(
            nn.Linear(features, 2 * ANGLES), nn.Tanh(), nn.Linear(2 * ANGLES, ANGLES), nn.Tanh()
        )
        self.shift = nn.Sequential(
            nn.Linear(features, 2 * ANGLES), nn.Tanh(), nn.Linear(2 * ANGLES, ANGLES), nn.Tanh()
        )
        self.bins = nn.Sequential(nn.Linear(features, ANGLES * BINS), nn.ReLU())

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Map [n, features] to p, [n, 3 angles, 3 bins], and shift η and scale Δ, [n, 3]."""
        p = self.bins(features).view(-1, ANGLES, BINS)
        return p, self.shift(features), self.scale(features)


class SSRNetMD(nn.Module):
    """SSR-Net for several dimensions, 234 k parameters."""

    def __init__(self, config: NetworkConfig | None = None) -> None:
        """Make the network; ``config`` says how pixels are scaled."""
        super().__init__()
        self.config = config or NetworkConfig(architecture='ssrnet')
        self.features = TwoStreams()
        self.stages = nn.ModuleList(DenseStage(cells * CHANNELS) for cells in (4 * 4, 4 * 4, 8 * 8))
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
        pixels = (bgr - self.config.pixel_mean) / self.config.pixel_scale
        # Each stream is pooled in its own way, then both are multiplied.
        maps = [
            functional.avg_pool2d(a, 2) * functional.max_pool2d(b, 2)
            for a, b in self.features(pixels)
        ]  # [n, 64, 4, 4], [n, 64, 4, 4], [n, 64, 8, 8]
        # Cell by cell, as Keras flattens.
        rows = [as_cells(u_k).flatten(1) for u_k in maps]
        return soft_stagewise(stage(row) for stage, row in zip(self.stages, rows, strict=True))
