"""The edge and the Ninja door give the same answers: generated requests go through both, and are compared.

Each door has a tenant of its own with the same set-up, so that neither warms a cache or uses up a limit for the
other. Compared are status, body and header fields, and the record that each leaves, less what cannot be the same:
ids, times, and what is left of a limit. An entry's id must belong to the same earlier answer at both doors.

HALFPENNY_DIFFERENTIAL_REQUESTS and HALFPENNY_DIFFERENTIAL_SEED ask for more requests, and for others.
"""

import json
import os
import random
import re
import zlib
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from typing import Any, cast
from uuid import uuid4

import numpy as np
import pytest
import redis
from asgiref.sync import sync_to_async
from asgiref.typing import ASGI3Application
from django.utils import timezone
from pytest_django import Settings

from analytics.record import CallRecord
from caching.memory import AnswerMemory
from caching.models import CachePolicy
from caching.vectors import Vector, vector_of
from gateway import errors
from gateway.inbound import InboundGuard
from gateway.lean import LeanHandler
from routing.models import Model, ModelPrice, RoutingRule
from tenants.key_format import make_key
from tenants.models import Scope, Tenant
from tenants.services import key_issue, key_revoke, tenant_create
from tests.asgi_calls import Application, Reply, send
from tests.chat_requests import CHANGES, Asked, Caller, Change
from tests.demo_upstream import Demo
from tests.gateway_house import House, WordEmbedder, open_house
from tests.sse import events

