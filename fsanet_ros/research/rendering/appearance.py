"""The looks of a head beyond its shape: colours, hair, clothes, light."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fsanet_ros.arrays import FloatArray

Color = tuple[float, float, float]

_SKINS: tuple[Color, ...] = (
    (0.93, 0.77, 0.69),
    (0.89, 0.70, 0.60),
    (0.83, 0.63, 0.50),
    (0.72, 0.52, 0.39),
    (0.56, 0.38, 0.28),
    (0.42, 0.28, 0.21),
)
_HAIRS: tuple[Color, ...] = (
    (0.10, 0.08, 0.07),
    (0.21, 0.15, 0.11),
    (0.35, 0.23, 0.15),
    (0.55, 0.41, 0.27),
    (0.48, 0.46, 0.45),
)
_IRISES: tuple[Color, ...] = (
    (0.26, 0.16, 0.10),
    (0.38, 0.27, 0.16),
    (0.38, 0.42, 0.32),
    (0.42, 0.52, 0.60),
)


@dataclass(frozen=True)
class Appearance:
    """
    One person's colours (sRGB, 0 to 1, red first), hair and beard.

    ``hair_m``: thickness of the hair over the scalp, metres; 0 for a shaved head. ``hairline_m``:
    raises (positive) or lowers the hairline on the forehead. ``beard``: 0 to 1, how dark a shaved
    or stubbly chin is. ``lip_redness``, ``redness``, ``brow_density``: 0 to 1. ``seed``: of all
    random details.
    """

    seed: int = 0
    skin: Color = (0.89, 0.70, 0.60)
    hair: Color = (0.21, 0.15, 0.11)
    iris: Color = (0.38, 0.27, 0.16)
    shirt: Color = (0.27, 0.36, 0.47)
    hair_m: float = 0.020
    hairline_m: float = 0.0
    beard: float = 0.25
    redness: float = 0.5
    lip_redness: float = 0.4
    brow_density: float = 0.8
    brow_width_m: float = 0.0050

    @classmethod
    def random(cls, seed: int) -> Appearance:
        """Draw a random person, always the same for a seed."""
        rng = np.random.default_rng(seed)

        def pick(colors: tuple[Color, ...]) -> Color:
            jittered = np.array(colors[rng.integers(len(colors))]) * rng.uniform(0.92, 1.08)
            red, green, blue = np.clip(jittered + rng.normal(0.0, 0.01, 3), 0.02, 0.98)
            return float(red), float(green), float(blue)

        # Clothes rarely have pure colours.
        red, green, blue = rng.uniform(0.08, 0.85) + rng.normal(0.0, 0.08, 3).clip(-0.15, 0.15)
        return cls(
            seed=seed,
            skin=pick(_SKINS),
            hair=pick(_HAIRS),
            iris=pick(_IRISES),
            shirt=(max(float(red), 0.03), max(float(green), 0.03), max(float(blue), 0.03)),
            hair_m=float(
                rng.choice([0.0, 0.006, 0.014, 0.022, 0.030], p=[0.1, 0.2, 0.3, 0.3, 0.1])
            ),
            hairline_m=float(rng.normal(0.0, 0.007)),
            beard=float(rng.choice([0.0, rng.uniform(0.0, 1.0)])),
            redness=float(rng.uniform(0.2, 0.8)),
            lip_redness=float(rng.uniform(0.1, 0.9)),
            brow_density=float(rng.uniform(0.5, 1.0)),
            brow_width_m=float(rng.uniform(0.0035, 0.0065)),
        )


@dataclass(frozen=True)
class Lighting:
    """
    The light of a scene, in the camera's optical frame; strengths are linear, red first.

    ``key_direction``: from the face to the light, float64 [3], any length (x right, y down,
    z away from the camera). Fill comes from the other side, ambient from above more than below.
    """

    key_direction: tuple[float, float, float] = (-0.55, -0.75, -1.0)
    key: Color = (0.78, 0.75, 0.70)
    fill_direction: tuple[float, float, float] = (0.9, -0.1, -0.7)
    fill: Color = (0.15, 0.17, 0.20)
    ambient: Color = field(default=(0.40, 0.41, 0.43))

    @classmethod
    def random(cls, seed: int) -> Lighting:
        """Draw random light, always the same for a seed."""
        rng = np.random.default_rng(seed)
        side = float(rng.uniform(-1.2, 1.2))
        tint = rng.normal(0.0, 0.05)
        strength = float(rng.uniform(0.45, 0.95))
        warm = (strength * (1 + tint), strength, strength * (1 - tint))
        ambient = float(rng.uniform(0.25, 0.6))
        return cls(
            key_direction=(side, float(rng.uniform(-1.2, 0.1)), -1.0),
            key=warm,
            fill_direction=(-side, float(rng.uniform(-0.4, 0.3)), -0.7),
            fill=(0.15, 0.16, 0.17),
            ambient=(ambient, ambient, ambient * 1.05),
        )

    @classmethod
    def harsh(cls, seed: int) -> Lighting:
        """
        Draw random difficult light, always the same for a seed.

        One lamp of any strength and colour from any side, even from behind, and little else.
        """
        rng = np.random.default_rng(seed)
        around = rng.uniform(-np.pi, np.pi)
        up = rng.uniform(-0.5, 1.3)
        direction = (np.sin(around) * np.cos(up), -np.sin(up), -np.cos(around) * np.cos(up))
        exposure = float(np.exp(rng.uniform(np.log(0.2), np.log(1.3))))
        # A lamp behind the head lights only its rim, so the room gives more light.
        behind = max(0.0, float(direction[2]))
        key = exposure * (rng.uniform(0.6, 1.4) + 0.6 * behind)
        ambient = exposure * (np.exp(rng.uniform(np.log(0.06), np.log(0.45))) + 0.15 * behind)
        fill = exposure * rng.uniform(0.0, 0.3)
        tints = np.exp(rng.normal(0.0, rng.choice([0.05, 0.25], p=[0.6, 0.4]), (3, 3)))

        def color(strength: float, tint: NDArray[np.float64]) -> Color:
            red, green, blue = strength * tint / tint.mean()
            return float(red), float(green), float(blue)

        x, y, z = (float(value) for value in direction)
        return cls(
            key_direction=(x, y, z),
            key=color(key, tints[0]),
            fill_direction=(-x, float(rng.uniform(-0.5, 0.5)), -0.7),
            fill=color(fill, tints[1]),
            ambient=color(ambient, tints[2]),
        )


def linear_from_srgb(color: tuple[float, ...] | FloatArray) -> FloatArray:
    """Return linear light for display values 0 to 1 (IEC 61966-2-1)."""
    value = np.asarray(color, np.float64)
    linear: FloatArray = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    return linear


def srgb_from_linear(light: FloatArray) -> FloatArray:
    """Return display values 0 to 1 for linear light, clipped."""
    value = np.clip(light, 0.0, 1.0)
    srgb: FloatArray = np.where(
        value <= 0.0031308, value * 12.92, 1.055 * value ** (1 / 2.4) - 0.055
    )
    return srgb
