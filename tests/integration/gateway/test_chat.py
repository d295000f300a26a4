"""`POST /chat` from the socket's side to the record."""

import pytest

from gateway.request_id import parse
from routing.models import RoutingRule
from tests.gateway_house import House

CAPITAL = "What is the capital of France?"
REPHRASED = "The capital of France is what?"


async def test_a_question_is_answered_by_the_upstream(house: House) -> None:
    answer = await house.ask(house.alice, CAPITAL)
    assert answer["answer"] == "The capital of France is Paris."
    assert answer["cache"] == {
        "status": "miss",
        "reason": "no_neighbour",
        "similarity": None,
        "age_s": None,
        "entry": None,
    }
    assert (answer["provider"], answer["model"], answer["route"]["rule"]) == (
        "demo",
        "small-1",
        "default-simple",
    )
    assert house.demo.calls() == 1


async def test_the_same_question_is_answered_from_redis(house: House) -> None:
    first = await house.ask(house.alice, CAPITAL)
    second = await house.ask(house.alice, CAPITAL)
    assert second["cache"]["status"] == "hit_exact"
    assert second["answer"] == first["answer"]
    assert second["usage"] == first["usage"]
    assert house.demo.calls() == 1


async def test_a_hit_costs_nothing_and_saves_what_the_first_call_cost(house: House) -> None:
    first = await house.ask(house.alice, CAPITAL)
    second = await house.ask(house.alice, CAPITAL)
    assert first["cost"]["saved_usd"] == "0.000000000"
    assert second["cost"] == {"usd": "0.000000000", "saved_usd": first["cost"]["usd"]}
    assert first["cost"]["usd"] > "0.000000000"


async def test_the_question_in_other_words_is_answered_from_postgres(house: House) -> None:
    first = await house.ask(house.alice, CAPITAL)
    second = await house.ask(house.alice, REPHRASED)
    assert second["cache"]["status"] == "hit_semantic"
    assert second["cache"]["similarity"] == pytest.approx(1.0, abs=0.001)
    assert second["answer"] == first["answer"]
    assert house.demo.calls() == 1


async def test_a_semantic_hit_is_an_exact_one_the_next_time(house: House) -> None:
    first = await house.ask(house.alice, CAPITAL)
    second = await house.ask(house.alice, REPHRASED)
    third = await house.ask(house.alice, REPHRASED)
    assert third["cache"]["status"] == "hit_exact"
    assert second["cache"]["entry"] == third["cache"]["entry"]
    assert first["cache"]["entry"] is None


async def test_another_tenant_asks_upstream(house: House) -> None:
    await house.ask(house.alice, CAPITAL)
    assert await house.status(house.charlie, CAPITAL) == "miss"
    assert await house.status(house.charlie, REPHRASED) == "hit_semantic"
    assert house.demo.calls() == 2


async def test_another_key_of_the_tenant_asks_upstream_by_default(house: House) -> None:
    await house.ask(house.alice, CAPITAL)
    assert await house.status(house.bob, CAPITAL) == "miss"


async def test_a_changed_number_is_another_question(house: House) -> None:
    await house.ask(house.alice, "How many legs do 3 spiders have")
    assert await house.status(house.alice, "How many legs do 4 spiders have") == "miss"


async def test_a_negation_is_another_question(house: House) -> None:
    await house.ask(house.alice, "Which of all these many small animals can swim well in cold water")
    answer = await house.ask(
        house.alice, "Which of all these many small animals can not swim well in cold water"
    )
    assert (answer["cache"]["status"], answer["cache"]["reason"]) == ("miss", "polarity")


@pytest.mark.parametrize(
    ("mode", "first", "second", "calls"),
    [
        ("off", "bypass", "bypass", 2),
        ("read_only", "miss", "miss", 2),
        ("refresh", "refresh", "refresh", 2),
        ("on", "miss", "hit_exact", 1),
    ],
)
async def test_the_callers_mode_is_honoured(
    house: House, mode: str, first: str, second: str, calls: int
) -> None:
    statuses = [await house.status(house.alice, CAPITAL, cache={"mode": mode}) for _ in range(2)]
    assert statuses == [first, second]
    assert house.demo.calls() == calls


async def test_a_refreshed_answer_serves_the_next_call(house: House) -> None:
    await house.ask(house.alice, CAPITAL, cache={"mode": "refresh"})
    assert await house.status(house.alice, CAPITAL) == "hit_exact"


