from dataclasses import replace
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from caching.fingerprint import (
    FIELDS_IN,
    FIELDS_LEFT_OUT,
    CacheQuestion,
    fingerprints,
    last_user_text,
)

QUESTION = CacheQuestion(
    tenant_id=1,
    owner="key:alpha",
    model="auto",
    messages=(
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Why is the sky blue?"},
    ),
    params={"temperature": 0.5, "max_tokens": 100},
    epoch=0,
)

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
messages = st.builds(
    lambda role, content: {"role": role, "content": content},
    st.sampled_from(["system", "user", "assistant"]),
    texts,
)
questions = st.builds(
    CacheQuestion,
    tenant_id=st.integers(1, 5),
    owner=texts,
    model=texts,
    messages=st.lists(messages, max_size=4).map(tuple),
    params=st.dictionaries(st.text(max_size=4), json_values, max_size=3),
    epoch=st.integers(0, 3),
)


def asked(*contents: Any, **fields: Any) -> CacheQuestion:
    turns = tuple({"role": "user", "content": content} for content in contents)
    return replace(QUESTION, messages=turns, **fields)


def exact(question: CacheQuestion) -> bytes:
    return fingerprints(question).exact


def test_digests_have_32_bytes_and_the_text_is_the_last_user_turn() -> None:
    found = fingerprints(QUESTION)
    assert (len(found.exact), len(found.scope)) == (32, 32)
    assert found.text == last_user_text(QUESTION.messages) == "Why is the sky blue?"


@pytest.mark.parametrize(
    "change",
    [
        {"tenant_id": 2},
        {"owner": "key:beta"},
        {"owner": "key:alpha/user:ann"},
        {"model": "small-1"},
        {"epoch": 1},
        {"params": {"temperature": 0.5}},
        {"params": {"temperature": 0.5, "max_tokens": 101}},
        {"messages": QUESTION.messages[1:]},
        {"messages": ({"role": "system", "content": "Be long."}, QUESTION.messages[1])},
        {"messages": ({"role": "developer", "content": "Be brief."}, QUESTION.messages[1])},
        {"messages": (*QUESTION.messages, {"role": "assistant", "content": "It"})},
    ],
)
def test_any_changed_field_changes_both_digests(change: dict[str, Any]) -> None:
    before, after = fingerprints(QUESTION), fingerprints(replace(QUESTION, **change))
    assert before.exact != after.exact
    assert before.scope != after.scope


def test_only_the_text_of_the_last_user_turn_is_outside_the_scope() -> None:
    before, after = fingerprints(asked("One?", "Two?")), fingerprints(asked("One?", "Three?"))
    assert before.scope == after.scope
    assert before.exact != after.exact
    assert fingerprints(asked("Other?", "Two?")).scope != before.scope


def test_a_name_beside_the_last_text_belongs_to_the_scope() -> None:
    named = replace(QUESTION, messages=({"role": "user", "content": "Hi", "name": "ann"},))
    assert fingerprints(named).scope != fingerprints(asked("Hi")).scope


def test_a_single_text_part_is_plain_text_and_parts_with_an_image_are_not() -> None:
    part = {"type": "text", "text": "What is this?"}
    image = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
    assert fingerprints(asked([part])).text == "What is this?"
    assert fingerprints(asked([part])).exact != exact(asked("What is this?"))
    with_image, with_other = fingerprints(asked([part, image])), fingerprints(asked([image, part]))
    assert with_image.text == with_other.text == ""
    assert with_image.scope != with_other.scope


def test_a_null_content_is_not_mistaken_for_a_cut_text() -> None:
    assert fingerprints(asked(None)).scope != fingerprints(asked("anything")).scope


def test_the_order_of_keys_is_irrelevant() -> None:
    turned = replace(
        QUESTION,
        params={"max_tokens": 100, "temperature": 0.5},
        messages=tuple(dict(sorted(message.items(), reverse=True)) for message in QUESTION.messages),
    )
    assert fingerprints(turned) == fingerprints(QUESTION)


@pytest.mark.parametrize(
    ("one", "other"), [(1, 1.0), (1, True), (0, False), (0, None), ("1", 1), (2**70, float(2**70)), ([], {})]
)
def test_values_of_another_json_type_differ(one: object, other: object) -> None:
    assert exact(asked("Hi", params={"seed": one})) != exact(asked("Hi", params={"seed": other}))


def test_equivalent_unicode_strings_are_not_merged() -> None:
    composed, decomposed, compatible = "caf\u00e9", "cafe\u0301", "\uff43af\u00e9"
    assert len({exact(asked(text)) for text in (composed, decomposed, compatible)}) == 3


def test_text_never_moves_between_messages() -> None:
    splits = [asked("ab", "c"), asked("a", "bc"), asked("abc"), asked("abc", ""), asked("", "abc")]
    assert len({exact(question) for question in splits}) == len(splits)


@given(questions)
def test_equal_questions_have_equal_digests(question: CacheQuestion) -> None:
    copy = replace(
        question,
        messages=tuple(dict(sorted(message.items(), reverse=True)) for message in question.messages),
        params=dict(sorted(question.params.items(), reverse=True)),
    )
    assert fingerprints(copy) == fingerprints(question)


@given(questions, questions)
def test_different_questions_have_different_digests(one: CacheQuestion, other: CacheQuestion) -> None:
    assume(repr(_normal(one)) != repr(_normal(other)))
    assert exact(one) != exact(other)


@given(questions, texts.filter(bool))
def test_scopes_are_equal_exactly_if_only_the_last_text_differs(question: CacheQuestion, text: str) -> None:
    before = fingerprints(question)
    assume(before.text not in ("", text))
    place = max(index for index, message in enumerate(question.messages) if message["role"] == "user")
    changed = [dict(message) for message in question.messages]
    changed[place]["content"] = text
    after = fingerprints(replace(question, messages=tuple(changed)))
    assert after.scope == before.scope
    assert after.exact != before.exact
    for index in range(len(changed)):
        if index != place:
            elsewhere = [dict(message) for message in question.messages]
            elsewhere[index]["content"] += "!"
            assert fingerprints(replace(question, messages=tuple(elsewhere))).scope != before.scope


def test_each_field_is_either_in_or_left_out_with_a_reason() -> None:
    assert not FIELDS_IN.keys() & FIELDS_LEFT_OUT.keys()
    assert all([*FIELDS_IN.values(), *FIELDS_LEFT_OUT.values()])


def _normal(value: Any) -> Any:
    """Sort keys, so that equal questions look alike."""
    if isinstance(value, CacheQuestion):
        return [_normal(getattr(value, name)) for name in value.__dataclass_fields__]
    if isinstance(value, dict):
        return sorted((key, _normal(inner)) for key, inner in value.items())
    return [_normal(inner) for inner in value] if isinstance(value, list | tuple) else value
