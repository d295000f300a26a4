"""The commands, environments and health checks of compose.yaml, run for real, only not in containers.

They run in a folder that holds what .dockerignore lets into the images, in production mode, with secrets out of
files. /run/secrets, /var/lib/halfpenny and the port are the only things that are put elsewhere.
"""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import psycopg
import pytest
import redis
from django.conf import settings

from tests.demo_upstream import free_port
from tests.docker_files import ROOT, own_services, service
from tests.integration.devstack.processes import end, eventually

OPERATORS = {"ALLOWED_HOSTS": "halfpenny.example"}
BIN = Path(sys.executable).parent


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """A machine that stands in for the containers: the images' files, the secrets, the volumes."""

    app: Path
    secrets: Path
    volumes: Path
    port: int

    def environment(self, name: str) -> dict[str, str]:
        """Return a service's environment and nothing of ours but what finds the interpreter."""
        given = {key: self.placed(interpolated(value)) for key, value in service(name)["environment"].items()}
        image = {"HALFPENNY_HOME": "/var/lib/halfpenny", "RECORD_SPOOL_DIR": "/var/lib/halfpenny/spool"}
        return {
            "PATH": f"{BIN}:{os.environ['PATH']}",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PORT": str(self.port),
            **{key: self.placed(value) for key, value in image.items()},
            **given,
        }

    def placed(self, value: str) -> str:
        return value.replace("/run/secrets", str(self.secrets)).replace(
            "/var/lib/halfpenny", str(self.volumes)
        )

    def command(self, words: Sequence[str]) -> list[str]:
        """Return a command of compose.yaml with this machine's paths and port."""
        return [str(self.port) if word == "8000" else self.placed(word) for word in words]

    def run(self, name: str, *words: str) -> "subprocess.CompletedProcess[str]":
        """Run a command where and as a service does."""
        return subprocess.run(
            self.command(words),
            cwd=self.app,
            env=self.environment(name),
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )

    @contextmanager
    def running(self, name: str) -> "Iterator[subprocess.Popen[bytes]]":
        """Run a service's own command in the background."""
        with (self.volumes / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                self.command(service(name)["command"]),
                cwd=self.app,
                env=self.environment(name),
                stdout=log,
                stderr=log,
            )
        try:
            yield process
        finally:
            end(process.pid, signal.SIGKILL)
            process.wait()

    def has_said(self, name: str, words: str) -> bool:
        """Tell whether a service's log has these words: to ask for its health earlier takes long."""
        return words in (self.volumes / f"{name}.log").read_text()

    def is_healthy(self, name: str, process: "subprocess.Popen[bytes]") -> bool:
        """Run the service's own health check; fails the test if the process is gone."""
        log = self.volumes / f"{name}.log"
        assert process.poll() is None, log.read_text()[-3000:]
        return self.run(name, *service(name)["healthcheck"]["test"][1:]).returncode == 0


def interpolated(value: str) -> str:
    """Return a value of compose.yaml with its variables replaced, as compose does it."""

    def replaced(found: "re.Match[str]") -> str:
        return OPERATORS.get(found[1]) or (found[3] if found[2] == ":-" else "")

    return re.sub(r"\$\{(\w+)(:[-?])?([^}]*)\}", replaced, value)


def is_let_in(path: Path, patterns: Sequence[str]) -> bool:
    """Tell whether .dockerignore lets a file into the build: the last pattern that matches decides."""
    names = [str(path), *(str(parent) for parent in path.parents if parent != Path())]
    let_in = True
    for pattern in patterns:
        wanted, text = pattern.startswith("!"), pattern.removeprefix("!")
        anywhere = text.removeprefix("**/")
        if any(
            _matches(name, text) or (anywhere != text and fnmatch(Path(name).name, anywhere))
            for name in names
        ):
            let_in = wanted
    return let_in


def _matches(name: str, pattern: str) -> bool:
    # A star doesn't cross folders.
    return name.count("/") == pattern.count("/") and fnmatch(name, pattern)