_REQUESTS = int(os.environ.get("HALFPENNY_DIFFERENTIAL_REQUESTS", "1500"))
_SEED = int(os.environ.get("HALFPENNY_DIFFERENTIAL_SEED", "5"))
#: The full stack hands each request to threads several times, so fewer go through it.
_THROUGH_THE_FULL_STACK = max(200, _REQUESTS // 10)

#: What Django's full stack adds for pages, and what it leaves out of refusals that never reach the API.
_OF_PAGES = {
    "content-length", "x-content-type-options",
    "content-security-policy", "cross-origin-opener-policy", "referrer-policy", "set-cookie", "vary",
    "x-frame-options",
}  # fmt: skip


class EachItsOwn(WordEmbedder):
    """Gives no two texts the same vector: between neighbours that are equally near, Postgres may choose."""

    async def embed(self, tenant_id: int, text: str) -> Vector:
        values = np.array((await super().embed(tenant_id, text)).values)
        values[383] = 0.05 + zlib.crc32(text.encode()) / 2**34
        return vector_of("all-MiniLM-L6-v2", values / np.linalg.norm(values))


@pytest.fixture
async def house(
    demo: Demo, transactional_db: None, cache_redis: "redis.Redis", state_redis: "redis.Redis"
) -> AsyncIterator[House]:
    async with open_house(demo, EachItsOwn()) as opened:
        yield opened


@dataclass
class Door:
    """One way in, and the tenant who comes in by it."""

    name: str
    application: Application
    tenant: Tenant
    keys: dict[str, str]
    public_ids: dict[str, str]
    entries: dict[str, str] = field(default_factory=dict)
    """What the entries are called that it has told of: by the order in which they came up."""

    def role_of(self, public_id: str) -> str:
        return self.public_ids[public_id]

    def called(self, entry: object) -> str | None:
        return None if entry is None else self.entries.setdefault(str(entry), f"entry {len(self.entries)}")


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What a request came to, as far as it is the same at every door."""

    status: int | None
    body: object
    fields: list[tuple[str, str]]
    records: list[dict[str, Any]]


def open_door(name: str, application: Application) -> Door:
    tenant = tenant_create(f"{name}-{uuid4().hex[:8]}")
    RoutingRule.objects.create(tenant=tenant, name="no-forbidden", tags=["forbidden"], action="deny")
    RoutingRule.objects.create(
        tenant=tenant, name="no-large", model_asked="large-1", tags=["web"], action="deny"
    )
    door = Door(name, application, tenant, {}, {})
    past = timezone.now() - timedelta(days=1)
    roles: dict[str, dict[str, Any]] = {
        "owner": {"scopes": Scope.values},
        "colleague": {},
        "reader": {"scopes": ["stats"], "requests_per_day": 30},
        "small": {"models": ["small-1", "quick"]},
        "large": {"models": ["demo/large-1"]},
        "tiny": {"requests_per_day": 8},
        "few": {"requests_per_day": 40},
        "many": {"requests_per_minute": 500_000, "requests_per_day": 5_000_000},
        "revoked": {},
        "expired": {"expires_at": past},
        "revocable": {},
    }
    for role, options in roles.items():
        issue(door, role, **options)
    key_revoke(next(public for public, role in door.public_ids.items() if role == "revoked"))
    door.keys["nobody"] = make_key().plaintext
    return door


def issue(door: Door, role: str, **options: Any) -> None:
    issued = key_issue(door.tenant, label=role, **options)
    door.keys[role] = issued.plaintext
    door.public_ids[issued.row.public_id] = role


@dataclass
class Doors:
    """The doors that are compared, and what goes on behind all of them at once."""

    house: House
    settings: Settings
    dice: random.Random
    every: tuple[Door, ...]
    tally: Counter[str] = field(default_factory=Counter)
    _turn: int = 0

    async def ask(self, asked: Asked) -> list[Seen]:
        """Send one request through each door; they take turns at being the first."""
        self._turn += 1
        order = self.every if self._turn % 2 else tuple(reversed(self.every))
        seen = {door.name: await self._through(door, asked) for door in order}
        return [seen[door.name] for door in self.every]

    async def _through(self, door: Door, asked: Asked) -> Seen:
        before = len(self.house.records)
        reply = await send(door.application, asked.of(door.keys))
        await self.house.parts.storer.drain()
        # What goes on behind the calls (audits, refreshes) ends whenever it ends.
        records = [each for each in self.house.records[before:] if each.purpose == "request"]
        if door is self.every[0]:
            self.tally.update(kinds_of(reply, records))
        return Seen(
            status=reply.status if reply else None,
            body=body_of(reply, door) if reply else None,
            fields=fields_of(reply) if reply else [],
            records=[columns_of(record, door) for record in records],
        )

    async def change(self, change: Change) -> None:
        self.tally[change] += 1
        parts = self.house.parts
        # Either refuses nearly every request: no longer than until the next change.
        self.settings.SECURE_SSL_REDIRECT = parts.draining = False
        if change == "forget_memory":
            parts.memory = AnswerMemory(1 << 20, ttl_s=60)
        elif change == "draining":
            parts.draining = True
        elif change == "tls":
            self._change_tls()
        else:
            await sync_to_async(self._change_rows)(change)
            await parts.policies.refresh()

    def _change_tls(self) -> None:
        self.settings.SECURE_SSL_REDIRECT = self.dice.random() < 0.6
        self.settings.SECURE_HSTS_SECONDS = self.dice.choice((0, 31_536_000))
        self.settings.SECURE_PROXY_SSL_HEADER = self.dice.choice((None, ("HTTP_X_FORWARDED_PROTO", "https")))

    def _change_rows(self, change: Change) -> None:
        if change == "price":
            ModelPrice.objects.create(
                model=Model.objects.get(name="small-1"),
                effective_from=timezone.now() - timedelta(days=self.dice.random()),
                input_usd=self.dice.randrange(1, 9),
                output_usd=self.dice.randrange(1, 9),
            )
        elif change == "revoke":
            for door in self.every:
                key_revoke(next(reversed([p for p, role in door.public_ids.items() if role == "revocable"])))
                issue(door, "revocable")
        else:
            self._change_policies(change)

    def _change_policies(self, change: Change) -> None:
        name, value = {
            "exact_cache": ("exact_enabled", self.dice.random() < 0.7),
            "sharing": ("sharing", self.dice.choice(("key", "tenant", "user"))),
            "first_person": ("personal", self.dice.choice(("details", "first_person"))),
            "ttl": ("ttl_seconds", self.dice.choice((3600, 86_400))),
        }[change]
        for door in self.every:
            policy = CachePolicy.objects.get(tenant=door.tenant)
            setattr(policy, name, value)
            policy.save()


def body_of(reply: Reply, door: Door) -> object:
    """Return the body with its members in order, less ids and times."""
    match reply.values("content-type"):
        case [b"application/json"]:
            return json.dumps(_timeless_body(json.loads(reply.body), reply, door))
        case [b"text/event-stream; charset=utf-8"]:
            *said, end = events(reply.body)
            return [json.dumps(_timeless_body(each, reply, door)) for each in said] + [json.dumps(end)]
        case _:
            return reply.body


def _timeless_body(body: Any, reply: Reply, door: Door) -> Any:
    if isinstance(body, dict) and "timings_ms" in body:
        assert set(body["timings_ms"]) == {"total", "upstream"}
        assert body["cache"]["age_s"] is None or 0 <= body["cache"]["age_s"] < 600
        assert body.pop("id").encode() in reply.values("x-request-id")
        body["timings_ms"] = body["cache"]["age_s"] = None
        body["cache"]["entry"] = door.called(body["cache"]["entry"])
    if isinstance(body, dict) and str(body.get("object", "")).startswith("chat.completion"):
        assert body["id"].removeprefix("chatcmpl-").encode() in reply.values("x-request-id")[0]
        body["id"] = body["created"] = None
    return body


def fields_of(reply: Reply) -> list[tuple[str, str]]:
    """Return the header fields, sorted, less ids, times, and what is left of limits."""
    assert reply.values("content-length") in ([], [b"%d" % len(reply.body)])
    return sorted((name.decode(), _timeless(name, value.decode())) for name, value in reply.fields)


_PASSING: dict[bytes, Callable[[str], str]] = {
    b"content-length": lambda value: "as long as the body",
    b"x-request-id": lambda value: re.sub(r"\w", "x", value),
    b"server-timing": lambda value: re.sub(r"[\d.]+", "0", value),
    b"cache-status": lambda value: re.sub(r"ttl=\d+", "ttl", value),
    b"ratelimit": lambda value: re.sub(r";r=\d+;t=\d+", "", value),
    b"x-ratelimit-remaining-requests": lambda value: re.sub(r"\d+", "0", value),
    b"x-ratelimit-reset-requests": lambda value: re.sub(r"\d+", "0", value),
    b"retry-after": lambda value: re.sub(r"\d+", "0", value),
}


def _timeless(name: bytes, value: str) -> str:
    return _PASSING[name](value) if name in _PASSING else value


def columns_of(record: CallRecord, door: Door) -> dict[str, Any]:
    """Return the record's columns less ids and times; whose key it was is told by its role."""
    columns = asdict(record)
    for name in (
        "id",
        "tenant_id",
        "started_at",
        "total_ms",
        "upstream_ms",
        "first_token_ms",
        "policy_version",
    ):
        columns.pop(name)
    columns["key_public_id"] = door.role_of(record.key_public_id)
    columns["entry_id"] = door.called(record.entry_id)
    for attempt in columns["attempts"]:
        attempt["ms"] = None
    for candidate in columns["decision"].get("candidates", ()):
        candidate["entry"] = door.called(candidate["entry"])
    return columns


def kinds_of(reply: Reply | None, records: list[CallRecord]) -> list[str]:
    """Say what became of a request, to know whether the generator met everything."""
    if reply is None:
        return ["no answer"]
    ways = [record.cache_status for record in records if record.cache_status]
    streamed = [f"streamed {record.cache_status}" for record in records if record.stream]
    return [str(reply.status), *ways, *streamed]


@contextmanager
def counted_inside(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], int]]:
    """Count the requests that come to the Ninja door."""
    calls = 0
    inside = LeanHandler.__call__

    async def call(self: LeanHandler, *asgi: Any) -> None:
        nonlocal calls
        calls += 1
        await inside(self, *asgi)

    with monkeypatch.context() as patched:
        patched.setattr(LeanHandler, "__call__", call)
        yield lambda: calls


