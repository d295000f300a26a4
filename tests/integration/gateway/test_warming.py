"""Caches that are filled ahead of the callers: what is asked, what isn't, what it costs, what is recorded."""

import json
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import redis
from asgiref.sync import sync_to_async
from django.core.management import CommandError, call_command
from django.db import transaction
from django.utils import timezone

from caching.models import CacheEntry
from gateway.admission import Admission, Arrival, identify
from gateway.failures import FailureKind, UpstreamFailure
from gateway.past_questions import find_past, rebuilt
from gateway.testing import ScriptedUpstream
from gateway.warming import BadLine, Bounds, Progress, Wanted, Warmer, read_wanted
from routing.seeding import seed_demo
from tenants.models import ApiKey
from tenants.services import key_issue, tenant_create
from tests.demo_upstream import Demo
from tests.gateway_house import House
from tests.integration.analytics.storing import store

CAPITALS = [f"What is the capital of {country}?" for country in ("France", "Italy", "Japan", "Spain")]
FAST = Bounds(per_second=1000.0)


def wanted(*rows: Any) -> list[Wanted]:
    bodies = [{"prompt": row} if isinstance(row, str) else row for row in rows]
    return list(read_wanted(json.dumps(body).encode() for body in bodies))


async def warmer(house: House, bounds: Bounds = FAST, **options: Any) -> Warmer:
    found = await identify(Arrival.now(), f"Bearer {house.alice}", house.parts.callers)
    assert isinstance(found, Admission)
    return Warmer(found.caller, house.parts, bounds, **options)


async def test_questions_are_asked_once_and_then_answered_from_the_caches(house: House) -> None:
    first = await (await warmer(house)).run(wanted(*CAPITALS))
    assert (first.endings["asked"], first.cost_nano > 0, house.demo.calls()) == (4, True, 4)
    assert [await house.status(house.alice, each) for each in CAPITALS] == ["hit_exact"] * 4
    again = await (await warmer(house)).run(wanted(*CAPITALS))
    assert (again.endings["kept"], again.cost_nano, house.demo.calls()) == (4, 0, 4)
    assert await CacheEntry.objects.filter(tenant=house.tenant).acount() == 4


async def test_calls_are_recorded_with_their_purpose_and_hits_are_not(house: House) -> None:
    await (await warmer(house)).run(wanted(*CAPITALS[:2], CAPITALS[0]))
    assert {each.purpose for each in house.records} == {"warm"}
    assert sum(each.cost_nano > 0 for each in house.records) == 2


async def test_a_given_answer_is_kept_and_nobody_is_asked(house: House) -> None:
    rows = [{"prompt": CAPITALS[0], "answer": "Paris, of course.", "cache": {"tags": ["faq"]}}]
    progress = await (await warmer(house)).run(wanted(*rows))
    assert (progress.endings["given"], progress.cost_nano, house.demo.calls()) == (1, 0, 0)
    answer = await house.ask(house.alice, CAPITALS[0])
    assert (answer["answer"], answer["cache"]["status"]) == ("Paris, of course.", "hit_exact")
    assert float(answer["cost"]["saved_usd"]) > 0
    assert (await CacheEntry.objects.aget(tenant=house.tenant)).tags == ["faq"]


async def test_what_the_caches_would_not_keep_is_not_asked(house: House) -> None:
    rows = [
        "What is the weather in Rome right now?",
        {"prompt": CAPITALS[0], "n": 2},
        {"prompt": CAPITALS[1], "cache": {"mode": "read_only"}},
        {"prompt": "My e-mail is ann@example.com: is it valid?"},
        {"prompt": CAPITALS[2], "model": "no-such-model"},
    ]
    progress = await (await warmer(house)).run(wanted(*rows))
    assert (progress.endings["not_kept"], progress.endings["refused"], house.demo.calls()) == (4, 1, 0)
    assert progress.reasons["model_not_found"] == 1


async def test_an_estimate_asks_nothing_and_tells_the_cost_about_right(house: House) -> None:
    rows = wanted(*CAPITALS)
    bounds = Bounds(per_second=1000.0, answer_tokens=7)
    estimated = await (await warmer(house, bounds)).estimate(rows)
    assert (estimated.endings["asked"], house.demo.calls(), house.records) == (4, 0, [])
    done = await (await warmer(house, bounds)).run(rows)
    assert 0.5 < estimated.cost_nano / done.cost_nano < 2
    assert (await (await warmer(house)).estimate(rows)).endings["kept"] == 4


async def test_no_more_is_asked_than_the_budget_holds(house: House) -> None:
    one = await (await warmer(house)).run(wanted(CAPITALS[0]))
    bounds = Bounds(per_second=1000.0, max_nano=2 * one.cost_nano, answer_tokens=7)
    progress = await (await warmer(house, bounds)).run(wanted(*CAPITALS[1:]))
    assert progress.stopped == "budget"
    assert progress.cost_nano <= 2.5 * one.cost_nano
    assert progress.done < 3
    rest = await (await warmer(house)).run(wanted(*CAPITALS[1:]))
    assert rest.endings["asked"] + progress.endings["asked"] == 3


