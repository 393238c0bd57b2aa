"""
Files that others published and that are fetched at the user's command, never on their own.

Which there are is in zoo.json. A file is known by its SHA-256; what arrives with another one is
refused. Files lie in the user's cache folder, ``$XDG_CACHE_HOME/fsanet_ros`` or
``~/.cache/fsanet_ros``.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

TIMEOUT_S = 30.0
_CHUNK = 1 << 16

# Called with the bytes that arrived and the bytes in all.
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class PublishedFile:
    """
    A file on the internet: where it is, what it is, and how to recognise it.

    ``kind``: what it is for, "detector" or "network". ``needs``: the names of the files without
    which this one is of no use. ``network``: the fields of a NetworkConfig.
    ``published`` and ``measured``: mean absolute error in degrees by data set. ``note``: what one
    must know before using it.
    """

    name: str
    file_name: str
    description: str
    licence: str
    url: str
    size: int
    sha256: str
    kind: str = 'detector'
    needs: tuple[str, ...] = ()
    network: Mapping[str, Any] = field(default_factory=dict)
    published: Mapping[str, float] = field(default_factory=dict)
    measured: Mapping[str, float] = field(default_factory=dict)
    note: str = ''


ZOO: dict[str, Any] = json.loads((Path(__file__).parent / 'zoo.json').read_text(encoding='utf-8'))
PUBLISHED = {
    values['name']: PublishedFile(**{**values, 'needs': tuple(values.get('needs', ()))})
    for values in ZOO['files']
}


def names(kind: str) -> list[str]:
    """Return the names of everything of a kind that can be fetched, fusions included."""
    files = [name for name, file in PUBLISHED.items() if file.kind == kind]
    return files + [fusion['name'] for fusion in ZOO['fusions'] if kind == 'network']


def members_of(name: str) -> list[str]:
    """Return the names of the networks that the published fusion called ``name`` is made of."""
    return [m for fusion in ZOO['fusions'] if fusion['name'] == name for m in fusion['members']]


def advice(name: str) -> str:
    """Say how to get the published file, or the fusion of several, called ``name``."""
    files = members_of(name) or [name, *PUBLISHED[name].needs]
    urls = ' and '.join(PUBLISHED[file].url for file in files)
    return (
        f'fetch it with "./run models {name}" (or "ros2 run fsanet_ros models {name}"); on a '
        f'machine without internet, copy {urls} to a folder and add "--from FOLDER"'
    )


def cache_folder() -> Path:
    """Return the folder that downloads go to; it need not exist."""
    # The XDG base directory specification says that a relative path there is to be ignored.
    base = os.environ.get('XDG_CACHE_HOME', '')
    root = Path(base) if os.path.isabs(base) else Path.home() / '.cache'
    return root / 'fsanet_ros'


def cached_file(name: str) -> Path:
    """Return where the published file called ``name`` lies once it is downloaded."""
    return cache_folder() / PUBLISHED[name].file_name


def check_known(path: Path) -> None:
    """
    Raise ValueError if ``path`` bears the name of a published file but is another one.

    Files with other names pass: they are the user's own.
    """
    files = [file for file in PUBLISHED.values() if file.file_name == path.name]
    if not files:
        return
    found = sha256_of(path)
    if all(found != file.sha256 for file in files):
        raise ValueError(
            f'{_mismatch(path, files[0], found, path.stat().st_size)}: {advice(files[0].name)}'
        )


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file as 64 hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open('rb') as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def fetch(
    name: str,
    *,
    folder: Path | None = None,
    source: Path | None = None,
    progress: Progress | None = None,
) -> Path:
    """
    Bring the published file called ``name`` into ``folder`` and return its path.

    A file that is there and right is left alone. A new one takes its place in one step, so that
    no other program ever sees half of it.

    :param folder: where to; None is the cache folder.
    :param source: a folder that the file was copied to by hand, or a folder below it; None
        downloads it.
    :param progress: called with the bytes that arrived and the bytes in all.
    :raises KeyError: no published file has this name.
    :raises ValueError: what arrived is not the published file.
    :raises OSError: it cannot be read (ConnectionError: downloaded), or not written.
    """
    file = PUBLISHED[name]
    folder = cache_folder() if folder is None else folder
    target = folder / file.file_name
    if target.is_file() and sha256_of(target) == file.sha256:
        return target
    folder.mkdir(parents=True, exist_ok=True)
    descriptor, part_name = tempfile.mkstemp(prefix=f'.{file.file_name}.', dir=folder)
    part = Path(part_name)
    try:
        with os.fdopen(descriptor, 'wb') as output:
            if source is None:
                origin = file.url
                _download(file, output, progress)
            else:
                path = _find(source, file)
                origin = str(path)
                _copy_file(path, file, output, progress)
        found = sha256_of(part)
        if found != file.sha256:
            raise ValueError(
                f'{_mismatch(origin, file, found, part.stat().st_size)}; nothing was kept of it. '
                'Try again, and if it stays so, tell the maintainers of this package'
            )
        part.chmod(0o644)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    return target


def _download(file: PublishedFile, output: BinaryIO, progress: Progress | None) -> None:
    # Here: HTTP and TLS take 5 MB, and most who need a file have it.
    import urllib.error
    import urllib.request

    try:
        with urllib.request.urlopen(file.url, timeout=TIMEOUT_S) as response:
            _copy(response, file, output, progress)
    except (urllib.error.URLError, OSError) as error:
        reason = getattr(error, 'reason', None) or error
        raise ConnectionError(
            f'{file.file_name} could not be downloaded from {file.url}: {reason}. Check the '
            'connection and any proxy (https_proxy) and try again; on a machine without internet, '
            f'copy that file to a folder and use "./run models {file.name} --from FOLDER"'
        ) from error


def _find(source: Path, file: PublishedFile) -> Path:
    """Return the right file, whatever its name in a folder, or else where it should be."""
    direct = source / file.file_name
    for path in (direct, *sorted(source.rglob('*'))):
        if path.is_file() and path.stat().st_size == file.size and sha256_of(path) == file.sha256:
            return path
    return next((path for path in sorted(source.rglob(file.file_name))), direct)


def _copy_file(
    path: Path, file: PublishedFile, output: BinaryIO, progress: Progress | None
) -> None:
    if not path.is_file():
        raise FileNotFoundError(
            f'{path} does not exist: expected the file {file.file_name} there, as published at '
            f'{file.url}'
        )
    with path.open('rb') as stream:
        _copy(stream, file, output, progress)


def _copy(
    stream: BinaryIO, file: PublishedFile, output: BinaryIO, progress: Progress | None
) -> None:
    done = 0
    # What is larger than the published file is wrong: stop, whatever may still come.
    while done <= file.size and (chunk := stream.read(_CHUNK)):
        output.write(chunk)
        done += len(chunk)
        if progress is not None:
            progress(done, file.size)


def _mismatch(origin: object, file: PublishedFile, found: str, size: int) -> str:
    cause = 'it was cut short' if size < file.size else 'it was changed or is another file'
    return (
        f'{origin} is not the published {file.file_name} ({cause}): found {size} bytes with '
        f'SHA-256 {found}, expected {file.size} bytes with {file.sha256}'
    )
