import json
import shlex
from pathlib import Path

import pytest

from config.devstack import conductor
from config.devstack.conductor import Demo
from config.devstack.home import StackError, open_home

DEMO = Demo(
    key="hp_one", key_other="hp_two", admin_user="ada@example.com", admin_password="pw", providers=("openai",)
)
URL = "http://127.0.0.1:8000"
ENVIRONMENT = {
    "PORT": "8000",
    "DATABASE_URL": "postgresql://db",
    "REDIS_CACHE_URL": "redis://cache",
    "REDIS_STATE_URL": "redis://state",
    "DEMO_UPSTREAM_URL": "http://127.0.0.1:9000/v1",
}


def test_the_demo_tenants_are_read() -> None:
    made = {"key": "hp_one", "key_other": "hp_two", "admin_user": "ada@example.com", "admin_password": "pw"}
    assert conductor.read_demo(json.dumps({**made, "providers": ["openai"], "tenants": []})) == DEMO


@pytest.mark.parametrize("output", ["", "{}", "[]", "null", '{"key": 1'])
def test_an_answer_that_is_none_is_refused(output: str) -> None:
    with pytest.raises(StackError, match="demo_load"):
        conductor.read_demo(output)


def test_demo_env_has_the_agreed_variables(tmp_path: Path) -> None:
    names = {*conductor.demo_values(DEMO, ENVIRONMENT), *conductor.pid_values(open_home(tmp_path))}
    assert names == {
        "HALFPENNY_URL",
        "HALFPENNY_KEY",
        "HALFPENNY_KEY_OTHER",
        "HALFPENNY_ADMIN_USER",
        "HALFPENNY_ADMIN_PASSWORD",
        "HALFPENNY_DATABASE_URL",
        "HALFPENNY_REDIS_CACHE_URL",
        "HALFPENNY_REDIS_STATE_URL",
        "HALFPENNY_WEB_PIDS",
        "HALFPENNY_WORKER_PIDS",
        "HALFPENNY_INGEST_PIDS",
        "HALFPENNY_UPSTREAM_URL",
    }


def test_the_banner_tells_where_who_and_what_to_try() -> None:
    text = conductor.banner(DEMO, URL, 4.2)
    assert all(part in text for part in (URL, "hp_one", "hp_two", "ada@example.com", "pw", "openai"))
    questions = [
        json.loads(shlex.split(line)[-1])["prompt"] for line in text.splitlines() if "curl -s" in line
    ]
    assert questions[0] == questions[1] != questions[2]
    assert len(questions) == 3


def test_a_curl_line_is_safe_in_a_shell() -> None:
    words = shlex.split(conductor.curl("hp_one", URL, "What's $HOME?"))
    assert words[:3] == ["curl", "-s", f"{URL}/chat"]
    assert "Authorization: Bearer hp_one" in words
    assert json.loads(words[-1]) == {"prompt": "What's $HOME?"}


def test_waiting_without_end_is_refused() -> None:
    with pytest.raises(StackError, match="never came"):
        conductor.wait_for(lambda: False, 0.0, "it never came")


def test_a_step_tells_its_beginning_and_its_end(capsys: pytest.CaptureFixture[str]) -> None:
    with conductor.step("Baking"):
        pass
    first, last = capsys.readouterr().out.splitlines()
    assert first == "Baking ..."
    assert last.startswith("Baking: done in ")


def test_a_step_that_fails_is_not_called_done(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(StackError), conductor.step("Baking"):
        raise StackError("burnt")
    assert "done" not in capsys.readouterr().out