async def compared(
    doors: Doors, requests: int, changes: tuple[Change, ...] = CHANGES, *, streams: bool = True
) -> None:
    """Send that many requests through all doors and compare what they came to."""
    caller = Caller(doors.dice, changes, streams=streams)
    for number, step in enumerate(caller.steps(requests)):
        if isinstance(step, str):
            await doors.change(step)
            continue
        first, *others = await doors.ask(step)
        for door, other in zip(doors.every[1:], others, strict=True):
            if door.name == "full" and not step.request.query.isascii():
                # Django refuses it ahead of all middleware, with an empty body.
                assert (first.status, other.status) == (400, 400)
                continue
            at = f"step {number} of seed {_SEED}, {door.name}: {step}"
            assert (first.status, first.body, first.records) == (other.status, other.body, other.records), at
            assert fields_at(door, first) == fields_at(door, other), at


def fields_at(door: Door, seen: Seen) -> list[tuple[str, str]]:
    """Return the header fields by which a door is compared."""
    return [field for field in seen.fields if door.name != "full" or field[0] not in _OF_PAGES]


async def doors_of(house: House, settings: Settings, **applications: Application) -> Doors:
    def opened() -> tuple[Door, ...]:
        Model.objects.filter(name="small-1").update(aliases=["quick"])
        Model.objects.get(name="small-1").save()
        return tuple(open_door(name, application) for name, application in applications.items())

    every = await sync_to_async(opened)()
    await house.parts.policies.refresh()
    return Doors(house, settings, random.Random(_SEED), every)


async def test_the_edge_answers_like_the_ninja_door_alone(
    house: House, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    from config.asgi import application, behind_the_edge  # noqa: PLC0415 (Django is set up by then)

    doors = await doors_of(house, settings, edge=application, ninja=InboundGuard(behind_the_edge))
    with counted_inside(monkeypatch) as inside:
        await compared(doors, _REQUESTS)
    assert_everything_was_met(doors)
    answered_at_the_edge = 2 * _REQUESTS - inside()
    assert answered_at_the_edge > _REQUESTS / 6


async def test_the_edge_answers_like_the_full_stack(house: House, settings: Settings) -> None:
    from config.asgi import application, django_application  # noqa: PLC0415 (Django is set up by then)

    doors = await doors_of(
        house, settings, edge=application, full=InboundGuard(cast(ASGI3Application, django_application))
    )
    without_tls = tuple(change for change in CHANGES if change != "tls")
    # Streams never come that way: what sends them is the lean handler.
    await compared(doors, _THROUGH_THE_FULL_STACK, without_tls, streams=False)
    assert doors.tally["hit_exact"] > _THROUGH_THE_FULL_STACK / 10


def assert_everything_was_met(doors: Doors) -> None:
    """A generator that stops meeting a kind of ending would compare less than it says."""
    statuses = {200, 400, 401, 403, 404, 405, 413, 415, 422, 429, errors.DRAINING.status}
    ways = {"hit_exact", "hit_semantic", "miss", "bypass", "refresh"}
    streamed = {f"streamed {way}" for way in ("hit_exact", "miss", "bypass")}
    wanted = {str(status) for status in statuses} | ways | streamed | {"no answer"} | set(CHANGES)
    assert wanted <= set(doors.tally), doors.tally
