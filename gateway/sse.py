"""Server-sent events as bytes come in, whatever way they are cut. Pure. (WHATWG HTML, section 9.2.6)"""

from dataclasses import dataclass

_BOM = b"\xef\xbb\xbf"
_MOST_BYTES = 1024 * 1024


class SseTooLarge(Exception):
    """One event is larger than the cap."""


class SseBroken(Exception):
    """The bytes are no UTF-8."""


@dataclass(frozen=True, slots=True)
class SseEvent:
    """One event: the lines of its data joined by line feeds, and its name ("message" if it has none)."""

    data: str
    name: str = "message"


class SseReader:
    """Reads one stream. After an exception it must not be fed again.

    Ids and retry times are left out: nobody here reconnects. What the stream's end leaves without a blank line
    is no event.
    """

    def __init__(self, most_bytes: int = _MOST_BYTES) -> None:
        """most_bytes: of one event, counted over the lines of its data and the line being read."""
        self._most = most_bytes
        self._begun = False
        self._after_cr = False
        self._unfinished = bytearray()
        self._data: list[str] = []
        self._held = 0
        self._name = ""

    def feed(self, piece: bytes) -> list[SseEvent]:
        """Return the events that this piece completes. Raises SseTooLarge and SseBroken."""
        if not self._begun:
            piece = self._begin(piece)
        if self._after_cr or b"\r" in piece:
            piece = self._with_line_feeds(piece)
        whole, end, rest = piece.rpartition(b"\n")
        if end and self._unfinished:
            whole = bytes(self._unfinished + whole)
            self._unfinished.clear()
        events = self._read_lines(whole.split(b"\n")) if end else []
        if rest:
            self._unfinished += rest
            self._check_size(len(self._unfinished))
        return events

    def _begin(self, piece: bytes) -> bytes:
        """Return what has come, without the byte order mark; nothing while that can still be one."""
        self._unfinished += piece
        if len(self._unfinished) < len(_BOM) and _BOM.startswith(self._unfinished):
            return b""
        self._begun = True
        begin = bytes(self._unfinished).removeprefix(_BOM)
        self._unfinished.clear()
        return begin

    def _with_line_feeds(self, piece: bytes) -> bytes:
        """Return the piece with LF for all line ends; a CR ends its line at once, whatever comes behind it."""
        if not piece:
            return piece
        if self._after_cr:
            piece = piece.removeprefix(b"\n")
        self._after_cr = piece.endswith(b"\r")
        return piece.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _read_lines(self, lines: list[bytes]) -> list[SseEvent]:
        events = []
        for line in lines:
            if line:
                self._read_line(line)
                continue
            if self._data:
                events.append(SseEvent("\n".join(self._data), self._name or "message"))
                self._data.clear()
                self._held = 0
            self._name = ""
        return events

    def _read_line(self, line: bytes) -> None:
        self._check_size(len(line))
        try:
            field, _, value = line.decode().partition(":")
        except UnicodeDecodeError:
            raise SseBroken("not UTF-8") from None
        if field == "data":
            self._data.append(value[1:] if value.startswith(" ") else value)
            self._held += len(line)
        elif field == "event":
            self._name = value.removeprefix(" ")

    def _check_size(self, line: int) -> None:
        if self._held + line > self._most:
            raise SseTooLarge(f"an event of more than {self._most} bytes")


def sse_event(data: bytes, name: str = "") -> bytes:
    """Return one event as it is sent. The data may have line ends (CR comes out as LF), the name must not."""
    if b"\n" in data or b"\r" in data:
        data = b"\ndata: ".join(data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n"))
    head = f"event: {name}\n".encode() if name else b""
    return b"%bdata: %b\n\n" % (head, data)
