"""Your own pictures, with their poses in a labels.csv beside them."""

from __future__ import annotations

import math
from pathlib import Path

from fsanet_ros.files.untrusted import read_rows
from fsanet_ros.research.datasets.labelled_images import BoxOf, LabelledImage

TABLE = 'labels.csv'
ANGLES = ('yaw_deg', 'pitch_deg', 'roll_deg')
BOX = ('left', 'top', 'right', 'bottom')


def read_csv_table(root: str | Path) -> list[LabelledImage]:
    """
    Read a folder with labels.csv, one row per face.

    Columns: picture (a path relative to the folder), yaw_deg, pitch_deg, roll_deg. Optional: left,
    top, right, bottom, the box of the face's landmarks in pixels; group, the person or sequence.

    :param root: the folder, or the table itself
    :raises FileNotFoundError: if there is no table
    :raises ValueError: naming the table, the line and what was expected
    """
    table = Path(root) / TABLE if Path(root).is_dir() else Path(root)
    if not table.is_file():
        raise FileNotFoundError(
            f'{table} is missing: expected a table with picture, {", ".join(ANGLES)}'
        )
    expected = f'expected picture, {", ".join(ANGLES)} and optionally {", ".join(BOX)}, group'
    rows = read_rows(table, ('picture', *ANGLES), expected)
    return [_face(row, table, where) for where, row in rows]


def _face(row: dict[str, str], table: Path, where: str) -> LabelledImage:
    yaw, pitch, roll = (_number(row, name, where) for name in ANGLES)
    box: BoxOf | None = None
    if any(row.get(name) for name in BOX):
        left, top, right, bottom = (_number(row, name, where) for name in BOX)
        if right <= left or bottom <= top:
            raise ValueError(f'{where}: the box {left}, {top}, {right}, {bottom} is empty')
        box = left, top, right, bottom
    picture = table.parent / row['picture']
    return LabelledImage(picture, box, (yaw, pitch, roll), row.get('group') or row['picture'])


def _number(row: dict[str, str], name: str, where: str) -> float:
    text = row.get(name) or ''
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f'{where}: {name} is {text!r}, expected a number')
    return number
