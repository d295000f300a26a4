"""The lexicon, built from a WordNet of a few words."""

from pathlib import Path

import numpy as np
import pytest

from caching.verifier_lexicon import Lexicon, lexicon_of
from gateway.training.lexicon import build_lexicon, read_wordnet

_INDEX = """
  1 a line of the licence
dog n 1 1 @ 1 1 00000100
hound n 1 1 @ 1 1 00000100
wolf n 1 1 @ 1 1 00000200
canine n 1 0 1 1 00000300
"""
_DATA = """
  1 a line of the licence
00000100 05 n 02 dog 0 hound 0 001 @ 00000300 n 0000 | barks
00000200 05 n 01 wolf 0 001 @ 00000300 n 0000 | howls
00000300 05 n 01 canine 0 000 | either
"""
_ADJECTIVES = """
00000500 00 a 01 hot 0 001 ! 00000600 a 0101 | warm
00000600 00 a 01 cold 0 001 ! 00000500 a 0101 | not warm
"""
_WORDS = ["dogs", "hot", "wolf", "hound", "canine", "cold"]


@pytest.fixture
def lexicon(tmp_path: Path) -> Lexicon:
    for part in ("noun", "verb", "adj", "adv"):
        for name in (f"index.{part}", f"data.{part}", f"{part}.exc"):
            (tmp_path / name).write_text("")
    (tmp_path / "index.noun").write_text(_INDEX)
    (tmp_path / "data.noun").write_text(_DATA)
    (tmp_path / "data.adj").write_text(_ADJECTIVES)
    vectors = np.eye(len(_WORDS), dtype=np.float32)
    data = build_lexicon(_WORDS, vectors, read_wordnet(tmp_path), version="small", dimension=5)
    return lexicon_of(data)


@pytest.mark.parametrize(
    ("a", "b", "relation"),
    [
        ("dogs", "hound", "synonym"),
        ("dogs", "wolf", "sibling"),
        ("canine", "wolf", "broader"),
        ("hot", "cold", "opposite"),
        ("hot", "wolf", None),
        ("hot", "unheard", None),
    ],
)
def test_words_are_related_as_wordnet_says(lexicon: Lexicon, a: str, b: str, relation: str | None) -> None:
    assert lexicon.relation(lexicon.place(a), lexicon.place(b)) == relation
    assert lexicon.relation(lexicon.place(b), lexicon.place(a)) == relation


def test_the_commonest_word_weighs_nothing_and_an_unknown_one_most(lexicon: Lexicon) -> None:
    weights = [lexicon.weight(lexicon.place(word)) for word in [*_WORDS, "unheard"]]
    assert weights == sorted(weights)
    assert (weights[0], weights[-1]) == (0, 1)


def test_a_word_is_most_like_itself(lexicon: Lexicon) -> None:
    assert lexicon.likeness(2, 2) == pytest.approx(1, abs=0.02)
    assert lexicon.likeness(2, 3) < 0.5
    assert lexicon.likeness(2, -1) == 0


def test_vectors_of_another_size_are_refused() -> None:
    data = {key: {} for key in ("senses", "parents", "opposites")} | {
        "version": "x", "words": "a b", "dimension": 2, "vectors": "AAAA",
    }  # fmt: skip
    with pytest.raises(ValueError, match="as many"):
        lexicon_of(data)
