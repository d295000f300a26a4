"""L0: bounded by bytes, least recently used first, short-lived, and named by tenant, version and fingerprint."""

import time
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import orjson
import pytest

from caching.answers import StoredAnswer
from caching.memory import AnswerMemory, BoundedMemory
from tests.caching_values import answer

FRANCE, ITALY = b"f" * 32, b"i" * 32


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


def bounded(max_bytes: int = 100, clock: Clock | None = None) -> BoundedMemory[str, str]:
    return BoundedMemory(max_bytes, clock=clock or Clock())


def put(memory: BoundedMemory[str, str], *keys: str, size: int = 10, ttl_s: float = 60) -> None:
    for key in keys:
        memory.put(key, key.upper(), size=size, ttl_s=ttl_s)


def kept(memory: BoundedMemory[str, str], *keys: str) -> str:
    """Return which of the keys are known."""
    return "".join(key for key in keys if memory.get(key))


def test_what_was_put_is_found() -> None:
    memory = bounded()
    put(memory, "a", "b")
    assert (memory.get("a"), memory.get("b"), memory.get("c")) == ("A", "B", None)


def test_however_many_are_put_the_bound_in_bytes_holds() -> None:
    memory = bounded(1000)
    for number in range(10_000):
        put(memory, str(number), size=1 + number % 300)
        assert memory.bytes <= 1000
    assert memory.bytes == sum(1 + number % 300 for number in range(10_000) if memory.get(str(number)))


def test_the_one_used_longest_ago_goes_first() -> None:
    memory = bounded(30)
    put(memory, "a", "b", "c")
    memory.get("a")
    put(memory, "d")
    assert kept(memory, "a", "b", "c", "d") == "acd"


def test_putting_again_counts_as_use_and_not_twice() -> None:
    memory = bounded(30)
    put(memory, "a", "b", "c", "a")
    assert memory.bytes == 30
    put(memory, "d")
    assert kept(memory, "a", "b", "c", "d") == "acd"


def test_a_large_one_drives_out_as_many_as_it_needs() -> None:
    memory = bounded(30)
    put(memory, "a", "b", "c")
    put(memory, "d", size=20)
    assert kept(memory, "a", "b", "c", "d") == "cd"


def test_one_larger_than_all_room_is_not_kept_and_drives_nothing_out() -> None:
    memory = bounded(30)
    put(memory, "a")
    put(memory, "b", size=31)
    assert kept(memory, "a", "b") == "a"


def test_one_that_became_too_large_does_not_leave_its_old_value() -> None:
    memory = bounded(30)
    put(memory, "a")
    put(memory, "a", size=31)
    assert (memory.get("a"), memory.bytes, len(memory)) == (None, 0, 0)


def test_without_room_nothing_is_kept() -> None:
    memory = bounded(0)
    put(memory, "a")
    assert memory.get("a") is None


def test_at_its_time_it_is_gone_and_its_bytes_too() -> None:
    clock = Clock()
    memory = bounded(clock=clock)
    put(memory, "a", ttl_s=5)
    clock.now += 4.999
    assert memory.get("a") == "A"
    clock.now += 0.001
    assert memory.get("a") is None
    assert memory.bytes == 0


def test_use_does_not_lengthen_a_life_but_putting_again_does() -> None:
    clock = Clock()
    memory = bounded(clock=clock)
    put(memory, "a", "b", ttl_s=5)
    clock.now += 3
    memory.get("a")
    put(memory, "b", ttl_s=5)
    clock.now += 3
    assert kept(memory, "a", "b") == "b"


@pytest.mark.parametrize("ttl_s", [0, -1])
def test_what_has_no_life_left_is_not_kept(ttl_s: float) -> None:
    memory = bounded()
    put(memory, "a")
    put(memory, "a", ttl_s=ttl_s)
    assert memory.get("a") is None


