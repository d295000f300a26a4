"""CPU time and memory of the measured processes, and how much of the machine neighbours took."""

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

MIB = 1024 * 1024
#: Which variable of demo.env names the processes of a part; the other parts have pid files only.
NAMED = {"web": "HALFPENNY_WEB_PIDS", "worker": "HALFPENNY_WORKER_PIDS", "ingest": "HALFPENNY_INGEST_PIDS"}


@dataclass(frozen=True, kw_only=True)
class Memory:
    """Of a part's processes together, in MiB. pss counts shared pages once (None where the OS can't say)."""

    processes: int
    rss: float
    pss: float | None


class Processes:
    """A running stack's processes by part, with the children that each has now."""

    def __init__(self, home: Path, env: Mapping[str, str], manager: int) -> None:
        self._pids = {file.stem: [int(file.read_text())] for file in sorted((home / "run").glob("*.pid"))}
        self._pids |= {part: [int(pid) for pid in env[name].split()] for part, name in NAMED.items()}
        self._manager = psutil.Process(manager)

    def add(self, part: str, pid: int) -> None:
        """Count a process that does not belong to the stack as a part of its own."""
        self._pids[part] = [pid]

    def pids(self, part: str) -> list[int]:
        """Return the processes of a part."""
        return self._pids[part]

    def cpu_seconds(self) -> dict[str, float]:
        """Return the CPU time that each part has used so far, ended children included."""
        return {part: sum(map(_cpu_seconds, self._tree(part))) for part in self._pids}

    def memory(self) -> dict[str, Memory]:
        """Return each part's memory; `runner` is what starts and watches the others."""
        trees = {part: list(self._tree(part)) for part in self._pids}
        counted = {process.pid for tree in trees.values() for process in tree}
        family = [self._manager, *self._manager.children(recursive=True)]
        trees["runner"] = [process for process in family if process.pid not in counted]
        return {part: _memory(tree) for part, tree in trees.items()}

    def _tree(self, part: str) -> Iterator[psutil.Process]:
        for pid in self._pids[part]:
            with suppress(psutil.NoSuchProcess):
                process = psutil.Process(pid)
                yield from (process, *process.children(recursive=True))


def machine_seconds() -> tuple[float, float]:
    """Return the CPU time that all cores together were busy, and had, since the machine started."""
    times = psutil.cpu_times()
    total = sum(times) - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0)
    return total - times.idle - getattr(times, "iowait", 0.0), total


def own_seconds() -> float:
    """Return the CPU time of this process."""
    times = os.times()
    return times.user + times.system


def _cpu_seconds(process: psutil.Process) -> float:
    with suppress(psutil.NoSuchProcess):
        times = process.cpu_times()
        ended = getattr(times, "children_user", 0.0) + getattr(times, "children_system", 0.0)
        return float(times.user + times.system + ended)
    return 0.0


def _memory(tree: list[psutil.Process]) -> Memory:
    rss, pss = 0.0, 0.0
    knows_pss = True
    count = 0
    for process in tree:
        with suppress(psutil.NoSuchProcess):
            rss += process.memory_info().rss / MIB
            count += 1
            try:
                pss += process.memory_full_info().pss / MIB
            except (psutil.AccessDenied, AttributeError):
                knows_pss = False
    return Memory(processes=count, rss=rss, pss=pss if knows_pss else None)