def copy_of_the_build(folder: Path) -> None:
    patterns = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and line[0] != "#"]
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    for name in listed.stdout.splitlines():
        if is_let_in(Path(name), patterns) and (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes((ROOT / name).read_bytes())


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """A deployment with migrated tables of its own on the tests' servers."""
    folder = tmp_path_factory.mktemp("deployment")
    found = Deployment(
        app=folder / "app", secrets=folder / "secrets", volumes=folder / "volumes", port=free_port()
    )
    for each in (found.app, found.volumes, found.volumes / "beat", found.volumes / "spool"):
        each.mkdir()
    copy_of_the_build(found.app)
    subprocess.run([sys.executable, "docker/make_secrets.py", str(found.secrets)], cwd=found.app, check=True)
    database = f"deployment_{uuid4().hex[:8]}"
    owner = os.environ["DATABASE_URL"]
    with psycopg.connect(owner, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {database}".encode())
    point_at_the_tests_servers(found.secrets, database)
    migrated = found.run("migrate", *service("migrate")["command"])
    assert migrated.returncode == 0, migrated.stderr
    yield found
    with psycopg.connect(owner, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {database} WITH (FORCE)".encode())


def point_at_the_tests_servers(secrets: Path, database: str) -> None:
    state = urlsplit(settings.REDIS_STATE_URL)._replace(path="/9").geturl()
    with redis.Redis.from_url(state) as client:
        client.flushdb()
    urls = {
        "database_url": urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{database}").geturl(),
        "redis_cache_url": urlsplit(settings.REDIS_CACHE_URL)._replace(path="/9").geturl(),
        "redis_state_url": state,
    }
    for name, url in urls.items():
        (secrets / name).unlink()
        (secrets / name).write_text(url + "\n")


def test_the_images_hold_what_runs_and_nothing_of_development(deployment: Deployment) -> None:
    assert (deployment.app / "config" / "server.py").is_file()
    assert (deployment.app / "requirements" / "base.txt").is_file()
    assert not (deployment.app / "tests").exists()
    assert not (deployment.app / "gateway" / "demo").exists()
    assert not (deployment.app / ".git").exists()
    assert [each.name for each in (deployment.app / "config" / "devstack").iterdir()] == ["torch_lock.py"]


def test_the_tables_are_up_to_date_after_migrate(deployment: Deployment) -> None:
    assert deployment.run("web", "python", "manage.py", "migrate", "--check").returncode == 0


def test_djangos_checks_find_nothing_in_the_deployment(deployment: Deployment) -> None:
    found = deployment.run("web", "python", "manage.py", "check", "--deploy", "--fail-level", "WARNING")
    assert found.returncode == 0, found.stderr


def test_static_files_are_collected_as_in_the_build(deployment: Deployment) -> None:
    environment = {"PATH": f"{BIN}:{os.environ['PATH']}"}
    subprocess.run(["sh", "docker/collect-static.sh"], cwd=deployment.app, env=environment, check=True)
    assert (deployment.app / "static" / "staticfiles.json").is_file()


def test_web_answers_and_drains(deployment: Deployment) -> None:
    with deployment.running("web") as process:
        eventually(lambda: deployment.is_healthy("web", process))
        address = f"http://127.0.0.1:{deployment.port}"
        token = (deployment.secrets / "metrics_token").read_text().strip()
        proxied = {"Host": "web", "X-Forwarded-For": "192.0.2.1"}
        with httpx.Client(base_url=address, headers=proxied, trust_env=False) as client:
            assert client.get("/livez").status_code == 200
            assert client.get("/metrics").status_code == 404
            assert client.get("/metrics", headers={"Authorization": f"Bearer {token}"}).status_code == 200
            # Probes ask by address; pages are served at their own hosts only, and nothing but probes without TLS.
            assert client.get("/livez", headers={"Host": "10.0.0.7"}).status_code == 200
            assert client.get("/login/", headers={"Host": "elsewhere.example"}).status_code == 400
            assert client.get("/login/").status_code == 301
            assert client.post("/chat", json={"prompt": "Hi"}).status_code == 403
        process.terminate()
        assert process.wait(120) in (0, -signal.SIGTERM, 128 + signal.SIGTERM)


def test_ingest_reads_and_stops_when_it_is_told(deployment: Deployment) -> None:
    with deployment.running("ingest") as process:
        eventually(lambda: deployment.is_healthy("ingest", process))
        process.terminate()
        assert process.wait(120) == 0


def test_the_embedding_worker_answers_and_stops_when_it_is_told(deployment: Deployment) -> None:
    with deployment.running("worker") as process:
        eventually(lambda: deployment.has_said("worker", "embedding worker ready"))
        eventually(lambda: deployment.is_healthy("worker", process))
        asked = deployment.run("web", "python", "manage.py", "doctor", "--only", "embedding_worker")
        assert asked.returncode == 0, asked.stdout
        process.terminate()
        assert process.wait(120) == 0


def test_housekeeping_answers_and_stops_when_it_is_told(deployment: Deployment) -> None:
    with deployment.running("housekeeping") as process:
        eventually(lambda: deployment.has_said("housekeeping", "[queues]"))
        eventually(lambda: deployment.is_healthy("housekeeping", process))
        process.terminate()
        assert process.wait(120) == 0


def test_beat_keeps_its_schedule_in_its_volume_and_stops_when_it_is_told(deployment: Deployment) -> None:
    with deployment.running("beat") as process:
        eventually(lambda: any((deployment.volumes / "beat").iterdir()))
        assert process.poll() is None
        process.terminate()
        assert process.wait(120) == 0


def test_every_service_of_ours_is_run_by_a_test_here() -> None:
    gpu_only = {"worker-gpu"}
    assert set(own_services()) == {"migrate", "web", "ingest", "worker", "housekeeping", "beat"} | gpu_only
    assert service("worker-gpu")["command"] == service("worker")["command"]


def test_a_health_check_of_a_dead_server_fails(deployment: Deployment) -> None:
    assert deployment.run("web", *service("web")["healthcheck"]["test"][1:]).returncode == 1


def test_secrets_are_made_once(deployment: Deployment) -> None:
    before = (deployment.secrets / "secret_key").read_text()
    again = deployment.run("web", "python", "docker/make_secrets.py", str(deployment.secrets))
    assert again.returncode == 0
    assert (deployment.secrets / "secret_key").read_text() == before
    assert (deployment.secrets.stat().st_mode & 0o777) == 0o700
