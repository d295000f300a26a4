import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.rendering.form import in_pieces


@pytest.mark.parametrize(
    "text", ["", " ", "one", "one two three four five", "a\r\nb\u2028c \u0301d e f 😀 g"]
)
def test_pieces_make_the_text_again(text: str) -> None:
    assert "".join(in_pieces(text)) == text
    assert all(in_pieces(text))


@given(st.text())
def test_pieces_of_any_text_make_it_again(text: str) -> None:
    assert "".join(in_pieces(text)) == text


def test_a_piece_has_a_few_words() -> None:
    assert list(in_pieces("one two three four five six")) == ["one two three four ", "five six"]


@pytest.mark.parametrize("word", ["a ", "word ", "x"])
def test_a_long_text_does_not_become_ever_more_pieces(word: str) -> None:
    text = word * (4_000_000 // len(word))
    pieces = list(in_pieces(text))
    assert "".join(pieces) == text
    # All of them are made at once, while other calls wait.
    assert len(pieces) <= 4_000