def test_dropping_forgets_one_and_an_unknown_one_is_no_matter() -> None:
    memory = bounded()
    put(memory, "a", "b")
    memory.drop("a")
    memory.drop("c")
    assert (kept(memory, "a", "b"), memory.bytes) == ("b", 10)


def answers(max_bytes: int = 1 << 20, ttl_s: float = 10) -> AnswerMemory:
    return AnswerMemory(max_bytes, ttl_s=ttl_s)


def test_a_held_answer_has_its_text_ready_as_json() -> None:
    memory = answers()
    given = answer(text='He said "ÿes"\n\u2028')
    memory.put(1, 1, FRANCE, given)
    held = memory.get(1, 1, FRANCE)
    assert held is not None
    assert held.answer is given
    assert orjson.loads(held.text_json) == given.text


@pytest.mark.parametrize("name", [(2, 1, FRANCE), (1, 2, FRANCE), (1, 0, FRANCE), (1, 1, ITALY)])
def test_another_tenant_version_or_question_does_not_find_it(name: tuple[int, int, bytes]) -> None:
    memory = answers()
    memory.put(1, 1, FRANCE, answer())
    assert memory.get(*name) is None


def test_what_is_put_under_an_old_version_is_not_seen_under_the_new_one() -> None:
    memory = answers()
    memory.put(1, 1, FRANCE, answer(text="old"))
    memory.put(1, 2, FRANCE, answer(text="new"))
    memory.put(1, 1, FRANCE, answer(text="late"))
    held = memory.get(1, 2, FRANCE)
    assert held is not None
    assert held.answer.text == "new"


def test_an_answer_past_its_time_is_not_held_though_it_is_kept() -> None:
    memory = AnswerMemory(1 << 20, ttl_s=60)
    memory.put(1, 1, FRANCE, answer())
    memory.put(1, 1, FRANCE, answer(fresh_until=time.time() - 1, expires_at=time.time() + 60))
    assert memory.get(1, 1, FRANCE) is None


def test_an_answer_that_has_expired_is_not_held() -> None:
    memory = answers()
    memory.put(1, 1, FRANCE, answer(expires_at=time.time() - 1))
    assert memory.get(1, 1, FRANCE) is None


def test_a_new_answer_takes_the_place_of_the_old_one() -> None:
    memory = answers()
    memory.put(1, 1, FRANCE, answer(text="old"))
    memory.put(1, 1, FRANCE, answer(text="new"))
    held = memory.get(1, 1, FRANCE)
    assert held is not None
    assert held.answer.text == "new"


@pytest.mark.parametrize("size", [10, 1_000, 20_000])
@pytest.mark.parametrize("letter", ["a", "ж", "\U0001f600", '"'])
def test_the_bound_holds_in_the_bytes_that_python_really_takes(letter: str, size: int) -> None:
    assert_bounded(lambda number: said(f"{letter * size}{number}"))


@pytest.mark.parametrize(
    "more",
    [
        lambda: {"reasoning_content": "".join(["thinking " * 500, "done"])},
        lambda: {"annotations": [{"url": f"https://a.example/{n}", "place": [n, -1]} for n in range(20)]},
        lambda: {"logprobs": [[] for _ in range(300)]},
    ],
)
def test_what_a_message_holds_besides_its_text_counts_too(more: Callable[[], dict[str, Any]]) -> None:
    assert_bounded(lambda number: said(f"short {number}", **more()))


def said(text: str, **more: Any) -> StoredAnswer:
    """Return an answer as it comes out of JSON: text and content are strings of their own."""
    message = {"role": "assistant", "content": text.encode().decode(), **more}
    return answer(text=text, message=message, entry=uuid4(), request_id=uuid4())


def assert_bounded(make: Callable[[int], StoredAnswer]) -> None:
    bound = 400_000
    memory = answers(bound)
    tracemalloc.start()
    try:
        for number in range(600):
            memory.put(1, 1, number.to_bytes(32), make(number))
        taken = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert taken <= 1.25 * bound
