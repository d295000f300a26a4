"""Readers of environment variables: each returns a typed value or refuses with a clear error.

In development, `<HALFPENNY_HOME>/stack.env` (written by `make run`) supplies what the environment leaves
unset, so that `manage.py` commands find the running stack.
"""

import base64
import os
import shlex
from pathlib import Path
from urllib.parse import unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured


def load_stack_file(path: Path) -> None:
    """Set every `NAME='value'` line of the file that the environment does not set already."""
    if not path.is_file():
        return
    for token in shlex.split(path.read_text(encoding="utf-8"), comments=True):
        name, separator, value = token.partition("=")
        if separator:
            os.environ.setdefault(name, value)


def text(name: str, default: str | None = None) -> str:
    """Return the variable, or the content of the file that NAME_FILE names, or the default."""
    if file := os.environ.get(f"{name}_FILE"):
        return _content(name, Path(file))
    value = os.environ.get(name) or default
    if value is None:
        raise ImproperlyConfigured(f"{name} (or {name}_FILE) must be set")
    return value


def _content(name: str, file: Path) -> str:
    try:
        content = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ImproperlyConfigured(f"{name}_FILE can't be read: {file} ({type(error).__name__})") from error
    if not content:
        raise ImproperlyConfigured(f"{name}_FILE names an empty file: {file}")
    return content


def is_set(name: str) -> bool:
    """Tell whether the variable has a value, be it by NAME_FILE."""
    return bool(os.environ.get(name) or os.environ.get(f"{name}_FILE"))


def integer(name: str, default: int) -> int:
    raw = os.environ.get(name) or str(default)
    try:
        return int(raw)
    except ValueError as error:
        raise ImproperlyConfigured(f"{name} must be a whole number, not {raw!r}") from error


def number(name: str, default: float) -> float:
    raw = os.environ.get(name) or str(default)
    try:
        return float(raw)
    except ValueError as error:
        raise ImproperlyConfigured(f"{name} must be a number, not {raw!r}") from error


def boolean(name: str, *, default: bool) -> bool:
    raw = os.environ.get(name) or str(default)
    if raw not in ("True", "False", "true", "false", "1", "0"):
        raise ImproperlyConfigured(f"{name} must be true or false, not {raw!r}")
    return raw in ("True", "true", "1")


def choice(name: str, default: str, allowed: tuple[str, ...]) -> str:
    raw = os.environ.get(name) or default
    if raw not in allowed:
        raise ImproperlyConfigured(f"{name} must be one of {', '.join(allowed)}, not {raw!r}")
    return raw


def words(name: str, default: str = "") -> list[str]:
    """Return a comma-separated list (of the variable or of NAME_FILE's content) without its empty parts."""
    return [part.strip() for part in text(name, default).split(",") if part.strip()]


def encryption_keys(name: str) -> list[bytes]:
    """Return 32-byte AES keys from comma-separated base64; the first encrypts, all decrypt."""
    keys = [base64.b64decode(part) for part in text(name).split(",") if part.strip()]
    if not keys or any(len(key) != 32 for key in keys):
        raise ImproperlyConfigured(f"{name} must hold base64 of 32 bytes (several: comma-separated)")
    return keys


def database(url: str) -> dict[str, str | int]:
    """Return Django's connection fields of a postgresql:// URL."""
    parts = urlsplit(url)
    if parts.scheme not in ("postgres", "postgresql"):
        raise ImproperlyConfigured("DATABASE_URL must start with postgresql://")
    return {
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": parts.hostname or "",
        "PORT": parts.port or 5432,
    }
