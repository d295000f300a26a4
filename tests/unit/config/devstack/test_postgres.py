import os
from pathlib import Path

import pytest

from config.devstack import postgres
from config.devstack.home import StackError, open_home


def test_an_ordinary_user_runs_postgres_directly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 4711)
    monkeypatch.setattr(postgres, "_is_known", lambda uid: uid == 4711)
    identity = postgres.choose_identity(open_home(tmp_path))
    assert identity.prefix == ()
    assert identity.user is None
    assert identity.data == tmp_path / "postgres"


def test_root_runs_postgres_in_a_user_namespace_where_that_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(postgres, "_namespace", lambda: ("env",))
    identity = postgres.choose_identity(open_home(tmp_path))
    assert identity.prefix == ("env",)
    assert identity.data == tmp_path / "postgres"


def test_a_user_without_an_entry_is_given_one_by_a_namespace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 4711)
    monkeypatch.setattr(postgres, "_is_known", lambda uid: False)
    monkeypatch.setattr(postgres, "_namespace", lambda: ("env",))
    assert postgres.choose_identity(open_home(tmp_path)).prefix == ("env",)
    monkeypatch.setattr(postgres, "_namespace", lambda: ("no-such-command",))
    with pytest.raises(StackError, match="user 4711 has no entry"):
        postgres.choose_identity(open_home(tmp_path))


def test_a_namespace_maps_to_an_ordinary_user_that_exists() -> None:
    options = dict(word.split("=") for word in postgres._namespace() if "=" in word)
    assert int(options["--map-user"]) != 0
    assert postgres._is_known(int(options["--map-user"]))


def test_root_without_user_namespaces_runs_postgres_as_nobody_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "place"
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(postgres, "UNSHARE", ("no-such-command",))
    monkeypatch.setattr(postgres, "_traversable_base", lambda: place)
    monkeypatch.setattr(postgres, "_claim", lambda claimed: claimed.mkdir(parents=True))
    monkeypatch.setattr(
        postgres, "_can_work", lambda identity, folder: "no-such-command" not in identity.prefix
    )
    identity = postgres.choose_identity(open_home(tmp_path / "home"))
    assert identity.user == "nobody"
    assert place in identity.data.parents
    assert "user namespaces are refused" in str(identity.notice)


def test_a_place_that_somebody_else_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "place").symlink_to(tmp_path)
    with pytest.raises(StackError, match="belongs to somebody else"):
        postgres._claim(tmp_path / "place")


@pytest.mark.parametrize("content", ["", "nonsense\n", "999999999\n"])
def test_a_lock_that_names_no_living_process_is_left_to_postgres(tmp_path: Path, content: str) -> None:
    file = tmp_path / "postmaster.pid"
    file.write_text(content)
    postgres._remove_stale_lock(tmp_path)
    assert file.exists()


def test_a_lock_whose_pid_another_program_has_now_is_removed(tmp_path: Path) -> None:
    file = tmp_path / "postmaster.pid"
    file.write_text(f"{os.getpid()}\n/somewhere\n")
    postgres._remove_stale_lock(tmp_path)
    assert not file.exists()
