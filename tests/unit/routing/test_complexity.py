import pytest

from routing.complexity import Complexity, score


def of(question: str, *before: str) -> Complexity:
    return score([*before, question], question)


@pytest.mark.parametrize(
    "question",
    [
        "Hi there!",
        "Thanks a lot",
        "ok",
        "What is the capital of Portugal?",
        "Who wrote Hamlet?",
        "Define photosynthesis",
        "How many days are in a leap year?",
        "Translate 'good night' into Italian",
        "",
    ],
)
def test_clearly_simple_prompts_are_simple(question: str) -> None:
    assert of(question).label == "simple"
    assert of(question).score < 0.3


@pytest.mark.parametrize(
    "question",
    [
        "Prove step by step that the square root of 2 is irrational, and justify each step you take.",
        "Implement a thread-safe LRU cache in Python with a maximum size in bytes. It must support per-item "
        "expiry, handle concurrent readers without blocking them, and include unit tests for every method.",
        "A tank is filled by two pipes at 12 and 18 litres per minute while a third drains 5 litres per "
        "minute. If it holds 4500 litres and starts one third full, how many minutes pass until it is full, "
        "and how many more if the second pipe fails half way? Show your work.",
        "Let's think this through carefully: compare and contrast event sourcing and change data capture for "
        "a payments ledger, consider the trade-offs, and design a migration plan with rollback.",
    ],
)
def test_tasks_with_many_steps_or_conditions_are_complex(question: str) -> None:
    assert of(question).label == "complex"


def test_a_long_prompt_is_complex_although_nothing_in_it_is_known() -> None:
    assert of("lorem ipsum dolor sit amet consetetur sadipscing elitr " * 40).label == "complex"


def test_a_long_conversation_before_the_question_adds_to_the_score() -> None:
    assert of("And then?", "word " * 20_000).score > of("And then?").score


def test_the_label_follows_the_score() -> None:
    for words in range(1, 400, 7):
        judged = of("word " * words)
        assert 0.0 <= judged.score <= 1.0
        assert judged.label == ("simple" if judged.score < 0.5 else "complex")


def test_the_same_prompt_always_has_the_same_score() -> None:
    assert of("Why is the sky blue?") == of("Why is the sky blue?")


@pytest.mark.parametrize(
    "unit", ["a", "_a", "SELECT ", "write a a a ", "think ", "1", "((((", "Error:", "{;\n", "é\u0301"]
)
def test_hostile_repetition_is_scored_without_backtracking(unit: str) -> None:
    # Quadratic matching would take hours here and run into the test's time limit.
    assert of(unit * (1_000_000 // len(unit))).label == "complex"
