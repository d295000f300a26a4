"""Edits of plain questions and of word problems."""

from random import Random

import pytest

from gateway.training.edit_words import ADDITIONS
from gateway.training.edits import CHANGES, KEEPS, edited_pairs, template_pairs
from gateway.training.problems import PROBLEM_CHANGES, PROBLEM_KEEPS, is_problem, problem_pairs

_QUESTIONS = [
    "How do I paint a wooden door in winter?",
    "Is it safe to swim before lunch?",
    "Who is the president of Chile?",
    "Can Anna Baker drive 12 miles to Rome without her car?",
    "What is the difference between red and green tea?",
]
_PROBLEM = (
    "Nora has 12 apples and 4 pears. She buys 7 apples more each day for 3 days. "
    "How many apples does Nora have in total?"
)


@pytest.mark.parametrize(
    ("kind", "text", "says"),
    [
        ("negation", "Is it rude to whistle?", "not"),
        ("time", "Is it safe to swim before lunch?", "after"),
        ("quantity", "Do all cats purr?", "some"),
        ("tense", "Does the ferry sail?", "d"),
        ("order", "How do I get from Oslo to Rome?", "from Rome to Oslo"),
        ("number", "Is 7 a prime?", "prime"),
        ("gender", "Did he thank her?", "she"),
    ],
)
def test_an_edit_changes_what_its_name_says(kind: str, text: str, says: str) -> None:
    changed = CHANGES[kind](text, Random(3))
    assert changed is not None
    assert changed != text
    assert says in changed


@pytest.mark.parametrize(
    ("kind", "text", "results"),
    [
        ("contraction", "What is rust?", {"What's rust?"}),
        ("number_word", "Is 7 a prime?", {"Is seven a prime?"}),
        ("both", "What is the difference between tin and zinc?", {"What is the difference between zinc and tin?"}),
        ("synonym", "Where can I buy a kite?", {"Where can I purchase a kite?"}),
    ],
)  # fmt: skip
def test_an_edit_keeps_what_its_name_says(kind: str, text: str, results: set[str]) -> None:
    assert KEEPS[kind](text, Random(3)) in results


@pytest.mark.parametrize("kind", sorted(CHANGES))
def test_a_change_that_does_not_apply_says_so(kind: str) -> None:
    assert CHANGES[kind]("zzz", Random(1)) in {None, *(f"zzz {addition}" for addition in ADDITIONS)}


def test_the_same_seed_makes_the_same_edits() -> None:
    assert list(edited_pairs(_QUESTIONS, Random(5))) == list(edited_pairs(_QUESTIONS, Random(5)))
    assert list(template_pairs(Random(5), count=3)) == list(template_pairs(Random(5), count=3))


def test_edits_come_with_both_labels_and_differ_from_their_question() -> None:
    pairs = [*edited_pairs(_QUESTIONS, Random(1), each=8), *template_pairs(Random(1), count=5)]
    assert {pair.same for pair in pairs} == {True, False}
    assert all(pair.a != pair.b for pair in pairs)


def test_a_word_problem_has_numbers_and_a_question() -> None:
    assert is_problem(_PROBLEM)
    assert not is_problem("How do I boil 2 eggs?")


def test_problems_are_edited_in_facts_and_question() -> None:
    pairs = list(problem_pairs([_PROBLEM], Random(2), each=len(PROBLEM_CHANGES)))
    kinds = {pair.kind for pair in pairs if not pair.same}
    assert {"problem_number", "problem_fact", "problem_less", "problem_question"} <= kinds
    assert {pair.kind for pair in pairs if pair.same} <= set(PROBLEM_KEEPS)
