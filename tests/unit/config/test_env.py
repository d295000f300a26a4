import base64
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from config import env


@pytest.fixture
def secret_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "secret"
    monkeypatch.setenv("A_SECRET_FILE", str(file))
    return file


def test_a_file_gives_the_value_without_its_line_end(secret_file: Path) -> None:
    secret_file.write_text("hush\n")
    assert env.text("A_SECRET") == "hush"
    assert env.is_set("A_SECRET")


def test_lists_and_encryption_keys_come_from_files_too(secret_file: Path) -> None:
    keys = [bytes([number]) * 32 for number in (1, 2)]
    secret_file.write_text(", ".join(base64.b64encode(key).decode() for key in keys))
    assert len(env.words("A_SECRET")) == 2
    assert env.encryption_keys("A_SECRET") == keys


@pytest.mark.parametrize("content", [None, "", " \n"])
def test_a_file_that_gives_nothing_is_refused_by_its_variable(secret_file: Path, content: str | None) -> None:
    if content is not None:
        secret_file.write_text(content)
    with pytest.raises(ImproperlyConfigured, match="A_SECRET_FILE"):
        env.text("A_SECRET")


def test_a_missing_value_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("A_SECRET", raising=False)
    with pytest.raises(ImproperlyConfigured, match="A_SECRET"):
        env.text("A_SECRET")
    assert not env.is_set("A_SECRET")
    assert env.words("A_SECRET", "a, b,") == ["a", "b"]
