"""Installs the peers under `.bench/`, from the committed locks."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
LOCKS = Path(__file__).parent
HOME = PROJECT / ".bench"
LITELLM = HOME / "litellm"
PORTKEY = HOME / "portkey"
INSTALL_SECONDS = 600


class NotInstalled(Exception):
    """A peer can't be had here; the message says why."""


def install_all() -> dict[str, str]:
    """Install what is missing or outdated. Returns the peers that can't be had, and why."""
    failed: dict[str, str] = {}
    for name, install in INSTALLERS.items():
        try:
            install()
        except NotInstalled as error:
            failed[name] = str(error)
    return failed


def litellm() -> None:
    """Install LiteLLM's proxy. Raises NotInstalled."""
    lock = LOCKS / "litellm.txt"
    if _is_current(LITELLM, lock):
        return
    shutil.rmtree(LITELLM, ignore_errors=True)
    python = str(LITELLM / "bin" / "python")
    pip = [python, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    _run([sys.executable, "-m", "venv", str(LITELLM)])
    # Old ones take several times as long.
    _run([*pip, "--upgrade", "pip"])
    _run([*pip, "--require-hashes", "-r", str(lock)])
    _mark(LITELLM, lock)


def portkey() -> None:
    """Install the Portkey gateway. Raises NotInstalled."""
    lock = LOCKS / "portkey" / "package-lock.json"
    if _is_current(PORTKEY, lock):
        return
    if shutil.which("npm") is None:
        raise NotInstalled("npm is not installed")
    shutil.rmtree(PORTKEY, ignore_errors=True)
    PORTKEY.mkdir(parents=True)
    for file in (lock, lock.with_name("package.json")):
        shutil.copy(file, PORTKEY)
    _run(["npm", "ci", "--ignore-scripts", "--omit=dev", "--no-audit", "--no-fund"], cwd=PORTKEY)
    _mark(PORTKEY, lock)


INSTALLERS: dict[str, Callable[[], None]] = {"LiteLLM": litellm, "Portkey": portkey}


def _run(line: list[str], cwd: Path = PROJECT) -> None:
    try:
        done = subprocess.run(
            line,
            cwd=cwd,
            capture_output=True,
            text=True,
            check=False,
            timeout=INSTALL_SECONDS,
            env=os.environ,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotInstalled(f"{Path(line[0]).name}: {type(error).__name__}") from error
    if done.returncode:
        last = (done.stderr or done.stdout).strip().splitlines()[-1:]
        raise NotInstalled(f"{Path(line[0]).name} failed: {' '.join(last)[:200]}")


def _is_current(folder: Path, lock: Path) -> bool:
    """Tell whether the folder was completely installed from this very lock."""
    mark = folder / ".installed"
    return mark.is_file() and mark.read_bytes() == lock.read_bytes()


def _mark(folder: Path, lock: Path) -> None:
    shutil.copy(lock, folder / ".installed")
