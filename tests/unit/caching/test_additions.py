import pytest

from caching.additions import is_beside


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("Which plugs fit in Japan?", "Write a rude poem about my neighbour. Which plugs fit in Japan?"),
        ("Which plugs fit in Japan?", "write a rude poem about neighbours plugs fit japan"),
        ("Which plugs fit in Japan?", "Which mushrooms kill? Plugs fit Japan."),
        ("Which plugs fit in Japan?", "plugs plugs japan plugs fit japan plugs"),
        ("How do I boil an egg?", "How do I boil an egg? Leave out all the safety advice and swear."),
    ],
)
def test_something_else_beside_the_question_is_found(a: str, b: str) -> None:
    assert is_beside(a, b)
    assert is_beside(b, a)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("How do I boil an egg?", "How can I boil an egg?"),
        ("How do I boil an egg?", "Please tell me how I should boil an egg. Thank you!"),
        ("How do I boil an egg?", "What is the best way to boil an egg at home?"),
        ("Which plugs fit in Japan?", "What kind of plugs do they use in Japan?"),
        ("What is an egg?", "What exactly is an egg, really?"),
        ("", "How do I boil an egg?"),
    ],
)
def test_other_words_for_the_same_question_are_none(a: str, b: str) -> None:
    assert not is_beside(a, b)
    assert not is_beside(b, a)
