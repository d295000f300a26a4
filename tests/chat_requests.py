"""Requests to the gateway as careful, careless and hostile callers send them, the same ones for the same seed."""

import json
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from tests.asgi_calls import Fields, Request

Change = Literal[
    "forget_memory", "exact_cache", "sharing", "first_person", "ttl", "price", "draining", "revoke", "tls"
]
CHANGES: tuple[Change, ...] = (
    "forget_memory", "forget_memory", "exact_cache", "sharing", "first_person", "ttl", "price", "draining",
    "revoke", "tls",
)  # fmt: skip

#: What a tenant's keys are called here; whoever sends a request puts the key in the place of `{role}`.
ROLES = (
    "owner", "colleague", "reader", "small", "large", "tiny", "few", "many", "revoked", "expired", "revocable",
    "nobody",
)  # fmt: skip
_ROLE_WEIGHTS = (50, 10, 2, 5, 4, 3, 3, 4, 1, 1, 3, 1)

_PROMPTS = (
    "What is the capital of France?",
    "The capital of France is what?",
    "What is the capital of Italy?",
    "Why is the sky blue?",
    "How many legs do 3 spiders have",
    "How many legs do 4 spiders have",
    "Which of all these many small animals can swim well in cold water",
    "Which of all these many small animals can not swim well in cold water",
    "What is the weather in Paris today?",
    "Who is the president now?",
    "My name is Ann Smith, write me a greeting",
    "Write to ann@example.com about my order",
    "How do I reset my password",
    "Hello there",
    "12 + 30",
    "Grüße aus München: was heißt \u201edanke\u201c?",
    "日本の首都はどこですか",
    "emoji \U0001f600 and a combining e\u0301",
    "Prove that there are infinitely many primes, then derive a bound on the gaps step by step and compare it"
    " with the prime number theorem; explain every assumption and implement a check in Python.",
    " ",
    "Say something [[fault:400]]",
)
_PROMPT_WEIGHTS = (12, 5, 5, 8, 4, 4, 2, 2, 3, 2, 3, 2, 3, 5, 4, 2, 2, 1, 3, 1, 1)