async def test_it_ends_when_upstream_fails_again_and_again(house: House) -> None:
    failure = UpstreamFailure(FailureKind.REFUSED_REQUEST, status=400)
    real, house.parts.upstream = house.parts.upstream, ScriptedUpstream(*[failure] * 50)  # type: ignore[assignment]
    rows = wanted(*(f"What is {number} and {number}?" for number in range(40)))
    progress = await (await warmer(house)).run(rows)
    house.parts.upstream = real
    assert progress.stopped == "upstream"
    assert 10 <= progress.endings["failed"] < 20


async def test_progress_is_told_after_each_question(house: House) -> None:
    told: list[int] = []

    def tell(progress: Progress) -> None:
        told.append(progress.done)

    await (await warmer(house, on_progress=tell)).run(wanted(*CAPITALS))
    assert told == [1, 2, 3, 4]


async def test_questions_on_record_are_asked_anew_if_they_can_be_rebuilt_whole(house: House) -> None:
    await house.ask(house.alice, CAPITALS[0], cache={"tags": ["geo"]})
    first = await CacheEntry.objects.aget(tenant=house.tenant)
    await house.ask(house.alice, CAPITALS[1], temperature=0.2)
    await house.ask(house.alice, CAPITALS[2])
    for prompt, fields in ((CAPITALS[0], {}), (CAPITALS[1], {"temperature": 0.2})):
        assert await house.status(house.alice, prompt, **fields) == "hit_exact"
    await sync_to_async(store)(house.records)
    now = timezone.now()
    key = house.records[0].key_public_id
    find: Callable[..., Any] = sync_to_async(find_past)
    assert await find(house.tenant.pk, key, now, now + timedelta(hours=1)) == ([], {})
    entries, calls = await find(house.tenant.pk, key, now, now + timedelta(days=30))
    assert {each.question for each in entries} == set(CAPITALS[:2])
    run = await warmer(house)
    questions = rebuilt(entries, calls, run.plan)
    assert [each.request.prompt for each in questions] == [CAPITALS[0]]
    before = house.demo.calls()
    assert (await run.run(questions)).endings["asked"] == 1
    assert house.demo.calls() == before + 1
    renewed = await CacheEntry.objects.aget(tenant=house.tenant, question=CAPITALS[0])
    assert renewed.id != first.id
    assert (renewed.tags, renewed.saved_nano > 0) == (["geo"], True)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"{", "not valid JSON"),
        (b"[1]", "must be an object"),
        (b'{"prompt": "a", "answer": 3}', "answer must be a text"),
        (b'{"prompt": "a", "nope": 3}', "Extra inputs"),
        (b"{}", "either prompt or messages"),
    ],
)
def test_a_line_that_is_no_question_is_named(line: bytes, why: str) -> None:
    with pytest.raises(BadLine, match="line 3: ") as raised:
        list(read_wanted([b'{"prompt": "a"}', b"", line]))
    assert why in str(raised.value)


@pytest.fixture
def key(demo: Demo, transactional_db: None, cache_redis: "redis.Redis", state_redis: "redis.Redis") -> ApiKey:
    with transaction.atomic():
        seed_demo(demo.base_url)
        tenant = tenant_create("initech")
        return key_issue(tenant, label="alice").row


def command(key: ApiKey, *arguments: str) -> dict[str, Any]:
    out = StringIO()
    call_command(
        "cache_warm", *arguments, "--tenant", "initech", "--key", key.public_id, "--json",
        stdout=out, stderr=StringIO(),
    )  # fmt: skip
    return dict(json.loads(out.getvalue()))


def test_the_command_tells_before_what_a_file_would_cost(key: ApiKey, demo: Demo, tmp_path: Path) -> None:
    file = tmp_path / "questions.jsonl"
    file.write_text("".join(json.dumps({"prompt": each}) + "\n" for each in CAPITALS))
    shown = command(key, str(file), "--dry-run")
    assert (shown["questions"], shown["asked"], shown["left"]) == (4, 4, 0)
    assert (float(shown["cost_usd"]) > 0, shown["dry_run"], demo.calls()) == (True, True, 0)


def test_the_command_with_nothing_on_record_asks_nothing(key: ApiKey, demo: Demo) -> None:
    shown = command(key, "--from-records")
    assert (shown["questions"], shown["not_rebuilt"], demo.calls()) == (0, 0, 0)


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ([], "either a file or --from-records"),
        (["no-such-file"], "can't be read"),
        (["--from-records", "--rate", "0"], "must be above 0"),
        (["--from-records", "--max-usd", "much"], "must be an amount"),
    ],
)
def test_the_command_says_what_it_cannot_take(key: ApiKey, arguments: list[str], why: str) -> None:
    with pytest.raises(CommandError, match=why):
        command(key, *arguments)


def test_the_command_knows_no_other_tenants_key(key: ApiKey) -> None:
    with transaction.atomic():
        other = key_issue(tenant_create("hooli"), label="charlie").row
    with pytest.raises(CommandError, match="has no key"):
        command(other, "--from-records")
