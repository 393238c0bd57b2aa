"""A colour for each head, the same in every picture."""

from __future__ import annotations

import re

Color = tuple[int, int, int]

# Bright on dark and on skin; those that follow one another are easily told apart. RGB.
_PALETTE: tuple[Color, ...] = (
    (70, 190, 255),
    (255, 190, 0),
    (255, 105, 190),
    (150, 255, 80),
    (185, 150, 255),
    (255, 130, 50),
    (80, 255, 215),
    (255, 235, 190),
)
_PER_LETTER = 3  # colours between the first heads of two cameras


def color_of(id_: str) -> Color:
    """
    Return the colour of a head as red, green and blue, 0 to 255.

    It depends on nothing but the id. Ids that follow one another (h1, h2) differ in colour, and so
    do the first ones of several cameras (ha1, hb1).
    """
    prefix, number = re.fullmatch(r'(.*?)(\d*)', id_, re.DOTALL).groups()  # type: ignore[union-attr]
    first = _PER_LETTER * sum(prefix.encode(errors='replace'))
    return _PALETTE[(first + int(number[-9:] or 1) - 1) % len(_PALETTE)]
