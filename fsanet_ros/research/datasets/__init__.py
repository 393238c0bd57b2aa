"""
Data sets of faces with head poses, read from their published layouts.

Each reader takes the data set's folder and returns a list of LabelledImage; the images themselves
are read later, by ``labelled_images.read_picture``. If the folder is not that data set, or a file
is damaged, the reader raises an OSError or a ValueError with one line that names it.
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
