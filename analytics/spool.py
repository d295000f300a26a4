"""Records on local disk for as long as the state Redis does not take them.

Each process appends to a file of its own and holds its lock. A file whose lock is free belongs to a process
that is gone, and whoever finds it replays it.
"""

import fcntl
import os
import secrets
from contextlib import suppress
from pathlib import Path

_SUFFIX = ".jsonl"


class SpoolFile:
    """An open, locked file; `lines` goes on where the last confirmed chunk ended."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor
        self._position = self._chunk_end = 0

    def append(self, lines: list[bytes]) -> None:
        """Write all of the lines or none of them. Raises OSError."""
        start = os.fstat(self._descriptor).st_size
        block = b"".join(line + b"\n" for line in lines)
        try:
            written = os.write(self._descriptor, block)
            if written != len(block):
                raise OSError(f"the spool took {written} of {len(block)} bytes")
        except OSError:
            os.ftruncate(self._descriptor, start)
            raise

    def chunk(self, most_bytes: int = 256 * 1024) -> list[bytes]:
        """Return the next lines that are not confirmed; an empty list at the end. Raises OSError."""
        block = os.pread(self._descriptor, most_bytes, self._position)
        end = block.rfind(b"\n") + 1
        while block and not end:
            more = os.pread(self._descriptor, most_bytes, self._position + len(block))
            if not more:
                # The last line of a process that was killed in the middle of writing it.
                end = len(block)
                break
            block += more
            end = block.rfind(b"\n") + 1
        self._chunk_end = self._position + end
        return [line for line in block[:end].split(b"\n") if line]

    def confirm(self) -> None:
        """The lines of the last chunk are safe elsewhere."""
        self._position = self._chunk_end

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)
        self.close()

    def close(self) -> None:
        os.close(self._descriptor)


class Spool:
    """A folder of spool files: one to append to, and one at a time to replay."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._current: SpoolFile | None = None
        self._replaying: SpoolFile | None = None

    def append(self, lines: list[bytes]) -> None:
        """Append to this process's file, which is made when it is first needed. Raises OSError."""
        if self._current is None:
            self._current = self._create()
        self._current.append(lines)

    def next_to_replay(self) -> SpoolFile | None:
        """Return the file to replay until it is finished: one of a dead process, else this process's own.

        The own file is closed for appending by that; it is not while another one waits, so that a long outage
        makes two files, not thousands. Raises OSError.
        """
        if self._replaying is None:
            self._replaying = self._adopted()
        if self._replaying is None:
            self._replaying, self._current = self._current, None
        return self._replaying

    def finish(self) -> None:
        """Remove the file that was replayed."""
        if self._replaying is not None:
            self._replaying.remove()
            self._replaying = None

    def close(self) -> None:
        """Let go of all files; the next process that looks replays what is left in them."""
        for file in (self._replaying, self._current):
            if file is not None:
                file.close()
        self._replaying = self._current = None

    def _create(self) -> SpoolFile:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._folder / f"records-{os.getpid()}-{secrets.token_hex(4)}{_SUFFIX}"
        # It takes its name only once it is locked: else another process could take it for a dead one's.
        hidden = path.with_suffix(".new")
        descriptor = os.open(hidden, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        hidden.rename(path)
        return SpoolFile(path, descriptor)

    def _adopted(self) -> SpoolFile | None:
        paths = sorted(self._folder.glob(f"*{_SUFFIX}")) if self._folder.is_dir() else []
        return next((file for path in paths if (file := _locked(path)) is not None), None)


def _locked(path: Path) -> SpoolFile | None:
    """Open and lock the file; None when its process lives or when it was replayed meanwhile."""
    with suppress(FileNotFoundError):
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(descriptor).st_ino == path.stat().st_ino:
                return SpoolFile(path, descriptor)
        except BlockingIOError:
            pass
        except FileNotFoundError:
            os.close(descriptor)
            raise
        os.close(descriptor)
    return None
