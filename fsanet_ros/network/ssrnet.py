"""
SSR-Net-MD, the baseline of FSA-Net's paper: two streams and soft stagewise regression alone.

SSR-Net: T.-Y. Yang, Y.-H. Huang, Y.-Y. Lin, P.-C. Hsiu, Y.-Y. Chuang, "SSR-Net: A Compact Soft
Stagewise Regression Network for Age Estimation", IJCAI 2018; for three angles ("MD") in FSA-Net,
section 3.2.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fsanet_ros.inference.network_config import NetworkConfig
from fsanet_ros.network.features import (
    CHANNELS,
    PooledFeatures,
    as_cells,
    initialise_like_keras,
)
from fsanet_ros.network.regression import DenseStage, soft_stagewise


class SSRNetMD(nn.Module):
    """SSR-Net for several dimensions, 234 k parameters."""

    def __init__(self, config: NetworkConfig | None = None) -> None:
        """Make the network; ``config`` says how pixels are scaled."""
        super().__init__()
        self.config = config or NetworkConfig(architecture='ssrnet')
        self.features = PooledFeatures()
        self.stages = nn.ModuleList(DenseStage(cells * CHANNELS) for cells in (4 * 4, 4 * 4, 8 * 8))
        self.apply(initialise_like_keras)

    @property
    def configs(self) -> tuple[NetworkConfig, ...]:
        """Return what a description says of this network."""
        return (self.config,)

    def forward(self, bgr: Tensor) -> Tensor:
        """
        Estimate yaw, pitch, roll.

        :param bgr: float [n, 3, 64, 64], 0 to 255, channels blue, green, red
        :returns: float [n, 3], yaw, pitch, roll in degrees
        """
        pixels = (bgr - self.config.pixel_mean) / self.config.pixel_scale
        maps = self.features(pixels)
        # Cell by cell, as Keras flattens.
        parameters = [f(as_cells(u).flatten(1)) for f, u in zip(self.stages, maps, strict=True)]
        p, shift, scale = (torch.stack(s, dim=1) for s in zip(*parameters, strict=True))
        return soft_stagewise(p, shift, scale)
