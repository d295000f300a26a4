"""Which cores the serving process and everything else run on, so that load and server don't take turns on one."""

import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil


@dataclass(frozen=True, kw_only=True)
class Cores:
    """`serving`: the one core of the process that is measured; `others`: all the rest."""

    serving: frozenset[int]
    others: frozenset[int]

    @classmethod
    def of_this_machine(cls) -> "Cores | None":
        """Return the split, or None where there is one core only or the OS can't pin."""
        if not hasattr(os, "sched_getaffinity"):
            return None
        return cls.split(os.sched_getaffinity(0))

    @classmethod
    def split(cls, cores: Iterable[int]) -> "Cores | None":
        """Give the highest core to the server: the lowest one often has the interrupts."""
        ordered = sorted(cores)
        if len(ordered) < 2:
            return None
        return cls(serving=frozenset(ordered[-1:]), others=frozenset(ordered[:-1]))


def pin(pid: int, cores: frozenset[int]) -> None:
    """Keep a process on these cores, with all threads that it has now; later ones inherit it."""
    with suppress(FileNotFoundError, ProcessLookupError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            with suppress(ProcessLookupError):
                os.sched_setaffinity(int(task.name), cores)


def pin_family(pid: int, cores: frozenset[int]) -> None:
    """Keep a process and its children on these cores."""
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        for member in (process, *process.children(recursive=True)):
            pin(member.pid, cores)
