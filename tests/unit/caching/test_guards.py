import sys
from types import FrameType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caching.guards import GUARDS, Guard, compare_names, compare_numbers
from tests.caching_values import rules

WORDS = st.sampled_from(
    [
        *(
            "how",
            "do",
            "I",
            "not",
            "turn",
            "off",
            "apples",
            "before",
            "after",
            "from",
            "to",
            "Paris",
            "Rome",
            "it",
        ),
        *(
            "he",
            "she",
            "son",
            "never",
            "can't",
            "unsafe",
            "B2B",
            "foo_bar",
            '"so"',
            "'it'",
            "3",
            "three",
            "$5",
        ),
        *("5kg", "half", "a", "hundred", "1,000", "3.10", "10:30", "January"),
    ]
)
TEXTS = st.lists(WORDS, max_size=12).map(" ".join) | st.text(max_size=60)
each_guard = pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.name)


@each_guard
@given(a=TEXTS, b=TEXTS)
def test_guards_do_not_mind_which_question_comes_first(guard: Guard, a: str, b: str) -> None:
    assert guard.refusal(a, b) == guard.refusal(b, a)


@each_guard
@given(text=TEXTS)
def test_guards_never_refuse_the_same_text(guard: Guard, text: str) -> None:
    assert guard.refusal(text, text) is None


PLAIN = st.lists(
    st.sampled_from(
        ["how", "do", "i", "wash", "two", "red", "cats", "in", "paris", "without", "40", "euros"]
    ),
    min_size=1,
)


@each_guard
@given(words=PLAIN, end=st.sampled_from(["", "?", " !", "...", "?!"]))
def test_guards_do_not_mind_capitals_and_marks_at_the_end(guard: Guard, words: list[str], end: str) -> None:
    text = " ".join(words)
    assert guard.refusal(text, text.capitalize() + end) is None
    assert guard.refusal(text, text.upper() + end) is None


NUMBERS = st.integers(2, 10**20)


@given(numbers=st.lists(NUMBERS, min_size=1, max_size=6), data=st.data())
def test_one_changed_number_is_always_refused(numbers: list[int], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(numbers) - 1))
    other = data.draw(NUMBERS.filter(lambda number: number != numbers[place]))
    changed = [*numbers[:place], other, *numbers[place + 1 :]]
    a, b = (f"Ann buys {' pears and '.join(map(str, each))} plums" for each in (numbers, changed))
    assert compare_numbers(a, b) == "numbers"


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("Is Paris a big city?", "Is Rome a big city?"),
        ("Who was the father of Mozart?", "Who was the father of Bach?"),
        ("What does the NHS do?", "What does the FBI do?"),
    ],
)
def test_two_names_that_the_other_text_lacks_refuse(a: str, b: str) -> None:
    assert compare_names(a, b) == "names"
    assert compare_names(b, a) == "names"


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("Is Paris a big city?", "is paris big"),
        ("How far is Paris?", "How far is Paris from Rome?"),
        ("What is Sam's job?", "What job does Sam have?"),
        ("How To Boil An Egg", "How do I boil an Egg"),
        ("Why do I sneeze?", "What makes people sneeze? Tell me."),
        ("Paris is big. Why?", "Rome is big. Why?"),
    ],
)
def test_a_name_on_one_side_or_no_known_name_is_no_clash(a: str, b: str) -> None:
    assert compare_names(a, b) is None


def test_all_guards_but_names_are_on_unless_a_tenant_says_otherwise() -> None:
    assert [guard.name for guard in GUARDS if not guard.is_on(rules())] == ["names"]


HOSTILE = [
    *("7", "1,1", "1.", "1/2 ", "12:30 ", "\u20ac5 ", "two hundred ", "half a ", "\u4e09", "#1 ", "B2"),
    *("a-", "a_", "/x", '"', "'a", "`x", "not ", "from a to b ", "he she ", "New ", "happy unhappy "),
]


@each_guard
@pytest.mark.parametrize("piece", HOSTILE)
def test_the_work_grows_no_faster_than_the_text(guard: Guard, piece: str) -> None:
    short, long = (piece * (length // len(piece)) for length in (1_500, 3_000))
    assert _calls(guard, long) <= 2.2 * _calls(guard, short) + 500


def _calls(guard: Guard, text: str) -> int:
    """Count the function calls that it takes to compare a text with a slightly longer one."""
    calls = 0

    def count(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event in {"call", "c_call"}

    sys.setprofile(count)
    try:
        guard.refusal(text, f"{text} x")
    finally:
        sys.setprofile(None)
    return calls


@each_guard
@pytest.mark.parametrize("piece", HOSTILE)
def test_forty_thousand_characters_are_compared(guard: Guard, piece: str) -> None:
    text = piece * (40_000 // len(piece))
    assert guard.refusal(text, text) is None
