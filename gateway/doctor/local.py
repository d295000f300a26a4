"""Examines this process's own surroundings: settings, the spool folder, the disk below it."""

import shutil
import tempfile
from pathlib import Path

from django.conf import settings
from django.core import checks

from gateway.doctor.verdicts import Verdict, failed, ok, warning

_MIB = 1024 * 1024
_LEAST_MIB = 100
_ENOUGH_MIB = 1024


def examine_settings() -> Verdict:
    """Run Django's checks, those for deployment only where this is one."""
    found = checks.run_checks(include_deployment_checks=not settings.DEVELOPMENT)
    messages = [each for each in found if not each.is_silenced() and each.level >= checks.WARNING]
    if not messages:
        return ok(f"{settings.HALFPENNY_ENV}, version {settings.HALFPENNY_VERSION}")
    shown = "; ".join(f"{each.id}: {each.msg}" for each in messages)
    remedy = "; ".join(each.hint for each in messages if each.hint) or "see `manage.py check --deploy`"
    is_error = any(each.level >= checks.ERROR for each in messages)
    return failed(shown, remedy) if is_error else warning(shown, remedy)


def examine_spool() -> Verdict:
    """Records wait here while the state Redis takes none."""
    folder = Path(settings.RECORD_SPOOL_DIR)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".doctor-"):
            waiting = sorted(folder.glob("*.jsonl"))
    except OSError as error:
        return failed(
            f"{folder} can't be written ({error.strerror})", "correct RECORD_SPOOL_DIR or its owner"
        )
    if waiting:
        size = sum(_size(file) for file in waiting) / _MIB
        return warning(
            f"{folder}: {len(waiting)} files wait ({size:.1f} MiB)",
            "see state_redis; a running web process replays them by itself",
        )
    return ok(f"{folder} is writable and empty")


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except FileNotFoundError:
        # Replayed this moment.
        return 0


def examine_disk() -> Verdict:
    folder = Path(settings.RECORD_SPOOL_DIR)
    while not folder.exists():
        folder = folder.parent
    return judge_disk(shutil.disk_usage(folder).free // _MIB, folder)


def judge_disk(free_mib: int, folder: Path) -> Verdict:
    """Judge what is left. Pure."""
    shown = f"{free_mib} MiB free at {folder}"
    if free_mib < _LEAST_MIB:
        return failed(shown, "free some space: records can't be spooled")
    return warning(shown, "free some space") if free_mib < _ENOUGH_MIB else ok(shown)
