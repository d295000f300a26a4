import asyncio
import time
from uuid import uuid4

import pytest
from prometheus_client import REGISTRY

from caching.storing import Storer
from caching.testing import DictEmbedder, MemoryAskedStore, MemoryExactStore, MemorySemanticStore
from tests.caching_values import EMBEDDER, answer, asked_hit, direction, entry, prints


class Parts:
    def __init__(self) -> None:
        self.exact = MemoryExactStore()
        self.semantic = MemorySemanticStore()
        self.embedder = DictEmbedder({prints().text: direction(1.0)})
        self.asked = MemoryAskedStore()
        self.storer = Storer(self.exact, self.semantic, self.embedder, self.asked, max_pending=10)


@pytest.fixture
def parts() -> Parts:
    return Parts()


async def test_both_layers_keep_the_answer_without_a_second_embedding(parts: Parts) -> None:
    parts.storer.store(1, prints(), answer(), vector=direction(1.0), exact=True, semantic=True)
    await parts.storer.drain()
    assert list(parts.exact.answers) == [(1, prints().exact)]
    assert list(parts.semantic.entries) == [(1, prints().exact, EMBEDDER)]
    assert parts.embedder.asked == []


async def test_without_a_vector_the_question_is_embedded_in_the_background(parts: Parts) -> None:
    parts.storer.store(1, prints(), answer(), exact=False, semantic=True)
    await parts.storer.drain()
    assert parts.embedder.asked == [(1, prints().text)]
    assert len(parts.semantic.entries) == 1


@pytest.mark.parametrize("exact", [True, False])
async def test_only_the_layers_asked_for_keep_the_answer(parts: Parts, exact: bool) -> None:
    parts.storer.store(1, prints(), answer(), vector=direction(1.0), exact=exact, semantic=not exact)
    await parts.storer.drain()
    assert (len(parts.exact.answers), len(parts.semantic.entries)) == (int(exact), int(not exact))


@pytest.mark.parametrize("finish_reason", ["length", "tool_calls", "content_filter", ""])
async def test_an_incomplete_answer_is_never_kept(parts: Parts, finish_reason: str) -> None:
    with pytest.raises(ValueError, match="never kept"):
        parts.storer.store(1, prints(), answer(finish_reason=finish_reason), exact=True, semantic=True)
    assert not parts.exact.answers


async def test_the_exact_copy_of_a_semantic_hit_inherits_entry_and_expiry(parts: Parts) -> None:
    served = answer()
    parts.storer.copy_to_exact(1, prints("France's capital?"), served)
    await parts.storer.drain()
    kept, until = parts.exact.answers[1, prints("France's capital?").exact]
    assert kept == served
    assert until <= served.expires_at


async def test_dead_layers_cost_the_caller_nothing(parts: Parts, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    parts.exact.broken = parts.semantic.broken = "timeout"
    parts.storer.store(1, prints(), answer(), vector=direction(1.0), exact=True, semantic=True)
    await parts.storer.drain()
    assert [(record.message, record.__dict__["layer"]) for record in caplog.records] == [
        ("answer not kept", "exact"),
        ("answer not kept", "semantic"),
    ]


async def test_writes_beyond_the_bound_are_dropped(parts: Parts) -> None:
    for number in range(30):
        parts.storer.store(1, prints(f"question {number}"), answer(), exact=True, semantic=False)
    await parts.storer.drain()
    assert len(parts.exact.answers) == 10


async def test_a_caller_that_hangs_up_does_not_stop_the_write(parts: Parts) -> None:
    async def call() -> None:
        parts.storer.store(1, prints(), answer(), exact=True, semantic=False)
        await asyncio.sleep(60)

    caller = asyncio.create_task(call())
    await asyncio.sleep(0)
    caller.cancel()
    await parts.storer.drain()
    assert len(parts.exact.answers) == 1


async def test_where_staffs_answer_stands_the_new_one_serves_from_neither_layer(parts: Parts) -> None:
    by_hand = entry(prints().text, direction(1.0))
    await parts.semantic.add(1, by_hand)
    parts.semantic.pin(1, by_hand.answer.entry)
    parts.storer.store(1, prints(), answer(), vector=direction(1.0), exact=True, semantic=True)
    await parts.storer.drain()
    assert not parts.exact.answers
    assert [each.answer for each in parts.semantic.entries.values()] == [by_hand.answer]


async def test_a_note_of_a_hit_that_cannot_be_kept_is_counted(parts: Parts) -> None:
    parts.asked.broken = "timeout"
    parts.storer.remember(1, uuid4(), asked_hit(), expires_at=time.time() + 60)
    await parts.storer.drain()
    assert REGISTRY.get_sample_value(
        "halfpenny_cache_unstored_total", {"layer": "asked", "reason": "timeout"}
    )
