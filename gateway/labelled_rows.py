"""Reads the files of evaluation and training commands: JSON lines, plain or gzip."""

import gzip
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
from django.core.management.base import CommandError

Row = Mapping[str, Any]


def read_rows(path: Path, fields: Mapping[str, type]) -> list[Row]:
    """Return a file's rows. Raises CommandError where a row lacks a field or has it of another type."""
    try:
        content = path.read_bytes()
        lines = (gzip.decompress(content) if path.suffix == ".gz" else content).splitlines()
    except (OSError, EOFError, zlib.error) as error:
        raise CommandError(f"{path}: {error}") from error
    return [
        _row(line, fields, f"{path}, line {number}") for number, line in enumerate(lines, 1) if line.strip()
    ]


def _row(line: bytes, fields: Mapping[str, type], place: str) -> Row:
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise CommandError(f"{place}: {error}") from error
    for name, kind in fields.items():
        if not isinstance(row, dict) or not isinstance(row.get(name), kind) or row[name] is None:
            raise CommandError(f"{place}: {name!r} is missing or not {kind.__name__}")
    return dict(row)
