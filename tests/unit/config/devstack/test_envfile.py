import shlex
import subprocess
from pathlib import Path

import pytest

from config.devstack import envfile

AWKWARD = ["", "plain", "two words", "it's", '$HOME `id` \\ "x"', "a\nb", "é"]


@pytest.mark.parametrize("value", AWKWARD)
def test_a_shell_reads_back_what_was_written(tmp_path: Path, value: str) -> None:
    file = tmp_path / "some.env"
    envfile.write(file, {"NAME": value})
    done = subprocess.run(
        ["sh", "-c", '. "$1"; printf %s "$NAME"', "sh", str(file)], capture_output=True, check=True
    )
    assert done.stdout.decode() == value


@pytest.mark.parametrize("value", AWKWARD)
def test_settings_read_back_what_was_written(value: str) -> None:
    assert shlex.split(envfile.render({"NAME": value})) == [f"NAME={value}"]


def test_only_the_owner_may_read_the_file(tmp_path: Path) -> None:
    file = tmp_path / "some.env"
    file.write_text("old")
    file.chmod(0o644)
    envfile.write(file, {"KEY": "secret"})
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.read_text() == "KEY='secret'\n"


def test_nothing_else_is_left_beside_the_file(tmp_path: Path) -> None:
    envfile.write(tmp_path / "some.env", {"KEY": "value"})
    assert [file.name for file in tmp_path.iterdir()] == ["some.env"]
