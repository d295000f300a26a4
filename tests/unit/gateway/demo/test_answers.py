import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.demo.answers import answer


def ask(prompt: str, model: str = "small-1") -> str:
    return answer(prompt, [], model)


@pytest.mark.parametrize(
    ("prompt", "part"),
    [
        ("What is the capital of France?", "Paris"),
        ("Which city is the capital of France?", "Paris"),
        ("Tell me the capital of the Netherlands, please", "Amsterdam"),
        ("what's 17 * 23?", "391"),
        ("How much is 15% of 80?", "= 12"),
        ("12 divided by 5", "2.4"),
        ("7 / 0", "undefined"),
        ("Who wrote Hamlet?", "Shakespeare"),
        ("Define photosynthesis", "plants"),
        ("Explain machine learning in simple words", "examples"),
        ("Good morning!", "Hello"),
        ("thanks a lot", "welcome"),
        ("I forgot my password, what now?", "Forgot password"),
    ],
)
def test_common_things_are_known(prompt: str, part: str) -> None:
    assert part in ask(prompt)
    assert part in ask(prompt, "large-1")


def test_unknown_things_are_answered_in_the_prompts_own_words() -> None:
    text = ask("How can I improve the onboarding of support agents at a bank?", "large-1")
    assert "onboarding" in text
    assert "agents" in text.lower()


def test_the_large_model_says_more() -> None:
    for prompt in ("What is the capital of France?", "How do I plan a garden with clay soil?"):
        assert len(ask(prompt, "large-1")) > len(ask(prompt))


def test_dates_and_ranges_are_not_calculated() -> None:
    assert "=" not in ask("What happened between 2024-01-05 and 2024-02-05 in Lisbon?")


def test_a_follow_up_without_words_of_its_own_speaks_of_what_came_before() -> None:
    assert "tomatoes" in answer("And why?", ["How do I grow tomatoes?"], "small-1").lower()


@given(prompt=st.text(max_size=300), model=st.sampled_from(["small-1", "large-1"]))
def test_any_prompt_has_one_answer(prompt: str, model: str) -> None:
    text = ask(prompt, model)
    assert text
    assert text == ask(prompt, model)
