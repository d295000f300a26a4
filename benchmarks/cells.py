"""What is measured: each cell is one way that a question can be answered."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle
from typing import Any

from benchmarks import prompts
from benchmarks.client import Server

BASELINE = "direct"


@dataclass(frozen=True, kw_only=True)
class Cell:
    """`requests` may end: a turn ends with them. `expected`: the outcome that every request should have."""

    name: str
    title: str
    server: Server
    requests: Iterator[bytes]
    expected: str


@dataclass(frozen=True, kw_only=True)
class Target:
    """The stack's two servers and a key that may ask."""

    web: Server
    upstream: Server
    key: str

    def ask(self, prompt: str, **cache: Any) -> bytes:
        """Return the bytes of a question to the gateway; `cache` as the API's `cache` object."""
        return self.web.post("/chat", self.key, {"prompt": prompt, **({"cache": cache} if cache else {})})

    def ask_directly(self, prompt: str) -> bytes:
        """Return the bytes of the same question to the demo upstream."""
        messages = [{"role": "user", "content": prompt}]
        return self.upstream.post("/v1/chat/completions", "none", {"model": "small-1", "messages": messages})


def cells(target: Target) -> list[Cell]:
    """Return all cells, the baseline first."""
    capitals, alike = prompts.stored(), prompts.rephrased_alike()
    mistyped = target.key[:-1] + ("a" if target.key[-1] != "a" else "b")
    return [
        Cell(
            name=BASELINE,
            title="direct call to the demo upstream",
            server=target.upstream,
            requests=cycle([target.ask_directly(prompt) for prompt in capitals]),
            expected="200",
        ),
        Cell(
            name="refused",
            title="401, a mistyped key",
            server=target.web,
            requests=cycle([target.web.post("/chat", mistyped, {"prompt": capitals[0]})]),
            expected="401",
        ),
        Cell(
            name="hit_exact",
            title="L1 hit",
            server=target.web,
            requests=cycle([target.ask(prompt) for prompt in capitals]),
            expected="hit_exact",
        ),
        # read_only: otherwise the answer would be copied to L1, and the wording be an exact hit next time.
        Cell(
            name="hit_semantic",
            title="L2 hit, new wording (embedded)",
            server=target.web,
            requests=(target.ask(prompt, mode="read_only") for prompt in prompts.rephrased()),
            expected="hit_semantic",
        ),
        Cell(
            name="hit_semantic_known",
            title="L2 hit, wording whose vector is in Redis",
            server=target.web,
            requests=cycle([target.ask(prompt, mode="read_only") for prompt in alike]),
            expected="hit_semantic",
        ),
        Cell(
            name="miss",
            title="miss in L1 and L2, asked upstream and stored",
            server=target.web,
            requests=(target.ask(prompt) for prompt in prompts.distinct()),
            expected="miss",
        ),
        Cell(
            name="bypass",
            title="`cache.mode: off`, asked upstream, no cache touched",
            server=target.web,
            requests=cycle([target.ask(prompt, mode="off") for prompt in capitals]),
            expected="bypass",
        ),
    ]
