import struct
from typing import Any

import numpy as np
import pytest

from caching.vectors import InvalidVector, vector_from_bytes, vector_of

UNIT = np.array([0.6, 0.8], dtype=np.float32)


def test_the_bytes_are_little_endian_float32() -> None:
    vector = vector_of("e", UNIT)
    assert vector.to_bytes() == struct.pack("<2f", 0.6, 0.8)
    assert len(vector.to_bytes()) == 4 * vector.dimension


def test_bytes_come_back_as_the_same_vector() -> None:
    vector = vector_from_bytes("e", vector_of("e", UNIT).to_bytes())
    assert vector.values == pytest.approx([0.6, 0.8])


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"abc",
        struct.pack("<2f", float("nan"), 1.0),
        struct.pack("<2f", 3.0, 4.0),
        struct.pack("<2f", float("-inf"), 1.0),
        struct.pack("<f", 0.0),
    ],
    ids=["empty", "odd", "nan", "long", "infinite", "zero"],
)
def test_bytes_that_no_embedder_makes_are_refused(data: bytes) -> None:
    with pytest.raises(InvalidVector):
        vector_from_bytes("e", data)


def test_similarity_is_the_cosine() -> None:
    assert vector_of("e", UNIT).similarity(vector_of("e", UNIT[::-1].copy())) == pytest.approx(0.96)


def test_vectors_of_two_embedders_are_never_compared() -> None:
    with pytest.raises(InvalidVector):
        vector_of("a", UNIT).similarity(vector_of("b", UNIT))


@pytest.mark.parametrize(
    "values", [[UNIT], ["0.6", "0.8"], [1e300], []], ids=["rows", "texts", "huge", "none"]
)
def test_what_is_no_list_of_numbers_is_refused(values: list[Any]) -> None:
    with pytest.raises(InvalidVector):
        vector_of("e", values)