async def test_an_answer_older_than_max_age_is_not_accepted(house: House) -> None:
    await house.ask(house.alice, CAPITAL)
    assert await house.status(house.alice, CAPITAL, cache={"max_age": 0}) == "miss"
    assert await house.status(house.alice, CAPITAL, cache={"max_age": 60}) == "hit_exact"


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools"),
        ({"temperature": 1.5}, "high_temperature"),
        ({"n": 2}, "several_answers"),
    ],
)
async def test_what_cannot_be_reused_bypasses_the_caches(
    house: House, fields: dict[str, object], reason: str
) -> None:
    answer = await house.ask(house.alice, CAPITAL, **fields)
    assert (answer["cache"]["status"], answer["cache"]["reason"]) == ("bypass", reason)


async def test_a_question_about_now_bypasses_the_caches(house: House) -> None:
    for _ in range(2):
        answer = await house.ask(house.alice, "What is the weather in Paris today?")
        assert (answer["cache"]["status"], answer["cache"]["reason"]) == ("bypass", "time_sensitive")


async def test_personal_details_are_kept_for_one_user_only(house: House) -> None:
    prompt = "My name is Ann Smith, write me a greeting"
    assert await house.status(house.alice, prompt) == "bypass"
    assert await house.status(house.alice, prompt, user="ann") == "miss"
    assert await house.status(house.alice, prompt, user="eve") == "miss"
    assert await house.status(house.alice, prompt, user="ann") == "hit_exact"


async def test_an_address_in_the_instructions_is_nobodys_detail(house: House) -> None:
    system = {"role": "system", "content": "You answer for Initech. Support: help@initech.example"}
    body = {"messages": [system, {"role": "user", "content": CAPITAL}]}
    response = await house.post(house.alice, body)
    assert response.json()["cache"]["status"] == "miss"


async def test_each_part_of_the_scope_keeps_answers_apart(house: House) -> None:
    question = {"role": "user", "content": CAPITAL}
    bodies = [
        {"messages": [question]},
        {"messages": [{"role": "system", "content": "Be brief."}, question]},
        {"messages": [{"role": "system", "content": "Be kind."}, question]},
        {"messages": [question], "max_tokens": 50},
        {"messages": [question], "model": "demo/large-1"},
    ]
    for body in bodies:
        response = await house.post(house.alice, body)
        assert response.json()["cache"]["status"] == "miss"
        await house.parts.storer.drain()


async def test_a_hard_prompt_goes_to_the_strong_model(house: House) -> None:
    prompt = (
        "Design and implement a distributed rate limiter in Python, step by step. Prove that it never admits "
        "more than the limit, analyse its failure modes, and compare the trade-offs of three algorithms."
    )
    answer = await house.ask(house.alice, prompt)
    assert (answer["model"], answer["route"]["rule"]) == ("large-1", "default-complex")


async def test_an_explicit_model_is_used_and_no_other(house: House) -> None:
    answer = await house.ask(house.alice, CAPITAL, model="large-1")
    assert (answer["model"], answer["route"]["rule"]) == ("large-1", "explicit")


async def test_an_unknown_model_is_a_404_with_its_parameter(house: House) -> None:
    response = await house.post(house.alice, {"prompt": CAPITAL, "model": "gpt-nothing"})
    assert response.status_code == 404
    assert response.json()["error"]["param"] == "model"


async def test_a_rule_can_deny(house: House) -> None:
    await RoutingRule.objects.acreate(
        tenant=house.tenant, name="no-large", model_asked="large-1", action="deny", priority=1
    )
    await house.parts.policies.refresh()
    response = await house.post(house.alice, {"prompt": CAPITAL, "model": "large-1"})
    assert (response.status_code, response.json()["error"]["code"]) == (403, "denied_by_rule")
    assert house.demo.calls() == 0


async def test_every_answer_has_its_headers(house: House) -> None:
    response = await house.post(house.alice, {"prompt": CAPITAL})
    assert parse(response.headers["x-request-id"]) is not None
    assert response.headers["x-request-id"] == response.json()["id"]
    assert response.headers["x-gateway-cache"] == "miss"
    for name in (
        "Cache-Status",
        "Server-Timing",
        "RateLimit",
        "RateLimit-Policy",
        "x-ratelimit-limit-requests",
    ):
        assert name in response.headers


async def test_every_ended_call_is_recorded_once(house: House) -> None:
    await house.ask(house.alice, CAPITAL)
    await house.ask(house.alice, CAPITAL)
    await house.post(house.alice, {"prompt": ""})
    await house.post(None, {"prompt": CAPITAL})
    assert [(record.status, record.cache_status) for record in house.records] == [
        (200, "miss"),
        (200, "hit_exact"),
        (422, ""),
    ]


async def test_the_record_holds_no_text(house: House) -> None:
    await house.ask(house.alice, "Tell me about the canary-7f3a bird")
    assert "canary" not in repr(house.records)
