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
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

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
    :raises ImportError: pooch is not installed.
    """
    # Here: it loads requests, and those who run a node need neither.
    try:
        import pooch
    except ImportError as error:
        raise ImportError(
            f'files are fetched with the package pooch ({error}): install it with "pip install '
            'pooch"'
        ) from error
    file = PUBLISHED[name]
    pooch.get_logger().setLevel('WARNING')
    return Path(
        pooch.retrieve(
            url=file.url,
            known_hash=f'sha256:{file.sha256}',
            fname=file.file_name,
            path=cache_folder() if folder is None else folder,
            downloader=_Bringer(file, source, progress),
        )
    )


class _Bringer:
    """Brings a published file, or refuses what comes in its place; a downloader for pooch."""

    def __init__(self, file: PublishedFile, source: Path | None, progress: Progress | None) -> None:
        self._file = file
        self._source = source
        self._progress = progress or (lambda done, total: None)

    def __call__(self, url: str, output_file: str, _: object) -> None:
        part = Path(output_file)
        origin = url
        if self._source is None:
            self._download(url, part)
        else:
            path = _find(self._source, self._file)
            origin = str(path)
            self._copy(path, part)
        found = sha256_of(part)
        if found != self._file.sha256:
            raise ValueError(
                f'{_mismatch(origin, self._file, found, part.stat().st_size)}; nothing was kept of '
                'it. Try again, and if it stays so, tell the maintainers of this package'
            )
        part.chmod(0o644)  # pooch's temporary files are for their owner alone

    def _download(self, url: str, part: Path) -> None:
        import pooch

        watch = _Watch(self._file.size, self._progress)
        download = pooch.HTTPDownloader(progressbar=watch, chunk_size=_CHUNK, timeout=TIMEOUT_S)
        try:
            download(url, str(part), None)
        except _TooLargeError:
            pass  # it is not the published file: what is there of it says so
        except OSError as error:  # those of requests are
            raise ConnectionError(
                f'{self._file.file_name} could not be downloaded from {url}: {_reason(error)}. '
                'Check the connection and any proxy (https_proxy) and try again; on a machine '
                f'without internet, copy that file to a folder and use "./run models '
                f'{self._file.name} --from FOLDER"'
            ) from error

    def _copy(self, path: Path, part: Path) -> None:
        if not path.is_file():
            raise FileNotFoundError(
                f'{path} does not exist: expected the file {self._file.file_name} there, as '
                f'published at {self._file.url}'
            )
        shutil.copyfile(path, part)
        self._progress(part.stat().st_size, self._file.size)


class _TooLargeError(Exception):
    """More comes than the published file has."""


class _Watch:
    """Passes progress on, and stops what is larger than it should be; a progress bar for pooch."""

    def __init__(self, size: int, progress: Progress) -> None:
        self.total = size  # pooch puts there what the server says
        self._size = size
        self._progress = progress
        self._done = 0

    def update(self, count: int) -> None:
        """Count bytes that have arrived, in whole chunks: the last one may be smaller."""
        if self._done >= self._size + _CHUNK:
            raise _TooLargeError
        self._done += count
        self._progress(min(self._done, self._size), self._size)

    def reset(self) -> None:
        """Start again; pooch then tells the whole at once."""
        self._done = 0

    def close(self) -> None:
        """Nothing is open."""


def _reason(error: BaseException) -> str:
    """Return the innermost cause: what requests says around it fills lines."""
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    return ' '.join(str(error).split()) or type(error).__name__


def _find(source: Path, file: PublishedFile) -> Path:
    """Return the right file, whatever its name in a folder, or else where it should be."""
    direct = source / file.file_name
    for path in (direct, *sorted(source.rglob('*'))):
        if path.is_file() and path.stat().st_size == file.size and sha256_of(path) == file.sha256:
            return path
    return next((path for path in sorted(source.rglob(file.file_name))), direct)


def _mismatch(origin: object, file: PublishedFile, found: str, size: int) -> str:
    cause = 'it was cut short' if size < file.size else 'it was changed or is another file'
    return (
        f'{origin} is not the published {file.file_name} ({cause}): found {size} bytes with '
        f'SHA-256 {found}, expected {file.size} bytes with {file.sha256}'
    )
