"""Random people, expressions and light, for ``rendered_faces``."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from fsanet_ros.research.rendering import Appearance, Figure, HeadModel, Lighting
from fsanet_ros.research.rendering.appearance import Color
from fsanet_ros.research.rendering.coverings import Glasses, Hat, LongHair, Mask, Scarf
from fsanet_ros.research.rendering.worn import Wear
from fsanet_ros.types import FloatArray

# Shapes beyond the fiftieth hardly show.
_MIN_SHAPES, _MAX_SHAPES = 30, 50
_SKY_DIRECTIONS = 16
_HARSH_SHARE = 0.4
NOTHING_WORN = 'none'
_FLAT_HAIR_M, _FULL_HAIR_M = 0.006, 0.014  # under a hat, with long hair
# Expressions that stay behind a mask.
_UNDER_A_MASK = ('eye', 'brow', 'jawOpen', 'cheekSquint', 'cheekRaiser')
# Colours between which skins are drawn, sRGB: pale, olive, deep.
_PALE, _OLIVE, _DEEP = (0.95, 0.80, 0.73), (0.76, 0.56, 0.42), (0.30, 0.20, 0.16)
# Blond, red, grey and white hair, beside the usual colours of ``Appearance.random``.
_RARE_HAIRS = (
    (0.78, 0.64, 0.42),
    (0.52, 0.24, 0.11),
    (0.62, 0.61, 0.60),
    (0.85, 0.84, 0.82),
)
# Expressions that go together, with their largest strengths.
_HABITS: tuple[dict[str, float], ...] = (
    {'mouthSmile': 1.0, 'cheekSquint': 0.6, 'mouthUpperUp': 0.4},
    {'jawOpen': 0.9},
    {'jawOpen': 0.4, 'mouthSmile': 0.8},
    {'jawOpen': 0.5, 'mouthFunnel': 0.8},
    {'mouthPucker': 0.9},
    {'mouthFrown': 0.8, 'browInnerUp': 0.7},
    {'browDown': 0.9, 'noseSneer': 0.6},
    {'browInnerUp': 0.9, 'browOuterUp': 0.9, 'eyeWide': 0.7},
    {'mouthPress': 0.8},
    {'mouthStretch': 0.7, 'mouthLowerDown': 0.7},
    {'cheekPuff': 0.8},
    {'eyeSquint': 0.9, 'cheekRaiser': 0.8},
)


def draw_appearance(rng: np.random.Generator) -> Appearance:
    """Draw a person's colours and hair, with all skins from pale to deep equally likely."""
    drawn = Appearance.random(int(rng.integers(2**31)))
    tone = rng.uniform(0.0, 2.0)
    skin = [
        float(np.clip(np.interp(tone, [0.0, 1.0, 2.0], ends) + rng.normal(0.0, 0.015), 0.05, 0.98))
        for ends in zip(_PALE, _OLIVE, _DEEP, strict=True)
    ]
    hair = drawn.hair
    if rng.random() < 0.3:
        # Deep skins with grey and white only.
        first = 0 if tone < 1.2 else 2
        hair = _RARE_HAIRS[int(rng.integers(first, len(_RARE_HAIRS)))]
    if rng.random() < 0.3:
        shirt = rng.uniform(0.03, 0.9, 3)
        drawn = replace(drawn, shirt=(float(shirt[0]), float(shirt[1]), float(shirt[2])))
    return replace(drawn, skin=(skin[0], skin[1], skin[2]), hair=hair)


def draw_identity(rng: np.random.Generator) -> FloatArray:
    """Draw 30 to 50 shape coefficients, float64, of about one standard deviation."""
    count = int(rng.integers(_MIN_SHAPES, _MAX_SHAPES + 1))
    identity: FloatArray = rng.uniform(0.7, 1.2) * rng.standard_normal(count)
    return np.clip(identity, -2.5, 2.5)


def draw_person(
    model: HeadModel, rng: np.random.Generator, *, bare: bool = False
) -> tuple[Figure, str]:
    """Draw a person; return also the names of what hides parts of the head. Takes two seconds."""
    appearance, identity = draw_appearance(rng), draw_identity(rng)
    worn = {} if bare else draw_worn(rng)
    if {'hat', 'cap', 'scarf'} & worn.keys():
        appearance = replace(appearance, hair_m=min(appearance.hair_m, _FLAT_HAIR_M))
    elif 'long_hair' in worn:
        appearance = replace(appearance, hair_m=max(appearance.hair_m, _FULL_HAIR_M))
    figure = Figure(
        model, appearance, identity, worn=list(worn.values()), sky_directions=_SKY_DIRECTIONS
    )
    return figure, '+'.join(sorted(worn)) or NOTHING_WORN


