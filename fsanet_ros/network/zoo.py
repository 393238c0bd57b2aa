"""
The zoo: every network and detector that has a name, and what is known about it.

The zoo is data, files/zoo.json: published files, fusions of several of them, and the weights that
come with the package. A new entry there is all that a new model needs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from fsanet_ros.files import downloads
from fsanet_ros.inference.weight_files import (
    FORMATS,
    cached_weights_folder,
    find_weights,
    has_weights,
)


@dataclass(frozen=True)
class Model:
    """
    One entry of the zoo.

    ``kind``: "network" or "detector". ``source``: where it comes from, a URL or a page of this
    package. ``published``, ``measured``: mean absolute error in degrees by data set. ``file``: the
    file to download; None for a fusion, which is made of ``members``, and for the package's own.
    """

    name: str
    kind: str
    description: str
    licence: str
    source: str
    published: Mapping[str, float] = field(default_factory=dict)
    measured: Mapping[str, float] = field(default_factory=dict)
    note: str = ''
    file: downloads.PublishedFile | None = None
    members: tuple[str, ...] = ()


def models() -> dict[str, Model]:
    """Return all models by name, the package's own first."""
    packaged = [Model(kind='network', **values) for values in downloads.ZOO['packaged']]
    files = [
        Model(
            name=file.name,
            kind=file.kind,
            description=file.description,
            licence=file.licence,
            source=file.url,
            published=file.published,
            measured=file.measured,
            note=file.note,
            file=file,
        )
        for file in downloads.PUBLISHED.values()
    ]
    fusions = [
        Model(
            kind='network',
            source=' + '.join(values['members']),
            **{**values, 'members': tuple(values['members'])},
        )
        for values in downloads.ZOO['fusions']
    ]
    return {model.name: model for model in (*packaged, *files, *fusions)}


def network_file(path: Path) -> downloads.PublishedFile | None:
    """Return the zoo's entry for a file that holds a network, known by its SHA-256, or None."""
    found = downloads.sha256_of(path)
    networks = (file for file in downloads.PUBLISHED.values() if file.kind == 'network')
    return next((file for file in networks if file.sha256 == found), None)


def paths_of(model: Model, folder: Path | None = None) -> list[Path]:
    """
    Return the local files of a model: two for a network, one for a detector.

    :param folder: where to look for a detector's file; None is the user's cache
    :raises FileNotFoundError: if the model has not been fetched
    :raises ValueError: if a file is damaged
    """
    if model.kind == 'network':
        return [find_weights(model.name, suffix) for suffix in FORMATS]
    assert model.file is not None  # every detector is a published file
    path = (downloads.cache_folder() if folder is None else folder) / model.file.file_name
    if not path.is_file():
        raise FileNotFoundError(f'{path} is not here: {downloads.advice(model.name)}')
    downloads.check_known(path)
    return [path]


def networks_at_hand() -> list[str]:
    """Return the names of the networks that are ready to use: the zoo's, then imported ones."""
    known = [name for name, model in models().items() if model.kind == 'network']
    own = [p.stem for p in sorted(cached_weights_folder().glob('*.onnx')) if p.stem not in known]
    return [name for name in (*known, *own) if has_weights(name)]
