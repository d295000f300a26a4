"""Which requests may get which answers: generated requests, from their JSON to the two prints.

Whatever changes an answer changes the exact print and, but for the text of the last user turn, the scope: an entry
of another scope is never even looked at.
"""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from caching.fingerprint import FIELDS_IN, FIELDS_LEFT_OUT, Fingerprints
from caching.policy import CacheRules, CacheSwitches
from gateway.admission import Admission, Arrival, Caller
from gateway.planning import Plan, plan_call
from gateway.reading import call_of, read_question
from gateway.rendering import COMPLETIONS
from routing.catalog import Catalog, Target, TenantRules
from tenants.policy import GatewayPolicy, KeyPolicy, RequestLimits, TenantPolicy
from tests.caching_values import rules

Message = dict[str, Any]
NO_LIMITS = RequestLimits()
NAMES = ("small-1", "large-1")

#: Two values of every field that changes the answer, beside the question and the model.
SAMPLES: dict[str, tuple[Any, Any]] = {
    "temperature": (0.2, 0.3),
    "top_p": (0.5, 0.6),
    "top_k": (10, 20),
    "min_p": (0.1, 0.2),
    "seed": (1, 2),
    "n": (2, 3),
    "stop": ("END", ["END"]),
    "max_tokens": (50, 51),
    "max_completion_tokens": (50, 51),
    "presence_penalty": (0.1, 0.2),
    "frequency_penalty": (0.1, 0.2),
    "repetition_penalty": (1.1, 1.2),
    "logit_bias": ({"50256": -100.0}, {"50256": -99.0}),
    "logprobs": (True, False),
    "top_logprobs": (1, 2),
    "tools": ([{"type": "function", "function": {"name": "look"}}], [{"type": "function"}]),
    "tool_choice": ("auto", "none"),
    "parallel_tool_calls": (True, False),
    "functions": ([{"name": "look"}], [{"name": "see"}]),
    "function_call": ("auto", "none"),
    "response_format": ({"type": "json_object"}, {"type": "text"}),
    "modalities": (["text"], ["text", "audio"]),
    "audio": ({"voice": "alloy"}, {"voice": "echo"}),
    "verbosity": ("low", "high"),
    "reasoning_effort": ("low", "high"),
    "thinking": ({"type": "enabled"}, {"type": "disabled"}),
    "prediction": ({"type": "content", "content": "a"}, {"type": "content", "content": "b"}),
    "web_search_options": ({"search_context_size": "low"}, {}),
}
LEFT_OUT: dict[str, Any] = {
    "stream": True,
    "stream_options": {"include_usage": True},
    "user": "ann",
    "metadata": {"trace": "1"},
    "tags": ["web"],
    "cache": {"ttl": 60, "max_age": 5, "tags": ["faq"]},
    "service_tier": "flex",
    "store": True,
    "prompt_cache_key": "one",
    "prompt_cache_retention": "24h",
    "safety_identifier": "ann",
}

#: Few, so that turns repeat each other: that is when histories are mistaken.
texts = st.sampled_from(["go on", "yes", "and in winter?", "Why?", "1", "go on "])
turns = st.builds(
    lambda role, content: {"role": role, "content": content},
    st.sampled_from(["system", "user", "assistant", "tool"]),
    texts,
)
histories = st.lists(turns, max_size=5)
questions = st.builds(lambda text: {"role": "user", "content": text}, texts)
conversations = st.builds(lambda history, question: [*history, question], histories, questions)
fields = st.dictionaries(st.sampled_from(sorted(SAMPLES)), st.booleans(), max_size=3).map(
    lambda chosen: {name: SAMPLES[name][second] for name, second in chosen.items()}
)


def admission(*, tenant_id: int = 1, public_id: str = "k", **policy: Any) -> Admission:
    def target(number: int, name: str) -> Target:
        return Target(
            id=number, provider="demo", name=name, upstream_name=name, tier="cheap", context_tokens=1000,
            aliases=("quick",) if name == "small-1" else (), prices=(),
        )  # fmt: skip

    key = KeyPolicy(
        public_id=public_id, label="", scopes=frozenset({"chat"}), models=frozenset(), limits=NO_LIMITS,
        expires_at=None,
    )  # fmt: skip
    tenant_parts: dict[str, CacheRules | TenantRules] = {
        "CacheRules": rules(**policy),
        "TenantRules": TenantRules(rules=()),
    }
    targets = tuple(target(number, name) for number, name in enumerate(NAMES))
    gateway_parts = {
        "Catalog": Catalog(targets=targets, providers=(), rules=()),
        "CacheSwitches": CacheSwitches(semantic_enabled=True),
    }
    caller = Caller.of(
        TenantPolicy(tenant_id=tenant_id, slug="a", version=1, limits=NO_LIMITS, keys={}, parts=tenant_parts),
        key,
        GatewayPolicy(version=1, limits=NO_LIMITS, parts=gateway_parts),
    )
    return Admission(arrival=Arrival.now(), caller=caller)


ALICE = admission()


def prints(body: dict[str, Any], asker: Admission = ALICE, route: str = COMPLETIONS) -> Fingerprints:
    call = call_of(read_question(json.dumps(body).encode(), route), asker, route)
    plan = plan_call(call)
    assert isinstance(plan, Plan)
    return plan.prints


def of(messages: Sequence[Message], **more: Any) -> Fingerprints:
    return prints({"messages": list(messages), **more})


def assert_strangers(one: Fingerprints, other: Fingerprints) -> None:
    assert one.exact != other.exact
    assert one.scope != other.scope


