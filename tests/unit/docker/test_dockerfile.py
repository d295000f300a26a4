"""The Dockerfile and what may go into its images; no Docker engine is needed to see it."""

import re

import pytest

from tests.docker_files import DOCKER, ROOT, exec_form, instructions, last, lineage, stages

IMAGES = ("web", "worker", "worker-cuda")
SECRET = re.compile(r"SECRET|PASSWORD|TOKEN|ENCRYPTION|API_KEY|_KEY\b|DATABASE_URL|REDIS_\w*URL")


@pytest.mark.parametrize("image", IMAGES)
def test_no_image_runs_as_root(image: str) -> None:
    uid, gid = last(image, "USER").split(":")
    assert int(uid) >= 10_000
    assert int(gid) >= 10_000


@pytest.mark.parametrize("image", IMAGES)
def test_commands_and_health_checks_run_without_a_shell(image: str) -> None:
    assert exec_form(last(image, "CMD"))
    assert exec_form(last(image, "HEALTHCHECK").partition("CMD ")[2])
    assert not [rest for keyword, rest in lineage(image) if keyword == "ENTRYPOINT"]


def test_no_variable_or_argument_holds_a_secret() -> None:
    given = [rest for keyword, rest in instructions() if keyword in ("ENV", "ARG", "LABEL")]
    assert given
    assert not [rest for rest in given if SECRET.search(rest)]


def test_no_secret_gets_in_by_a_copied_file() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert ignored[1] == "*"
    assert {"docker/secrets", "**/.env"} <= set(ignored)
    assert not {line for line in ignored if line.startswith("!.")}


def test_every_base_image_is_named_in_full() -> None:
    outside = [rest.split()[0] for keyword, rest in instructions() if keyword == "FROM"]
    bases = {name for name in outside if name not in stages()}
    assert bases
    assert all(re.search(r":\d+\.\d+\.\d+-", base) for base in bases)


def test_every_package_is_checked_against_its_hash() -> None:
    installing = [rest for keyword, rest in instructions() if keyword == "RUN" and "pip install" in rest]
    assert len(installing) == 3
    assert all("--require-hashes" in rest for rest in installing)


def test_web_holds_no_model_library() -> None:
    (installed,) = (rest for keyword, rest in lineage("packages") if "pip install" in rest)
    assert re.findall(r"-r (\S+)", installed) == ["/build/requirements/base.txt"]
    assert [rest for keyword, rest in stages()["web"] if rest.startswith("--from=packages ")]
    locked = (ROOT / "requirements" / "base.txt").read_text()
    assert not re.search(r"^(torch|sentence-transformers|transformers)==", locked, re.MULTILINE)


def test_the_gpu_image_takes_the_gpu_lock() -> None:
    installed = [rest for keyword, rest in stages()["packages-worker-cuda"] if "pip install" in rest]
    assert "torch-cuda.txt" in installed[0]
    assert ("COPY", "--from=packages-worker-cuda /opt/venv /opt/venv") in stages()["worker-cuda"]


def test_a_build_without_a_target_makes_web() -> None:
    assert list(stages())[-1] == "web"


def test_every_copied_file_is_let_through_by_dockerignore() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    for name in ("healthcheck.py", "make_secrets.py", "collect-static.sh"):
        assert (DOCKER / name).is_file()
    assert {"!docker/*.py", "!docker/*.sh", "!requirements/*.txt", "!config/devstack/torch_lock.py"} <= set(
        ignored
    )
