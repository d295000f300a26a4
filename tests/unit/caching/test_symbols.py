import pytest

from caching.symbols import symbols_clash


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("What does i++ do?", "What does ++i do?"),
        ("What is 7 // 2 in Python?", "What is 7 ** 2 in Python?"),
        ("What is `7 // 2`?", "What is `7 / 2`?"),
        ("Is {} a dict?", "Is () a dict?"),
        ("Delete *.log files", "Delete *.tmp files"),
        ("echo a > file", "echo a >> file"),
        ("a == b in JavaScript", "a === b in JavaScript"),
        ("What is C#?", "What is F#?"),
    ],
)
def test_other_operators_or_patterns_clash(a: str, b: str) -> None:
    assert symbols_clash(a, b)
    assert symbols_clash(b, a)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("What does `i++` do?", "What is the meaning of i++?"),
        ("What does i++ do?", "What does the increment operator do?"),
        ("It costs $5, or 10 %, and/or more", "It costs 5 dollars & 10 percent"),
        ("Is it 24/7 - really?", "Is it (always) open?"),
    ],
)
def test_the_same_code_and_prose_do_not(a: str, b: str) -> None:
    assert not symbols_clash(a, b)