def test_every_field_of_a_request_has_its_sample() -> None:
    assert SAMPLES.keys() == FIELDS_IN.keys() - {"prompt", "messages", "model"}
    assert LEFT_OUT.keys() == FIELDS_LEFT_OUT.keys()


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_each_field_is_told_apart_when_it_is_set_changed_and_absent(name: str) -> None:
    question = [{"role": "user", "content": "Why?"}]
    first, second = (of(question, **{name: value}) for value in SAMPLES[name])
    for one, other in ((of(question), first), (of(question), second), (first, second)):
        assert_strangers(one, other)


@given(conversations, fields, st.sampled_from(sorted(SAMPLES)), st.booleans())
def test_whatever_else_is_asked_a_changed_field_is_another_scope(
    messages: list[Message], base: dict[str, Any], name: str, second: bool
) -> None:
    changed = {**base, name: SAMPLES[name][second]}
    assume(changed != base)
    assert_strangers(of(messages, **base), of(messages, **changed))


@given(conversations, fields, st.sets(st.sampled_from(sorted(LEFT_OUT))))
def test_fields_that_are_left_out_change_nothing(
    messages: list[Message], base: dict[str, Any], names: set[str]
) -> None:
    assert of(messages, **base) == of(messages, **base, **{name: LEFT_OUT[name] for name in names})


@given(conversations, fields)
def test_models_are_told_apart_and_an_alias_is_its_model(
    messages: list[Message], base: dict[str, Any]
) -> None:
    small, large, auto = (of(messages, **base, model=model) for model in (*NAMES, "auto"))
    for one, other in ((small, large), (small, auto), (large, auto)):
        assert_strangers(one, other)
    assert of(messages, **base, model="quick") == small


@given(conversations, conversations)
def test_two_conversations_share_a_scope_only_if_they_differ_in_the_last_question_alone(
    one: list[Message], other: list[Message]
) -> None:
    assume(one != other)
    first, second = of(one), of(other)
    assert first.exact != second.exact
    assert (first.scope == second.scope) == (one[:-1] == other[:-1])


@given(histories, texts, texts)
def test_the_last_question_alone_leaves_the_scope_as_it_is(
    history: list[Message], text: str, other: str
) -> None:
    one, two = (of([*history, {"role": "user", "content": each}]) for each in (text, other))
    assert one.scope == two.scope
    assert (one.exact == two.exact) == (text == other)
    assert one.text == text


@given(conversations, st.data())
def test_a_turn_of_another_role_or_name_is_another_conversation(
    messages: list[Message], data: st.DataObject
) -> None:
    place = data.draw(st.integers(0, len(messages) - 1))
    roles = {"system", "developer", "user", "assistant", "tool"} - {messages[place]["role"]}
    role = data.draw(st.sampled_from(sorted(roles)))
    for change in ({"role": role}, {"name": "ann"}):
        changed = [*messages]
        changed[place] = {**messages[place], **change}
        assert_strangers(of(messages), of(changed))


@given(conversations, st.lists(turns, min_size=1, max_size=3))
def test_a_conversation_that_has_grown_is_never_its_earlier_self(
    messages: list[Message], more: list[Message]
) -> None:
    assert_strangers(of(messages), of([*messages, *more]))


@given(conversations, texts, texts, st.integers(1, 4))
def test_no_round_of_an_agents_loop_is_taken_for_an_earlier_one(
    messages: list[Message], instruction: str, answer: str, rounds: int
) -> None:
    """Each round repeats the very same instruction, and even gets the very same answer."""
    seen = [of([*messages, {"role": "user", "content": instruction}])]
    for _ in range(rounds):
        messages = [
            *messages,
            {"role": "user", "content": instruction},
            {"role": "assistant", "content": answer},
        ]
        seen.append(of([*messages, {"role": "user", "content": instruction}]))
    assert len({each.exact for each in seen}) == len({each.scope for each in seen}) == len(seen)


@given(conversations, texts)
def test_a_call_that_goes_on_from_an_answer_is_not_the_call_that_was_answered(
    messages: list[Message], said: str
) -> None:
    for role in ("assistant", "tool", "function"):
        assert_strangers(of(messages), of([*messages, {"role": role, "content": said}]))


@given(conversations, fields)
def test_keys_tenants_and_epochs_share_nothing(messages: list[Message], base: dict[str, Any]) -> None:
    body = {"messages": messages, **base}
    others = (admission(public_id="other"), admission(tenant_id=2), admission(epoch=1))
    for other in others:
        assert_strangers(prints(body), prints(body, other))


@given(conversations)
def test_users_share_nothing_where_the_tenant_keeps_them_apart(messages: list[Message]) -> None:
    apart = admission(sharing="user")
    ann, bob, nobody = (
        prints({"messages": messages, **user}, apart) for user in ({"user": "ann"}, {"user": "bob"}, {})
    )
    for one, other in ((ann, bob), (ann, nobody), (bob, nobody)):
        assert_strangers(one, other)


@given(conversations)
def test_keys_share_everything_where_the_tenant_lets_them(messages: list[Message]) -> None:
    one, other = (admission(sharing="tenant", public_id=key) for key in ("k", "other"))
    assert prints({"messages": messages}, one) == prints({"messages": messages}, other)


@given(texts)
def test_a_prompt_is_a_conversation_of_one_question(text: str) -> None:
    asked = prints({"prompt": text}, route="/chat")
    assert asked == prints({"messages": [{"role": "user", "content": text}]}, route="/chat")
    assert asked == of([{"role": "user", "content": text}])
