import base64
from pathlib import Path

import pytest

from config.devstack.home import StackError, open_home


def test_the_home_is_its_owners_only_even_if_it_was_open(tmp_path: Path) -> None:
    folder = tmp_path / "a home"
    folder.mkdir(mode=0o755)
    home = open_home(folder)
    assert home.path.stat().st_mode & 0o777 == 0o700


def test_secrets_are_made_once_and_private(tmp_path: Path) -> None:
    first = open_home(tmp_path).secrets()
    assert open_home(tmp_path).secrets() == first
    assert (tmp_path / "secrets.json").stat().st_mode & 0o777 == 0o600


def test_two_homes_have_different_secrets(tmp_path: Path) -> None:
    assert open_home(tmp_path / "a").secrets() != open_home(tmp_path / "b").secrets()


def test_the_encryption_key_has_32_bytes(tmp_path: Path) -> None:
    assert len(base64.b64decode(open_home(tmp_path).secrets().encryption_key)) == 32


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"postgres": "x"}'])
def test_damaged_secrets_are_refused_and_not_replaced(tmp_path: Path, content: str) -> None:
    file = tmp_path / "secrets.json"
    file.write_text(content)
    with pytest.raises(StackError, match="is damaged"):
        open_home(tmp_path).secrets()
    assert file.read_text() == content


@pytest.mark.parametrize(("content", "pid"), [("41\n", 41), ("", None), ("nonsense", None)])
def test_a_pid_file_is_read(tmp_path: Path, content: str, pid: int | None) -> None:
    home = open_home(tmp_path)
    (home.run_dir / "web.pid").write_text(content)
    assert home.pid("web") == pid


def test_a_process_without_pid_file_has_no_pid(tmp_path: Path) -> None:
    assert open_home(tmp_path).pid("web") is None


def test_what_a_killed_run_left_is_forgotten(tmp_path: Path) -> None:
    home = open_home(tmp_path)
    home.gate.touch()
    (home.run_dir / "web.pid").write_text("41\n")
    home.forget_processes()
    assert not home.gate.exists()
    assert home.pid("web") is None
