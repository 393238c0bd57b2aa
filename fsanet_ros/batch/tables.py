"""Tables of head poses: CSV, JSON lines or Parquet, one row for each head of each frame."""

from __future__ import annotations

import csv
import json
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, TextIO

from fsanet_ros.batch.sightings import SightedFrame
from fsanet_ros.batch.writing import naming

Row = Mapping[str, Any]
SUFFIXES = ('.csv', '.jsonl', '.parquet')
_ROWS_PER_GROUP = 50_000

# The columns of every table: name, type, digits after the point in texts.
COLUMNS: dict[str, tuple[type, int]] = {
    'file': (str, 0),
    'topic': (str, 0),
    'frame': (int, 0),
    'time_s': (float, 6),
    'id': (str, 0),
    'box_x': (float, 2),
    'box_y': (float, 2),
    'box_width': (float, 2),
    'box_height': (float, 2),
    'score': (float, 4),
    'qx': (float, 7),
    'qy': (float, 7),
    'qz': (float, 7),
    'qw': (float, 7),
    'yaw_deg': (float, 3),
    'pitch_deg': (float, 3),
    'roll_deg': (float, 3),
    'nose_x': (float, 6),
    'nose_y': (float, 6),
    'nose_z': (float, 6),
    'x_m': (float, 4),
    'y_m': (float, 4),
    'z_m': (float, 4),
    'expected_error_deg': (float, 3),
    'looks_at': (str, 0),
    'looks_at_for_s': (float, 3),
    'detector': (str, 0),
    'weights': (str, 0),
    'version': (str, 0),
}


def rows_of(frame: SightedFrame, file: str, about: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """
    Yield the rows of a frame, with the keys of COLUMNS; None for what is not known.

    :param file: its input's name
    :param about: detector, weights and version
    """
    for sighting in frame.sightings:
        row: dict[str, Any] = {
            'file': file,
            'topic': frame.topic or None,
            'frame': frame.number,
            'time_s': _or_none(frame.time_s),
            'id': sighting.id or None,
            **sighting.head.to_dict(),
            'looks_at': sighting.looks_at,
            'looks_at_for_s': _or_none(sighting.looks_at_for_s),
            **about,
        }
        yield {name: row[name] for name in COLUMNS}


class TableWriter(Protocol):
    """Takes rows; the file has its name only once it is whole."""

    def write(self, rows: Iterable[Row]) -> None:
        """
        Append rows.

        :raises OSError: if they cannot be written, naming the file
        """
        ...


class TextTable:
    """Rows as CSV or JSON lines."""

    def __init__(self, stream: TextIO, line_of: Callable[[Row], str], header: str = '') -> None:
        """Begin with the header."""
        self._stream = stream
        self._line_of = line_of
        stream.write(header)

    def write(self, rows: Iterable[Row]) -> None:
        """Append rows."""
        self._stream.writelines(self._line_of(row) for row in rows)

    def close(self) -> None:
        """Write out what waits."""
        self._stream.flush()


class ParquetTable:
    """Rows as Parquet, zstd-compressed; needs pyarrow (the extra "tables")."""

    def __init__(self, path: Path) -> None:
        """
        Begin.

        :raises ImportError: if pyarrow is not installed
        """
        try:
            import pyarrow
            import pyarrow.parquet
        except ImportError as error:
            raise ImportError(
                f'Parquet is written by pyarrow ({error}): pip install "fsanet_ros[tables]"'
            ) from error
        kinds = {str: pyarrow.string(), int: pyarrow.int64(), float: pyarrow.float64()}
        self._pyarrow = pyarrow
        self._schema = pyarrow.schema([(n, kinds[kind]) for n, (kind, _) in COLUMNS.items()])
        self._writer = pyarrow.parquet.ParquetWriter(path, self._schema, compression='zstd')
        self._waiting: list[Row] = []

    def write(self, rows: Iterable[Row]) -> None:
        """Append rows."""
        for row in rows:
            self._waiting.append(row)
            if len(self._waiting) >= _ROWS_PER_GROUP:
                self._flush()

    def close(self) -> None:
        """Write out what waits."""
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        if self._waiting:
            table = self._pyarrow.Table.from_pylist(self._waiting, schema=self._schema)
            self._writer.write_table(table)
            self._waiting = []


class TableFile:
    """
    A table that takes its name when it is whole; for a with block.

    It is written beside it, as .NAME.part, and removed if the block ends with an error.
    """

    def __init__(self, path: Path) -> None:
        """
        Take a path with one of SUFFIXES.

        :raises ValueError: for another ending
        """
        if path.suffix.lower() not in SUFFIXES:
            raise ValueError(f'{path}: expected a name that ends in {", ".join(SUFFIXES)}')
        self._path = path
        self._part = path.with_name(f'.{path.name}.part')

    def __enter__(self) -> TableWriter:
        """
        Begin to write.

        :raises OSError: if it cannot be written there
        """
        self._path.parent.mkdir(parents=True, exist_ok=True)
        if self._path.suffix.lower() == '.parquet':
            self._stream = None
            self._table: ParquetTable | TextTable = ParquetTable(self._part)
        else:
            # File names of other encodings come out as the bytes that they are.
            self._stream = self._part.open(
                'w', newline='', encoding='utf-8', errors='surrogateescape'
            )
            self._table = text_table(self._stream, self._path.suffix.lower())
        return self

    def write(self, rows: Iterable[Row]) -> None:
        """Append rows; see TableWriter."""
        with naming(self._path):
            self._table.write(rows)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        """Finish, or take back what an error ended."""
        try:
            # Of two errors, the first one is to be told.
            with suppress(OSError) if kind else naming(self._path):
                self._table.close()
                if self._stream is not None:
                    self._stream.close()
            if kind is None:
                os.replace(self._part, self._path)
        finally:
            self._part.unlink(missing_ok=True)


def text_table(stream: TextIO, suffix: str) -> TextTable:
    """Return a table of text, .csv or .jsonl, that is written to a stream."""
    if suffix == '.jsonl':
        return TextTable(stream, _json_line)
    line = _CsvLine()
    return TextTable(stream, line, line({name: name for name in COLUMNS}))


class _CsvLine:
    """Makes a line of CSV of a row."""

    def __init__(self) -> None:
        self._line = ''
        self._writer = csv.writer(self, lineterminator='\n')

    def write(self, line: str) -> None:
        """Take what csv.writer makes."""
        self._line = line

    def __call__(self, row: Row) -> str:
        self._writer.writerow([_text(row[name], digits) for name, (_, digits) in COLUMNS.items()])
        return self._line


def _json_line(row: Row) -> str:
    known = {name: value for name, value in row.items() if value is not None}
    rounded = {
        name: round(value, COLUMNS[name][1]) if isinstance(value, float) else value
        for name, value in known.items()
    }
    return json.dumps(rounded, ensure_ascii=False, allow_nan=False) + '\n'


def _text(value: object, digits: int) -> str:
    if value is None:
        return ''
    return f'{value:.{digits}f}' if isinstance(value, float) else str(value)


def _or_none(value: float) -> float | None:
    return value if math.isfinite(value) else None
