"""
FSA-Net: head pose by fine-grained structure aggregation and soft stagewise regression.

T.-Y. Yang, Y.-T. Chen, Y.-Y. Lin, Y.-Y. Chuang, "FSA-Net: Learning Fine-Grained Structure
Aggregation for Head Pose Estimation from a Single Image", CVPR 2019. Its parts, with the symbols
and the numbers of the paper's equations, are in features.py, structure.py, aggregation.py and
regression.py; where paper and official code differ, this follows the code, which made the
published weights.

Every sample is computed on its own: nothing is averaged over the batch in evaluation.
"""

from __future__ import annotations

from torch import Tensor, nn

from fsanet_ros.inference.network_config import NetworkConfig as NetworkConfig
from fsanet_ros.network.aggregation import CapsuleLayer, MetricProjection, NetVLAD
from fsanet_ros.network.error_head import ErrorHead
from fsanet_ros.network.features import (
    CHANNELS,
    STAGES,
    TwoStreamFeatures,
    initialise_like_keras,
)
from fsanet_ros.network.regression import VECTOR_SIZE, SoftStagewiseRegression
from fsanet_ros.network.ssrnet import SSRNetMD
from fsanet_ros.network.structure import (
    ALL_CELLS,
    REPRESENTATIVES,
    ConvolutionScoring,
    FineGrainedStructure,
    UngroupedCells,
    VarianceScoring,
)

AGGREGATIONS = {'capsule': CapsuleLayer, 'metric': MetricProjection, 'netvlad': NetVLAD}


class FSANet(nn.Module):
    """FSA-Net of any scoring and aggregation; 238 k parameters with 1x1 and capsules."""

    def __init__(self, config: NetworkConfig | None = None) -> None:
        """Make the network with Keras' initial values."""
        super().__init__()
        self.config = config or NetworkConfig()
        self.features = TwoStreamFeatures()
        self.structure = _structure(self.config.scoring)
        features = ALL_CELLS if self.config.scoring == 'none' else STAGES * REPRESENTATIVES
        self.aggregation = AGGREGATIONS[self.config.aggregation](
            STAGES, features, VECTOR_SIZE, CHANNELS
        )
        self.regression = SoftStagewiseRegression()
        self.apply(initialise_like_keras)
        # After the others, whose initial values a seed gives ever since.
        self.error_head = ErrorHead(VECTOR_SIZE) if self.config.error_head else None

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
        angles: Tensor = self.regression(self.vectors(self.feature_maps(bgr)))
        return angles

    def with_expected_error(self, bgr: Tensor) -> tuple[Tensor, Tensor]:
        """
        Estimate, and say how far off that may be; for networks with an error head.

        :param bgr: see forward
        :returns: float [n, 3], see forward, and float [n], see ErrorHead; degrees
        """
        assert self.error_head is not None
        stages = self.feature_maps(bgr)
        vectors = self.vectors(stages)
        return self.regression(vectors), self.error_head(stages, vectors)

    def feature_maps(self, bgr: Tensor) -> list[Tensor]:
        """Return U_1 to U_3 of the same input, deepest first: three of float [n, 64, 8, 8]."""
        pixels = (bgr - self.config.pixel_mean) / self.config.pixel_scale
        stages: list[Tensor] = self.features(pixels)
        return stages

    def vectors(self, stages: list[Tensor]) -> Tensor:
        """Return V, float [n, 3, 16], of the feature maps U_1 to U_3."""
        vectors: Tensor = self.aggregation(self.structure(stages))
        return vectors


def build_network(config: NetworkConfig) -> FSANet | SSRNetMD:
    """Make the network that a configuration describes, untrained."""
    if config.architecture == 'ssrnet':
        return SSRNetMD(config)
    return FSANet(config)


def _structure(scoring: str) -> FineGrainedStructure | UngroupedCells:
    if scoring == 'none':
        return UngroupedCells()
    return FineGrainedStructure(ConvolutionScoring() if scoring == '1x1' else VarianceScoring())
