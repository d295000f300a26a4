"""What is measured: each cell is one way that a question can be answered."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import cycle, islice
from typing import Any, Literal

from benchmarks import prompts
from benchmarks.client import Server
from benchmarks.peers import recipes
from benchmarks.replay import replay
from benchmarks.zipf import Zipf

Group = Literal["rig", "baseline", "ours", "peer"]
DRAWS = 20_000
#: LiteLLM's misses are slow: with all of the hot prompts its preparation alone would take a minute.
PEER_PROMPTS = 300


@dataclass(frozen=True, kw_only=True)
class Cell:
    """`requests` may end: a turn ends with them. `expected`: the outcomes that a request should have.

    serving: the part whose CPU is counted. streams: pieces of the answer are timed.
    """

    name: str
    title: str
    group: Group
    serving: str
    server: Server
    requests: Iterator[bytes]
    expected: frozenset[str]
    streams: bool = False
    primer: Sequence[bytes] = ()


@dataclass(frozen=True, kw_only=True)
class Keys:
    """API keys by what they are for: `acme`: all caches; `exact`: L2 off; `limited`: one request a minute."""

    acme: str
    exact: str
    limited: str
    replay: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class Target:
    """The servers by part ("web", "web_l1", "upstream", "echo", ...), the keys, and how many prompts are hot."""

    servers: Mapping[str, Server]
    keys: Keys
    hot_prompts: int

    @property
    def web(self) -> Server:
        return self.servers["web"]

    @cached_property
    def hot(self) -> list[str]:
        """The prompts that hits are drawn from."""
        return list(islice(prompts.journeys(), self.hot_prompts))

    @cached_property
    def drawn(self) -> list[str]:
        """Hot prompts as they are asked for."""
        return [self.hot[number] for number in Zipf(len(self.hot)).draw(DRAWS)]

    def fresh(self) -> Iterator[str]:
        """Yield prompts that are not among the hot ones."""
        return islice(prompts.journeys(), self.hot_prompts, None)

    def ask(self, prompt: str, key: str | None = None, *, stream: bool = False, **cache: Any) -> bytes:
        """Return the bytes of a question to the gateway; `cache` as the API's `cache` object."""
        more: dict[str, Any] = {"stream": True} if stream else {}
        return self.web.post(
            "/chat", key or self.keys.acme, {"prompt": prompt, **more, **({"cache": cache} if cache else {})}
        )

    def completion(
        self,
        part: str,
        prompt: str,
        key: str,
        headers: Mapping[str, str] | None = None,
        *,
        model: str = recipes.MODEL,
        stream: bool = False,
    ) -> bytes:
        """Return the bytes of the same question to an OpenAI-compatible server."""
        body: dict[str, Any] = {"model": model, "messages": [{"role": "user", "content": prompt}]}
        if stream:
            body |= {"stream": True, "stream_options": {"include_usage": True}}
        return self.servers[part].post("/v1/chat/completions", key, body, headers)


def cells(target: Target) -> list[Cell]:
    """Return the cells of all servers that are there."""
    return [
        *_rig(target),
        *_baselines(target),
        *_ours(target),
        *_completions(target),
        *_streams(target),
        *_peers(target),
    ]


def _rig(target: Target) -> Iterator[Cell]:
    yield Cell(
        name="reflector",
        title="load generator alone (a socket that answers unread)",
        group="rig",
        serving="reflector",
        server=target.servers["reflector"],
        requests=cycle([target.ask(prompt) for prompt in target.drawn]),
        expected=frozenset({"200"}),
    )
    yield Cell(
        name="direct",
        title="upstream alone, asked directly",
        group="rig",
        serving="upstream",
        server=target.servers["upstream"],
        requests=cycle([target.completion("upstream", prompt, "none") for prompt in prompts.stored()]),
        expected=frozenset({"200"}),
    )
    asked = [target.completion("upstream", prompt, "none", stream=True) for prompt in prompts.stored()]
    yield Cell(
        name="direct_stream",
        title="upstream alone, streamed, asked directly",
        group="rig",
        serving="upstream",
        server=target.servers["upstream"],
        requests=cycle(asked),
        expected=frozenset({"200"}),
        streams=True,
    )


def _baselines(target: Target) -> Iterator[Cell]:
    for name, title in (
        ("echo", "bare ASGI echo"),
        ("echo_get", "bare ASGI: JSON, SHA-256, one Redis GET"),
    ):
        yield Cell(
            name=name,
            title=title,
            group="baseline",
            serving=name,
            server=target.servers[name],
            requests=cycle([target.ask(prompt) for prompt in target.drawn]),
            expected=frozenset({"200"}),
        )


