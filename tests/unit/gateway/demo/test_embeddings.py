import base64
import struct

import pytest

from gateway.demo.embeddings import embed, vector


def test_vectors_are_of_length_one_and_alike_for_the_same_words() -> None:
    assert sum(value * value for value in vector("a word")) == pytest.approx(1.0)
    assert vector("the sky is blue") == vector("blue is the sky")
    assert vector("the sky") != vector("the sea")


def test_packed_vectors_are_the_same_numbers() -> None:
    packed = embed({"model": "embed-1", "input": "hello", "encoding_format": "base64", "dimensions": 8})
    assert packed is not None
    raw = base64.b64decode(packed["data"][0]["embedding"])
    assert struct.unpack("<8f", raw) == pytest.approx(vector("hello", 8))


def test_token_numbers_count_as_one_text() -> None:
    answer = embed({"model": "embed-1", "input": [1, 2, 3]})
    assert answer is not None
    assert len(answer["data"]) == 1


@pytest.mark.parametrize("body", [{}, {"input": []}, {"input": 5}, {"input": "a", "dimensions": 0}])
def test_nonsense_has_no_vectors(body: dict[str, object]) -> None:
    assert embed({"model": "embed-1", **body}) is None
