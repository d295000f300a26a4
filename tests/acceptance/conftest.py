from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.stack import Stack, running_stack


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """One whole stack for all acceptance tests, in a path with a space."""
    home: Path = tmp_path_factory.mktemp("a newcomer") / "home"
    with running_stack(home) as running:
        yield running