def _ours(target: Target) -> Iterator[Cell]:
    keys, capitals = target.keys, prompts.stored()
    mistyped = keys.acme[:-1] + ("a" if keys.acme[-1] != "a" else "b")
    hits = [target.ask(prompt, keys.exact) for prompt in target.drawn]
    known = [target.ask(prompt, mode="read_only") for prompt in prompts.rephrased_alike()]
    yield _our(target, "refused", "401, a mistyped key", cycle([target.ask(capitals[0], mistyped)]), "401")
    yield _our(
        target, "limited", "429, over the rate limit", cycle([target.ask(capitals[0], keys.limited)]), "429"
    )
    yield _primed(_our(target, "hit_memory", "L0 hit (memory)", cycle(hits), "hit_exact"), hits)
    yield _our(target, "hit_exact", "L1 hit (Redis)", cycle(hits), "hit_exact", serving="web_l1")
    # read_only: otherwise the answer would be copied to L1, and the wording be an exact hit next time.
    yield _our(
        target,
        "hit_semantic",
        "L2 hit, new wording (embedded)",
        (target.ask(prompt, mode="read_only") for prompt in prompts.rephrased()),
        "hit_semantic",
    )
    yield _our(
        target,
        "hit_semantic_known",
        "L2 hit, wording whose vector is in Redis",
        cycle(known),
        "hit_semantic",
    )
    yield _our(
        target,
        "miss_exact",
        "miss without L2, asked upstream and stored",
        (target.ask(prompt, keys.exact) for prompt in target.fresh()),
        "miss",
    )
    yield _our(
        target,
        "miss",
        "miss with L2: embedded, asked upstream and stored",
        (target.ask(prompt) for prompt in prompts.distinct()),
        "miss",
    )
    yield _our(
        target,
        "bypass",
        "`cache.mode: off`, no cache touched",
        cycle([target.ask(prompt, mode="off") for prompt in capitals]),
        "bypass",
    )
    yield _our(target, "stats", "`/stats`", cycle([target.web.get("/stats", keys.acme)]), "200")
    yield _our(
        target,
        "mixed",
        "replay of 5 tenants (60 % repeats, 15 % rephrased)",
        (target.ask(question.prompt, keys.replay[question.tenant]) for question in replay(len(keys.replay))),
        *("hit_exact", "hit_semantic", "miss"),
    )


def _completions(target: Target) -> Iterator[Cell]:
    """The other form of the same: a hit's answer may have been stored by a question at `/chat`."""
    hits = [_completion(target, prompt) for prompt in target.drawn]
    hit = _our(target, "completions_hit", "`/v1/chat/completions`, L0 hit", cycle(hits), "hit_exact")
    yield _primed(hit, hits)
    yield _our(
        target,
        "completions_miss",
        "`/v1/chat/completions`, miss without L2",
        (_completion(target, f"{prompt} In a word.") for prompt in target.fresh()),
        "miss",
    )


def _streams(target: Target) -> Iterator[Cell]:
    """Misses have words of their own in each cell: an answer that was streamed is stored like any other."""
    exact = target.keys.exact
    hits = [target.ask(prompt, exact, stream=True) for prompt in target.drawn]
    fresh = (target.ask(f"{prompt} In detail.", exact, stream=True) for prompt in target.fresh())
    hit = _our(target, "stream_hit", "stream of an L0 hit", cycle(hits), "hit_exact", streams=True)
    yield _primed(hit, hits)
    yield _our(target, "stream_miss", "stream of a miss without L2", fresh, "miss", streams=True)
    hits = [_completion(target, prompt, stream=True) for prompt in target.drawn]
    fresh = (_completion(target, f"{prompt} In short.", stream=True) for prompt in target.fresh())
    hit = _our(
        target,
        "completions_stream_hit",
        "`/v1/chat/completions`, stream of an L0 hit",
        cycle(hits),
        "hit_exact",
        streams=True,
    )
    yield _primed(hit, hits)
    yield _our(
        target,
        "completions_stream_miss",
        "`/v1/chat/completions`, stream of a miss without L2",
        fresh,
        "miss",
        streams=True,
    )


def _completion(target: Target, prompt: str, *, stream: bool = False) -> bytes:
    return target.completion("web", prompt, target.keys.exact, model="auto", stream=stream)


def _primed(cell: Cell, hits: Sequence[bytes]) -> Cell:
    """Twice: the first fetches an answer into memory, the second makes it ready."""
    return replace(cell, primer=2 * tuple(dict.fromkeys(hits)))


def _our(
    target: Target,
    name: str,
    title: str,
    requests: Iterator[bytes],
    *expected: str,
    serving: str = "web",
    streams: bool = False,
) -> Cell:
    return Cell(
        name=name,
        title=title,
        group="ours",
        serving=serving,
        server=target.servers[serving],
        requests=requests,
        expected=frozenset(expected),
        streams=streams,
    )


def _peers(target: Target) -> Iterator[Cell]:
    if "litellm" in target.servers:
        key = recipes.LITELLM_KEY
        yield _peer(target, "litellm_hit", "LiteLLM, hit (Redis)", "litellm", cycle(litellm_hits(target)))
        fresh = (target.completion("litellm", prompt, key) for prompt in target.fresh())
        yield _peer(target, "litellm_miss", "LiteLLM, miss", "litellm", fresh)
        slow = (target.completion("litellm", f"{p} In detail.", key, stream=True) for p in target.fresh())
        yield _peer(target, "litellm_stream", "LiteLLM, stream of a miss", "litellm", slow, streams=True)
    if "portkey" in target.servers:
        headers = recipes.portkey_headers(f"{target.servers['upstream'].url}/v1")
        asked = [target.completion("portkey", prompt, "none", headers) for prompt in target.drawn]
        # No streams: the pinned version answers 500 to each of them ("TypeError: immutable", on Node 20).
        yield _peer(target, "portkey_miss", "Portkey, miss (it has no cache)", "portkey", cycle(asked))


def litellm_hits(target: Target) -> list[bytes]:
    """Return what LiteLLM is asked twice."""
    hot = target.hot[:PEER_PROMPTS]
    return [
        target.completion("litellm", hot[number], recipes.LITELLM_KEY)
        for number in Zipf(len(hot)).draw(DRAWS)
    ]


def _peer(
    target: Target, name: str, title: str, serving: str, requests: Iterator[bytes], *, streams: bool = False
) -> Cell:
    return Cell(
        name=name,
        title=title,
        group="peer",
        serving=serving,
        server=target.servers[serving],
        requests=requests,
        expected=frozenset({"200"}),
        streams=streams,
    )
