"""
Data sets of faces with head poses, in the layouts that they are published in.

Each reader takes the folder and returns LabelledImage for LabelledImage; pictures are read later,
by ``labelled_images.read_picture``. A folder that is not that data set, and a file that does not
hold what it should, is an OSError or a ValueError of one line that names it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from fsanet_ros.research.datasets.biwi import read_biwi
from fsanet_ros.research.datasets.csv_table import read_csv_table
from fsanet_ros.research.datasets.labelled_images import LabelledImage
from fsanet_ros.research.datasets.mat_files import read_300w_lp, read_aflw2000
from fsanet_ros.research.datasets.pointing04 import read_pointing04

READERS: dict[str, Callable[[Path], list[LabelledImage]]] = {
    '300w_lp': read_300w_lp,
    'aflw2000': read_aflw2000,
    'biwi': read_biwi,
    'pointing04': read_pointing04,
    'csv': read_csv_table,
}
