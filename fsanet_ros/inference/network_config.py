"""Which network: the choices that the paper compares, as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

Architecture = Literal['fsanet', 'ssrnet']
Scoring = Literal['1x1', 'variance', 'none']
Aggregation = Literal['capsule', 'metric', 'netvlad']
FusionMean = Literal['angles', 'rotations']


@dataclass(frozen=True)
class NetworkConfig:
    """
    Which network.

    ``scoring``: how much each cell of a feature map matters (section 3.4); "none" is the paper's
    "w/o", without the fine-grained structure. ``aggregation``: how the representative features
    become one vector per stage; "metric" is the official code's name for two learned projections,
    the paper's tables 4 and 5 call it "no aggregation". ``architecture``: "ssrnet" is the baseline
    SSR-Net-MD (section 3.2), which has neither; scoring and aggregation are then ignored.
    ``pixel_mean`` and ``pixel_scale``: the network sees (pixel - mean) / scale. The official
    weights take raw 0..255. ``error_head``: whether it also says how far off it expects to be; not
    in the paper, and only FSA-Net can have it.
    """

    scoring: Scoring = '1x1'
    aggregation: Aggregation = 'capsule'
    architecture: Architecture = 'fsanet'
    pixel_mean: float = 0.0
    pixel_scale: float = 1.0
    error_head: bool = False

    def __post_init__(self) -> None:
        """Refuse choices that do not exist, with a ValueError."""
        for name, known in (
            ('scoring', get_args(Scoring)),
            ('aggregation', get_args(Aggregation)),
            ('architecture', get_args(Architecture)),
        ):
            if getattr(self, name) not in known:
                raise ValueError(
                    f'{name} is {getattr(self, name)!r}: expected one of {", ".join(known)}'
                )
        if not self.pixel_scale > 0:
            raise ValueError(f'pixel_scale is {self.pixel_scale}: expected a number above 0')
        if self.error_head and self.architecture != 'fsanet':
            raise ValueError(f'{self} has no error head: expected the architecture fsanet')

    def __str__(self) -> str:
        """Return what a person calls it."""
        if self.architecture == 'ssrnet':
            return 'SSR-Net-MD'
        scoring = 'w/o' if self.scoring == 'none' else self.scoring
        return f'FSA-Net {scoring} {self.aggregation}'
