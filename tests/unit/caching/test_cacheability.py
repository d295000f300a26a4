from dataclasses import replace
from typing import Any

import pytest

from caching.cacheability import MAX_QUESTION_CHARACTERS, RequestFacts, judge
from tests.caching_values import rules

RULES = rules(max_ttl_seconds=60)


def facts(question: str = "Why is the sky blue?", **changes: Any) -> RequestFacts:
    plain = RequestFacts(
        texts=(question,),
        question=question,
        turns=1,
        has_tools=False,
        has_images=False,
        has_more=False,
        temperature=None,
        answers=1,
        key_public_id="alpha",
        user=None,
    )
    return replace(plain, **changes)


def test_an_ordinary_question_may_use_both_caches_of_its_key() -> None:
    judged = judge(facts(), RULES)
    assert (judged.cacheable, judged.semantic, judged.owner, judged.reason) == (True, True, "key:alpha", None)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"has_tools": True}, "tools"),
        ({"has_images": True}, "images"),
        ({"has_more": True}, "more_than_text"),
        ({"answers": 2}, "several_answers"),
        ({"temperature": 1.01}, "high_temperature"),
        ({"question": "What is the weather like in Oslo?"}, "time_sensitive"),
        ({"texts": ("I am ann@example.com",)}, "personal_details"),
    ],
)
def test_some_requests_bypass_both_caches(changes: dict[str, Any], reason: str) -> None:
    judged = judge(facts(**changes), RULES)
    assert (judged.cacheable, judged.semantic, judged.reason) == (False, False, reason)


@pytest.mark.parametrize("temperature", [None, 0.0, 0.7, 1.0])
def test_an_ordinary_temperature_is_no_reason(temperature: float | None) -> None:
    assert judge(facts(temperature=temperature), RULES).cacheable


@pytest.mark.parametrize(
    ("changes", "rules", "reason"),
    [
        ({"turns": 9}, {}, "too_many_turns"),
        ({"question": "b" * (MAX_QUESTION_CHARACTERS + 1)}, {}, "too_long"),
        ({"question": "What is " + "b" * 101}, {}, "unreadable"),
        ({"question": " \n"}, {}, "no_text"),
        ({}, {"semantic_mode": "off"}, "semantic_off"),
        ({}, {"semantic_enabled": False}, "semantic_off"),
    ],
)
def test_some_requests_keep_to_the_exact_cache(
    changes: dict[str, Any], rules: dict[str, Any], reason: str
) -> None:
    judged = judge(facts(**changes), replace(RULES, **rules))
    assert (judged.cacheable, judged.semantic, judged.reason) == (True, False, reason)


def test_as_many_turns_as_the_rules_allow_and_shadow_mode_use_the_semantic_cache() -> None:
    assert judge(facts(turns=8), RULES).semantic
    assert judge(facts(), replace(RULES, semantic_mode="shadow")).semantic


@pytest.mark.parametrize(
    ("sharing", "user", "owner"),
    [
        ("key", None, "key:alpha"),
        ("key", "ann", "key:alpha"),
        ("tenant", None, "tenant"),
        ("tenant", "ann", "tenant"),
        ("user", "ann", "key:alpha/user:ann"),
        ("user", None, "key:alpha"),
        ("user", "", "key:alpha"),
    ],
)
def test_the_rules_say_who_shares_entries(sharing: Any, user: str | None, owner: str) -> None:
    assert judge(facts(user=user), replace(RULES, sharing=sharing)).owner == owner


@pytest.mark.parametrize("sharing", ["key", "tenant", "user"])
def test_personal_details_are_shared_with_nobody_else(sharing: Any) -> None:
    rules = replace(RULES, sharing=sharing)
    judged = judge(facts("My name is Ann. Write a greeting.", user="ann"), rules)
    assert (judged.cacheable, judged.semantic, judged.owner) == (True, True, "key:alpha/user:ann")
    assert not judge(facts("My name is Ann. Write a greeting."), rules).cacheable
    assert judge(facts("My name is Ann. Write a greeting."), rules).owner == "key:alpha"


def test_first_person_wording_is_personal_only_if_the_tenant_says_so() -> None:
    question = "How do I reset my router?"
    assert judge(facts(question), RULES).cacheable
    rules = replace(RULES, personal="first_person")
    assert judge(facts(question), rules).reason == "personal_details"
    assert judge(facts(question, user="ann"), rules).owner == "key:alpha/user:ann"
    assert judge(facts("How does a router work?"), rules).cacheable
