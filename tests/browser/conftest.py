"""A real browser before the real stack. Run by `make test-browser`: it needs Debian's chromium."""

import importlib.util
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.stack import Stack, running_stack

if importlib.util.find_spec("playwright") is None:
    collect_ignore_glob = ["test_*.py"]


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    home: Path = tmp_path_factory.mktemp("browser") / "home"
    with running_stack(home) as running:
        yield running
