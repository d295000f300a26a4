import orjson
import pytest

from caching.answers import BrokenAnswer, dump, load
from tests import caching_values

#: Fields that values stored by older releases do not have.
LATER = ("cached_input_tokens", "reasoning_tokens", "estimated")


def test_a_stored_answer_comes_back_as_it_went_in() -> None:
    answer = caching_values.answer(cached_input_tokens=5, reasoning_tokens=1, estimated=True)
    assert load(dump(answer)) == answer


def test_a_value_that_an_older_release_stored_still_loads() -> None:
    answer = caching_values.answer()
    values = orjson.loads(dump(answer))
    for name in LATER:
        del values[name]
    assert load(orjson.dumps(values)) == answer


def test_a_value_that_a_newer_release_stored_still_loads() -> None:
    answer = caching_values.answer()
    assert load(orjson.dumps(orjson.loads(dump(answer)) | {"unheard_of": 1})) == answer


@pytest.mark.parametrize("value", [b"", b"{}", b"[1]", b"\xff"])
def test_anything_else_is_a_broken_answer(value: bytes) -> None:
    with pytest.raises(BrokenAnswer):
        load(value)