def draw_worn(rng: np.random.Generator) -> dict[str, Wear]:
    """Draw what a person wears on the head, by name; often nothing."""
    worn: dict[str, Wear] = {}
    on_top = rng.random()
    if on_top < 0.25:
        length = float(rng.uniform(0.06, 0.22))
        forward = float(rng.uniform(-0.01, 0.025))
        worn['long_hair'] = LongHair(length, float(rng.uniform(0.006, 0.022)), forward)
    elif on_top < 0.35:
        edge, loose = float(rng.uniform(-0.008, 0.018)), float(rng.uniform(0.004, 0.012))
        peak = float(rng.choice([0.0, rng.uniform(0.05, 0.075)]))
        worn['cap' if peak else 'hat'] = Hat(_cloth(rng), edge, loose, peak)
    elif on_top < 0.41:
        edge, loose = float(rng.uniform(-0.005, 0.015)), float(rng.uniform(0.005, 0.013))
        worn['scarf'] = Scarf(_cloth(rng), edge, loose)
    if rng.random() < 0.08:
        colors = ((0.55, 0.70, 0.80), (0.90, 0.91, 0.92), (0.07, 0.07, 0.08), _cloth(rng))
        worn['mask'] = Mask(colors[int(rng.integers(4))], float(rng.uniform(-0.008, 0.010)))
    if rng.random() < 0.22:
        dark = rng.random() < 0.35
        worn['sunglasses' if dark else 'glasses'] = _glasses(dark, rng)
    return worn


def _glasses(dark: bool, rng: np.random.Generator) -> Glasses:
    frames = ((0.06, 0.06, 0.07), (0.35, 0.22, 0.13), (0.62, 0.60, 0.58), _cloth(rng))
    tint = float(rng.uniform(0.02, 0.20))
    return Glasses(
        frame=frames[int(rng.integers(4))],
        lens=(tint, 0.95 * tint, 0.9 * tint) if dark else None,
        wire_m=float(rng.uniform(0.0008, 0.0024)),
        half_width_m=float(rng.uniform(0.022, 0.029)),
        half_height_m=float(rng.uniform(0.014, 0.024)),
        squareness=float(rng.uniform(2.0, 5.0)),
    )


def _cloth(rng: np.random.Generator) -> Color:
    grey = rng.uniform(0.05, 0.9)
    red, green, blue = np.clip(grey + rng.normal(0.0, 0.15, 3), 0.03, 0.95)
    return float(red), float(green), float(blue)


def draw_expression(
    names: list[str], rng: np.random.Generator, covered: str = NOTHING_WORN
) -> dict[str, float]:
    """
    Draw an expression, usually weak, sometimes strong, with blinks and glances.

    :param names: the model's expressions; those of one side end in _L and _R
    :param covered: the worn things; a mask hides and restrains the mouth
    :returns: strengths, 0 to 1, by name
    """
    drawn: dict[str, float] = {}
    if rng.random() < 0.65:
        habit = _HABITS[int(rng.integers(len(_HABITS)))]
        strength = rng.uniform(0.2, 1.0)
        # No face is quite symmetric.
        sides = {side: float(rng.uniform(0.75, 1.0)) for side in ('', '_L', '_R')}
        for name, most in habit.items():
            amount = strength * most * rng.uniform(0.6, 1.0)
            drawn |= {
                name + side: float(amount * share)
                for side, share in sides.items()
                if name + side in names
            }
    if rng.random() < 0.3:
        for name in rng.choice(_single(names), int(rng.integers(1, 4)), replace=False):
            drawn[str(name)] = max(drawn.get(str(name), 0.0), float(rng.uniform(0.1, 0.6)))
    drawn |= _eyes(rng)
    if 'mask' in covered:
        return {name: at for name, at in drawn.items() if name.startswith(_UNDER_A_MASK)}
    return drawn


def _single(names: list[str]) -> list[str]:
    """Return the expressions that can be added to any other without tearing the face."""
    return [name for name in names if not name.startswith(('eye', 'Pupil', 'mouthClose'))]


def _eyes(rng: np.random.Generator) -> dict[str, float]:
    drawn: dict[str, float] = {}
    if rng.random() < 0.25:
        closed = float(rng.choice([1.0, rng.uniform(0.2, 1.0)]))
        drawn |= {'eyeBlink_L': closed, 'eyeBlink_R': closed}
    if rng.random() < 0.5:
        left, up = (float(value) for value in np.clip(rng.normal(0.0, 0.4, 2), -0.9, 0.9))
        across = ('Out_L', 'In_R') if left > 0.0 else ('In_L', 'Out_R')
        along = ('Up_L', 'Up_R') if up > 0.0 else ('Down_L', 'Down_R')
        drawn |= {f'eyeLook{name}': abs(left) for name in across}
        drawn |= {f'eyeLook{name}': abs(up) for name in along}
    return drawn


def draw_lighting(rng: np.random.Generator) -> Lighting:
    """Draw light: that of a room, from one side, from behind, dim or coloured."""
    seed = int(rng.integers(2**31))
    return Lighting.harsh(seed) if rng.random() < _HARSH_SHARE else Lighting.random(seed)
