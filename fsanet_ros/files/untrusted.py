"""Files that somebody else wrote, read so that a damaged one is one line that names it."""

from __future__ import annotations

import csv
import multiprocessing
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from fsanet_ros.files.child_processes import main_left_out
from fsanet_ros.files.plain_files import require_end

Item = TypeVar('Item')
Result = TypeVar('Result')

# What zipfile raises while it reads damaged archives, or encrypted ones.
ZIP_ERRORS = (zipfile.BadZipFile, zlib.error, KeyError, EOFError, RuntimeError, OSError)

_MAX_YAML_BYTES = 4 << 20
_MAX_YAML_DEPTH = 50
_AHEAD = 64


def load_yaml(path: Path) -> Any:
    """
    Return the content of a YAML file of settings.

    Aliases are refused: nested ones unfold to more than any memory holds.

    :raises ValueError: if it is no YAML, too large, or has aliases; the text goes on after the
        file's name
    :raises OSError: if it cannot be read
    """
    import yaml

    require_end(path)
    with path.open('rb') as file:
        content = file.read(_MAX_YAML_BYTES + 1)
    if len(content) > _MAX_YAML_BYTES:
        raise ValueError(f'has {path.stat().st_size} bytes, expected at most {_MAX_YAML_BYTES}')
    try:
        text = content.decode('utf-8')
        depth = 0
        for event in yaml.parse(text, yaml.SafeLoader):
            if isinstance(event, yaml.AliasEvent):
                raise ValueError('has YAML aliases (*name), which are not accepted')
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            if depth > _MAX_YAML_DEPTH:
                raise ValueError(f'has lists nested more than {_MAX_YAML_DEPTH} deep')
        return yaml.safe_load(text)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        reason = ' '.join(str(error).split())
        raise ValueError(f'is not YAML: {reason}') from error


def read_rows(
    table: Path, columns: Sequence[str], expected: str
) -> Iterator[tuple[str, dict[str, str]]]:
    """
    Yield the rows of a CSV file, each with "FILE, line N".

    Cells that a row lacks are empty.

    :param columns: those that must be there
    :param expected: what a table should hold, for people
    :raises ValueError: if it is no such table, or has no rows
    :raises OSError: if it cannot be read
    """
    empty = True
    try:
        require_end(table)
        with table.open(newline='', encoding='utf-8-sig') as file:
            rows = csv.DictReader(file, restval='')
            missing = [name for name in columns if name not in (rows.fieldnames or ())]
            if missing:
                raise ValueError(f'{table} has no column {", ".join(missing)}: {expected}')
            for row in rows:
                empty = False
                yield f'{table}, line {rows.line_num}', row
    except UnicodeDecodeError as error:
        raise ValueError(f'{table} is not UTF-8 text: {expected}') from error
    except csv.Error as error:
        raise ValueError(f'{table} is not a table ({error}): {expected}') from error
    if empty:
        raise ValueError(f'{table} has no rows: {expected}')


def mapped_in_a_process(
    function: Callable[[Item], Result], items: Iterable[Item], modules: Sequence[str] = ()
) -> Iterator[Result]:
    """
    Yield what a function returns of each item, in order, from a process of its own.

    For parsers that crash on damaged files, and would take everything along.

    :param function: of a module, so that the process finds it
    :param modules: that it needs; loaded once for all later calls
    :raises ValueError: naming the item, if the process died of it
    :raises Exception: what the function raises
    """
    remaining = iter(items)
    context = multiprocessing.get_context('forkserver')
    context.set_forkserver_preload(list(modules))
    with ProcessPoolExecutor(1, context) as pool:
        waiting: list[tuple[Item, Future[Result]]] = []
        while True:
            for item in islice(remaining, _AHEAD - len(waiting)):
                try:
                    with main_left_out():
                        waiting.append((item, pool.submit(function, item)))
                except BrokenProcessPool:  # of one that waits already
                    break
            if not waiting:
                return
            item, future = waiting.pop(0)
            try:
                yield future.result()
            except BrokenProcessPool as error:
                raise ValueError(f'{item} is damaged: the program that reads it crashed') from error