_GOOD_FIELDS: Mapping[str, tuple[Any, ...]] = {
    "temperature": (0, 0.0, 0.5, 1, 1.0, 1.2, 2, None),
    "top_p": (0.5, 1),
    "n": (1, 2, None),
    "max_tokens": (1, 3, 1000),
    "seed": (1, -5, 2**62),
    "stop": ("x", ["a", "b"], []),
    "presence_penalty": (0.5,),
    "frequency_penalty": (-0.5,),
    "user": ("ann", "eve"),
    "metadata": ({"team": "a"}, {"deep": [[[1]]]}, {}),
    "tags": (["web"], ["web", "forbidden"], ["forbidden"], []),
    "tools": ([{"type": "function", "function": {"name": "f"}}], []),
    "tool_choice": ("auto", {"type": "function"}),
    "response_format": ({"type": "json_object"}, {"type": "text"}),
    "stream": (False, True, True),
    "model": (
        "auto", "auto", "small-1", "large-1", "demo/small-1", "demo/large-1", "quick", "gpt-nothing",
        "demo/nothing", "other/small-1",
    ),
}  # fmt: skip
#: Of OpenAI's route alone; the last two are none that anybody knows, and one that is wrong.
_MORE_FIELDS: Mapping[str, tuple[Any, ...]] = {
    "stream_options": ({"include_usage": True}, {"include_usage": False}, {}, None),
    "max_completion_tokens": (3, 1000),
    "logprobs": (True, False),
    "parallel_tool_calls": (False,),
    "prompt_cache_key": ("p", "q"),
    "safety_identifier": ("s",),
    "service_tier": ("auto",),
    "functions": ([{"name": "f"}],),
    "made_up": (1, {"a": [1]}),
    "reasoning_effort": (7, "low"),
}
_WRONG_FIELDS: tuple[tuple[str, Any], ...] = (
    ("stream", "yes"),
    ("temperature", "hot"),
    ("temperature", 3),
    ("temperature", -1),
    ("temperature", True),
    ("n", 0),
    ("n", 1.5),
    ("max_tokens", 0),
    ("max_tokens", 10**30),
    ("max_tokens", 99_999_999),
    ("top_p", [1]),
    ("model", ""),
    ("model", 7),
    ("model", "m" * 121),
    ("user", ""),
    ("user", 5),
    ("tags", "web"),
    ("tags", [""]),
    ("tags", ["t"] * 17),
    ("metadata", "team"),
    ("tools", {}),
    ("prompt", ""),
    ("prompt", 7),
    ("prompt", None),
    ("messages", []),
    ("messages", [{"role": "user", "content": ""}]),
    ("messages", [{"role": "king", "content": "a"}]),
    ("messages", [{"role": "user", "content": "a", "colour": "red"}]),
    ("cache", "off"),
    ("cache", {"mode": "forever"}),
    ("cache", {"ttl": 0}),
    ("cache", {"ttl": -1}),
    ("cache", {"max_age": 1.5}),
    ("cache", {"tags": [7]}),
    ("cache", {"depth": 1}),
    ("base_url", "http://127.0.0.1/"),
    ("question", "b"),
    ("Prompt", "b"),
)
_BROKEN_BODIES: tuple[bytes, ...] = (
    b"",
    b"not json",
    b"[]",
    b"{}",
    b"null",
    b"7",
    b'"text"',
    b'{"prompt": "a"',
    b'{"prompt": "a"} {}',
    b"{'prompt': 'a'}",
    b'{"prompt": NaN}',
    b'{"prompt": "a", "temperature": Infinity}',
    b'{"prompt": "a", "temperature": 1e999}',
    b'{"prompt": "a", "seed": 123456789012345678901234567890}',
    b'{"prompt": "a", "seed": -9223372036854775809}',
    b'{"prompt": "a\\u0000b"}',
    b'{"prompt": "a", "metadata": {"\\u0000": 1}}',
    b'{"prompt": "\\ud800"}',
    b'{"prompt": "\\ud83d\\ude00"}',
    b'{"prompt": "\xff\xfe"}',
    b'\xef\xbb\xbf{"prompt": "a"}',
    b'{"prompt": "a", "prompt": "b"}',
    b'{"prompt": "a", "metadata": ' + b"[" * 70 + b"]" * 70 + b"}",
    b'{"prompt": "a", "metadata": {"a": ' + b"[" * 50 + b"]" * 50 + b"}}",
    b"[" * 100_000,
    b'{"prompt": "a", "metadata": {"a": [' + b"1," * 25_000 + b"1]}}",
    # Long, but in few tokens: the demo upstream bills long beginnings that it knows from another door as cached.
    b'{"prompt": "' + (b"w" * 99 + b" ") * 100 + b'"}',
    b'{"prompt": "' + b"w" * 40_000 + b'", "user": "ann"}',
)
_AUTHORIZATIONS: tuple[tuple[bytes, ...], ...] = (
    (b"bearer {key}",),
    (b"BEARER {key}",),
    (b"Bearer  {key}",),
    (b"Bearer   {key}  ",),
    (b"Bearer\t{key}",),
    (b"Bearer {key} {key}",),
    (b"Bearer {key}x",),
    (b"Bearer {key}\xe9",),
    (b"Bearer \xc3\xa9\xff",),
    (b"{key}",),
    (b"Basic {key}",),
    (b"Bearer",),
    (b"Bearer ",),
    (b"",),
    (),
    (b"Bearer {key}", b"Bearer {key}"),
    (b"Bearer {key}", b"Bearer hp_other"),
    (b"Bearer hp_aaaaaaaaaa_" + b"a" * 38,),
    (b"Bearer " + b"x" * 5000,),
)
_CONTENT_TYPES: tuple[tuple[bytes, ...], ...] = (
    (b"application/json; charset=utf-8",),
    (b"application/json;charset=latin-1",),
    (b"application/json; charset=no-such-thing",),
    (b"Application/JSON",),
    (b" application/json ",),
    (b"application/jsonp",),
    (b"text/plain",),
    (b"multipart/form-data; boundary=x",),
    (b"application/x-www-form-urlencoded",),
    (b"application/\xe9",),
    (b"",),
    (),
    (b"application/json", b"application/json"),
)
_ENCODINGS = (b"gzip", b"identity", b"", b"br")
_REQUEST_IDS = (b"mine-1", b"a" * 64, b"a" * 65, b'x"}{inject', b"caf\xe9", b"", b"two words")
_PROTOCOLS = (b"https", b"http", b"https, http", b"http, https", b"HTTPS", b" https ", b"")
_ODD_FIELDS: Fields = (
    (b"x_request_id", b"spoofed"),
    (b"content_encoding", b"gzip"),
    (b"x_forwarded_proto", b"https"),
    (b"accept", b"text/html"),
    (b"cookie", b"sessionid=1; csrftoken=2"),
    (b"origin", b"https://evil.example"),
    (b"x-http-method-override", b"GET"),
    (b"accept-language", b"de"),
    (b"range", b"bytes=0-10"),
    (b"if-none-match", b"*"),
    (b"expect", b"100-continue"),
    (b"accept-encoding", b"gzip"),
)


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A request of somebody; `{key}` in its fields stands for their key."""

    role: str
    request: Request

    def of(self, keys: Mapping[str, str]) -> Request:
        """Return the request with the key of this role put in."""
        key = keys[self.role].encode()
        fields = tuple((name, value.replace(b"{key}", key)) for name, value in self.request.fields)
        return Request(**{**vars(self.request), "fields": fields})


@dataclass
class Caller:
    """Makes one request or change after the other."""

    dice: random.Random
    changes: tuple[Change, ...] = CHANGES
    every: int = 30
    """How many steps lie between two changes, on average."""
    streams: bool = True
    """Whether answers are asked for as streams, too."""
    _made: int = field(default=0, init=False)
    _coming: list[Change] = field(default_factory=list, init=False)

    def steps(self, requests: int) -> Iterator[Asked | Change]:
        """Yield that many requests, with changes between them."""
        while self._made < requests:
            if self.changes and self.dice.random() < 1 / self.every:
                yield self._change()
            self._made += 1
            yield self._asked()

    def _change(self) -> Change:
        """Return each change once before any of them comes again."""
        if not self._coming:
            self._coming = self.dice.sample(self.changes, len(self.changes))
        return self._coming.pop()

    def _asked(self) -> Asked:
        kinds: tuple[tuple[float, Callable[[], Asked]], ...] = (
            (45, self._ordinary),
            (25, self._with_fields),
            (25, self._completing),
            (7, self._with_a_wrong_field),
            (5, self._broken),
            (6, self._oddly_signed),
            (7, self._oddly_wrapped),
            (2, self._elsewhere),
            (1, self._hanging_up),
            (1, self._purging),
            (0.6, self._too_large),
        )
        weights = [weight for weight, _ in kinds]
        return self.dice.choices([make for _, make in kinds], weights)[0]()

    def _ordinary(self) -> Asked:
        return self._of(self._json({"prompt": self._prompt()}))

    def _with_fields(self) -> Asked:
        return self._of(self._json(self._question()))

    def _completing(self) -> Asked:
        """Ask at OpenAI's route."""
        question: dict[str, Any] = {"prompt": self._prompt()}
        if self.dice.random() < 0.5:
            question = self._question()
        if self.streams and self.dice.random() < 0.5:
            question["stream"] = True
        prompt = question.pop("prompt", None)
        question.setdefault("messages", [{"role": "user", "content": prompt}])
        for name in self.dice.sample(list(_MORE_FIELDS), self.dice.choice((0, 0, 1, 2))):
            question[name] = self.dice.choice(_MORE_FIELDS[name])
        asked = self._of(self._json(question))
        path = "/v1/chat/completions"
        return Asked(role=asked.role, request=Request(**{**vars(asked.request), "path": path}))

    def _with_a_wrong_field(self) -> Asked:
        question = self._question() if self.dice.random() < 0.5 else {"prompt": self._prompt()}
        name, value = self.dice.choice(_WRONG_FIELDS)
        return self._of(self._json({**question, name: value}))

    def _broken(self) -> Asked:
        return self._of(self.dice.choice(_BROKEN_BODIES))

    def _oddly_signed(self) -> Asked:
        return self._of(self._body(), signed=self.dice.choice(_AUTHORIZATIONS))

    def _oddly_wrapped(self) -> Asked:
        kind = self.dice.choice(_CONTENT_TYPES) if self.dice.random() < 0.5 else (b"application/json",)
        more = [(b"content-encoding", self.dice.choice(_ENCODINGS))] if self.dice.random() < 0.3 else []
        more += self.dice.sample(_ODD_FIELDS, self.dice.randrange(3))
        if self.dice.random() < 0.2:
            more *= 2
        return self._of(
            self._body(), kind=kind, more=tuple(more), query=self.dice.choice((b"", b"a=b", b"\xff"))
        )

    def _elsewhere(self) -> Asked:
        asked = self._of(self._body())
        method = self.dice.choice(("GET", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD", "post", "POST"))
        path = self.dice.choice(
            ("/chat", "/chat", "/chat", "/chat/", "//chat", "/CHAT", "/chatt", "/v1/nothing")
        )
        return Asked(
            role=asked.role, request=Request(**{**vars(asked.request), "method": method, "path": path})
        )

    def _hanging_up(self) -> Asked:
        asked = self._of(self._body())
        return Asked(role=asked.role, request=Request(**{**vars(asked.request), "hangs_up": True}))

    def _purging(self) -> Asked:
        selection = self.dice.choice(({"all": True}, {"tag": "geo"}, {"tag": "misc"}, {"model": "small-1"}))
        body = self._json({**selection, "dry_run": self.dice.random() < 0.2})
        asked = self._of(body, role="owner")
        return Asked(
            role="owner", request=Request(**{**vars(asked.request), "method": "DELETE", "path": "/cache"})
        )

    def _too_large(self) -> Asked:
        if self.dice.random() < 0.5:
            return self._of(b"{}", more=((b"content-length", b"5000000"),))
        asked = self._of(b"")
        return Asked(
            role=asked.role, request=Request(**{**vars(asked.request), "pieces": (b"a" * 65_536,) * 80})
        )

    def _of(
        self,
        body: bytes,
        *,
        role: str | None = None,
        signed: tuple[bytes, ...] = (b"Bearer {key}",),
        kind: tuple[bytes, ...] = (b"application/json",),
        more: Fields = (),
        query: bytes = b"",
    ) -> Asked:
        fields = [(b"authorization", value) for value in signed]
        fields += [(b"content-type", value) for value in kind]
        if self.dice.random() < 0.2:
            fields.append((b"x-request-id", self.dice.choice(_REQUEST_IDS)))
        if self.dice.random() < 0.2:
            fields.append((b"x-forwarded-proto", self.dice.choice(_PROTOCOLS)))
        self.dice.shuffle(fields)
        return Asked(
            role=role or self.dice.choices(ROLES, _ROLE_WEIGHTS)[0],
            request=Request(
                query=query,
                scheme="https" if self.dice.random() < 0.2 else "http",
                fields=(*fields, *more),
                pieces=self._pieces(body),
            ),
        )

    def _pieces(self, body: bytes) -> tuple[bytes, ...]:
        if self.dice.random() < 0.8:
            return (body,)
        cuts = sorted(self.dice.randrange(len(body) + 1) for _ in range(self.dice.randrange(1, 4)))
        return tuple(body[start:end] for start, end in zip([0, *cuts], [*cuts, len(body)], strict=True))

    def _body(self) -> bytes:
        return (
            self._json({"prompt": self._prompt()})
            if self.dice.random() < 0.8
            else self._json(self._question())
        )

    def _question(self) -> dict[str, Any]:
        question = self._asking()
        for name in self.dice.sample(list(_GOOD_FIELDS), self.dice.choice((0, 1, 1, 1, 2, 3))):
            question[name] = self.dice.choice(_GOOD_FIELDS[name])
        if self.streams and self.dice.random() < 0.3:
            question["stream"] = True
        elif not self.streams:
            question.pop("stream", None)
        if self.dice.random() < 0.4:
            question["cache"] = self._cache()
        return question

    def _asking(self) -> dict[str, Any]:
        if self.dice.random() < 0.6:
            return {"prompt": self._prompt()}
        messages: list[dict[str, Any]] = []
        if self.dice.random() < 0.3:
            messages.append({"role": "system", "content": "Be short. Write to help@example.com if asked."})
        if self.dice.random() < 0.3:
            messages += [
                {"role": "user", "content": self._prompt()},
                {"role": "assistant", "content": "As I said."},
            ]
        messages.append({"role": "user", "content": self._content()})
        return {"messages": messages}

    def _content(self) -> Any:
        text = {"type": "text", "text": self._prompt()}
        image = {"type": "image_url", "image_url": {"url": "https://images.example/a.png"}}
        return self.dice.choice((text["text"], text["text"], [text], [text, text], [text, image]))

    def _cache(self) -> dict[str, Any]:
        cache: dict[str, Any] = {}
        if self.dice.random() < 0.8:
            cache["mode"] = self.dice.choice(("on", "off", "read_only", "refresh"))
        if self.dice.random() < 0.3:
            cache["ttl"] = self.dice.choice((3600, 31_536_000))
        if self.dice.random() < 0.3:
            cache["max_age"] = self.dice.choice((0, 3600))
        if self.dice.random() < 0.4:
            cache["tags"] = self.dice.choice((["geo"], ["misc"], ["geo", "misc"], []))
        return cache

    def _prompt(self) -> str:
        prompt = self.dice.choices(_PROMPTS, _PROMPT_WEIGHTS)[0]
        return prompt if self.dice.random() < 0.93 else f"{prompt} {self.dice.randrange(1000)}"

    def _json(self, value: Any) -> bytes:
        ascii_only, separators = self.dice.choice(
            ((False, (",", ":")), (False, (",", ":")), (True, (", ", ": ")))
        )
        return json.dumps(value, ensure_ascii=ascii_only, separators=separators).encode()
