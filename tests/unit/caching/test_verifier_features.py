"""What the verifier sees of two questions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caching.verifier import shipped_lexicon
from caching.verifier_features import FEATURES, pair_features
from caching.verifier_text import MOST_TOKENS, read_question, stem
from caching.verifier_words import Kind


def _seen(a: str, b: str, similarity: float = 0.9) -> dict[str, float]:
    lexicon = shipped_lexicon()
    values = pair_features(read_question(a, lexicon), read_question(b, lexicon), similarity, lexicon)
    return dict(zip(FEATURES, values, strict=True))


def test_equal_questions_have_nothing_loose() -> None:
    seen = _seen("Where is the harbour of Bergen?", "Where is the harbour of Bergen?")
    assert (seen["cover_low"], seen["pieces"], seen["loose_content_high"], seen["asks_same"]) == (1, 1, 0, 1)


def test_endings_and_contractions_make_no_difference() -> None:
    seen = _seen("What's baking powder?", "What is baked powder")
    assert seen["cover_low"] == 1


def test_an_exchanged_name_is_seen_on_both_sides() -> None:
    seen = _seen("Is it cold in Bergen today?", "Is it cold in Naples today?")
    assert (seen["name_low"], seen["one_slot"], seen["middle_high"]) == (1, 1, 1)


def test_an_added_word_is_seen_on_one_side() -> None:
    seen = _seen("How do I paint a door?", "How do I paint a wooden door?")
    assert (seen["loose_content_low"], seen["loose_content_high"]) == (0, 1)


@pytest.mark.parametrize(
    ("a", "b", "mark"),
    [
        ("Should I stretch before running?", "Should I stretch after running?", "listed_opposite"),
        ("Is it rude to whistle?", "Is it rude not to whistle?", "denials_apart"),
        ("Is Petra a pilot?", "Did Petra use to be a pilot?", "former_apart"),
        ("Did he thank her?", "Did she thank him?", "masculine_low"),
        ("Will the ferry sail?", "Did the ferry sail?", "future_apart"),
        ("Is it tea or coffee?", "Is it tea and coffee?", "either_apart"),
        ("Why do cats purr?", "When do cats purr?", "asks_differ"),
        ("Turn wood into paper", "Turn paper into wood", "argument_swapped"),
        ("Does Petra owe Ines money?", "Does Ines owe Petra money?", "names_swapped"),
        ("How far is the harbour?", "How far is the harobur?", "typo"),
        ("Where can I buy a car?", "Where can I buy an automobile?", "synonym"),
    ],
)
def test_what_differs_has_a_mark(a: str, b: str, mark: str) -> None:
    assert _seen(a, b)[mark] > 0
    assert _seen(a, a)[mark] == 0


def test_the_order_of_the_two_questions_does_not_matter() -> None:
    a, b = "How can I get from Oslo to Rome by train?", "What is the way to Oslo, from Rome?"
    assert _seen(a, b) == _seen(b, a)


@given(st.text(max_size=200), st.text(max_size=200))
def test_any_two_texts_can_be_compared_either_way(a: str, b: str) -> None:
    forth, back = _seen(a, b), _seen(b, a)
    assert forth.keys() == set(FEATURES)
    assert all(abs(value) < 1_000 for value in [*forth.values(), *back.values()])


def test_a_text_of_too_many_words_is_not_read() -> None:
    lexicon = shipped_lexicon()
    assert not read_question("word " * MOST_TOKENS, lexicon).too_long
    assert read_question("word " * (MOST_TOKENS + 1), lexicon).too_long
    assert read_question("x" * 100_000, lexicon).too_long


def test_a_name_is_a_capital_that_no_sentence_asks_for() -> None:
    tokens = read_question("Who is Petra? Tell me.", shipped_lexicon()).tokens
    assert [token.word for token in tokens if token.kind is Kind.NAME] == ["petra"]


@pytest.mark.parametrize(
    ("forms", "base"),
    [(("runs", "running", "ran"), "run"), (("studies", "studied"), "study"), (("glass",), "glass")],
)
def test_forms_of_a_word_share_a_stem(forms: tuple[str, ...], base: str) -> None:
    assert {stem(form) for form in forms} == {stem(base)}
