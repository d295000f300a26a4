"""Files of KEY='value' lines that a shell can source: stack.env and demo.env."""

from collections.abc import Mapping
from pathlib import Path

from config.devstack.home import write_private


def quote(value: str) -> str:
    """The value in single quotes, in which a POSIX shell leaves everything as it is."""
    return "'" + value.replace("'", "'\\''") + "'"


def render(values: Mapping[str, str]) -> str:
    """One KEY='value' line for each item, in order."""
    return "".join(f"{name}={quote(value)}\n" for name, value in values.items())


def write(file: Path, values: Mapping[str, str]) -> None:
    """Writes the values to `file`, mode 0600, in one step."""
    write_private(file, render(values))
