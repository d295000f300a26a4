"""The faults of upstreams, how each is made, and what is seen of it: the table of docs/upstreams.md.

python -m tests.faults        prints the table as Markdown
"""

from dataclasses import dataclass
from typing import Literal

Way = Literal["whole", "stream"]


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One fault of the demo upstream (gateway/demo) and what a caller of `/v1/chat/completions` sees of it."""

    what: str
    order: str
    """What the demo upstream is told, in the prompt."""
    ways: tuple[Way, ...] = ("whole", "stream")
    status: int = 200
    code: str | None = None
    """Of the error: in the body, or in the last event of a stream that had begun."""
    begun: bool = False
    """Pieces came before the error: the HTTP status was 200, and `status` is the record's."""
    reasons: tuple[str, ...] = ("ok",)
    """How the attempts ended, as in the record and in `x-gateway-attempts`."""
    retry_after: bool = False
    kept: bool = False
    """Whether the answer is in the cache afterwards."""
    estimated: bool = False
    """Whether the record's usage is our own count."""

    @property
    def seen(self) -> str:
        """What the caller sees, in words."""
        if self.code is None:
            return "200, the answer"
        if self.begun:
            return f"200, pieces, then an error event `{self.code}` and no `[DONE]`"
        wait = ", `Retry-After`" if self.retry_after else ""
        return f"{self.status} `{self.code}`, `x-should-retry: false`{wait}"


def _invalid(what: str, order: str, way: Way) -> Fault:
    """An answer that makes no sense."""
    return Fault(
        what=what,
        order=order,
        ways=(way,),
        status=502,
        code="upstream_invalid_response",
        reasons=("invalid_response",),
    )


TWICE = ("overloaded", "overloaded", "ok")
FAULTS: tuple[Fault, ...] = (
    Fault(what="27: 429, `Retry-After: 1`, once", order="429:1:1", reasons=("rate_limited", "ok"), kept=True),
    Fault(
        what="27: 429, `Retry-After` of an hour",
        order="429:9:3600",
        status=503,
        code="upstream_unavailable",
        reasons=("rate_limited",),
        retry_after=True,
    ),
    Fault(
        what="28: 429, no credit left",
        order="quota",
        status=503,
        code="upstream_unavailable",
        reasons=("out_of_quota",),
        retry_after=True,
    ),
    Fault(what="29: 500 twice", order="500:2", reasons=TWICE, kept=True),
    Fault(what="29: 529 twice", order="529:2", reasons=TWICE, kept=True),
    Fault(
        what="29, 44: 500 always",
        order="500",
        status=503,
        code="upstream_unavailable",
        reasons=("overloaded",) * 3,
        retry_after=True,
    ),
    Fault(
        what="30: 400",
        order="400",
        status=400,
        code="upstream_refused_request",
        reasons=("refused_request",),
    ),
    Fault(
        what="30: 401, the key's text in the message",
        order="echo-key",
        status=502,
        code="upstream_refused_key",
        reasons=("refused_key",),
    ),
    Fault(
        what="30: 404",
        order="404",
        status=502,
        code="upstream_unknown_model",
        reasons=("unknown_model",),
    ),
    Fault(
        what="33: nothing comes",
        order="hang",
        ways=("whole",),
        status=504,
        code="upstream_timeout",
        reasons=("timeout",),
    ),
    Fault(
        what="33: nothing comes, each attempt's first token late",
        order="hang",
        ways=("stream",),
        status=504,
        code="upstream_timeout",
        reasons=("timeout",) * 3,
    ),
    Fault(
        what="33: a head, then nothing",
        order="first-token-hang",
        ways=("stream",),
        status=504,
        code="upstream_timeout",
        reasons=("timeout",) * 3,
    ),
    Fault(
        what="34: one blank every half second",
        order="drip",
        ways=("whole",),
        status=504,
        code="upstream_timeout",
        reasons=("timeout",),
    ),
    Fault(
        what="34: silence after three chunks",
        order="stream-stall",
        ways=("stream",),
        begun=True,
        status=504,
        code="upstream_stalled",
        reasons=("stalled",),
        estimated=True,
    ),
    Fault(
        what="35: a proper end without its end marker",
        order="stream-no-done",
        ways=("stream",),
        begun=True,
        status=502,
        code="upstream_invalid_response",
        reasons=("truncated",),
        estimated=True,
    ),
    Fault(
        what="35: `[DONE]` without a finish reason",
        order="stream-no-finish",
        ways=("stream",),
        begun=True,
        status=502,
        code="upstream_invalid_response",
        reasons=("invalid_response",),
        estimated=True,
    ),
    Fault(
        what="36: connection broken in the midst",
        order="stream-cut",
        ways=("stream",),
        begun=True,
        status=502,
        code="upstream_invalid_response",
        reasons=("truncated",),
        estimated=True,
    ),
    Fault(what="37: every byte by itself", order="stream-split", ways=("stream",), kept=True),
    Fault(
        what="38: an event that isn't JSON",
        order="stream-badjson",
        ways=("stream",),
        begun=True,
        status=502,
        code="upstream_invalid_response",
        reasons=("invalid_response",),
        estimated=True,
    ),
    _invalid("38: a body that isn't JSON", "badjson", "whole"),
    Fault(
        what="38: a body that ends too early",
        order="truncated",
        ways=("whole",),
        status=502,
        code="upstream_invalid_response",
        reasons=("truncated",),
    ),
    Fault(
        what="39: an error in the midst",
        order="stream-error",
        ways=("stream",),
        begun=True,
        status=503,
        code="upstream_unavailable",
        reasons=("overloaded",),
        estimated=True,
    ),
    _invalid("39: an error object with status 200", "error200", "whole"),
    _invalid("39: no choices", "empty", "whole"),
    _invalid("39: no content", "null", "whole"),
    _invalid("40: a web page", "html", "whole"),
    _invalid("40: a web page for a stream", "stream-html", "stream"),
    Fault(
        what="41: a body of 64 MB",
        order="huge",
        ways=("whole",),
        status=502,
        code="upstream_invalid_response",
        reasons=("too_large",),
    ),
    Fault(
        what="41: an event of 5 MB",
        order="stream-big-event",
        ways=("stream",),
        begun=True,
        status=502,
        code="upstream_invalid_response",
        reasons=("too_large",),
        estimated=True,
    ),
    _invalid("41: a compressed body", "gzip", "whole"),
    Fault(
        what="42: a redirect to a metadata service",
        order="302",
        status=502,
        code="upstream_invalid_response",
        reasons=("redirect",),
    ),
    Fault(what="43: no usage", order="no-usage", ways=("whole",), kept=True, estimated=True),
    Fault(
        what="43: no usage in a stream", order="stream-no-usage", ways=("stream",), kept=True, estimated=True
    ),
    Fault(what="43: negative usage", order="negative-usage", kept=True, estimated=True),
    Fault(what="43: absurd usage", order="absurd-usage", kept=True, estimated=True),
)


def table() -> str:
    """Return the faults as a Markdown table."""
    lines = [
        "| fault | asked as | the caller sees | attempts in the record | kept in the cache | usage |",
        "|---|---|---|---|---|---|",
    ]
    for fault in FAULTS:
        usage = "our count" if fault.estimated else "the provider's" if fault.code is None else "none"
        ways = "either" if len(fault.ways) == 2 else fault.ways[0]
        kept = "yes" if fault.kept else "no"
        lines.append(
            f"| {fault.what} | {ways} | {fault.seen} | {', '.join(fault.reasons)} | {kept} | {usage} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(table(), end="")  # noqa: T201 (what it is for)
