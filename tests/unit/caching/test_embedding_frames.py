from uuid import UUID, uuid4

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from caching import embedding_frames
from caching.embedding_frames import BrokenFrame
from caching.vectors import Vector, vector_of

VECTOR = vector_of("all-MiniLM-L6-v2", np.array([0.6, 0.8], dtype=np.float32))


def test_a_reply_keeps_the_order_of_vectors_and_reasons() -> None:
    batch = uuid4()
    reply = embedding_frames.load(
        embedding_frames.dump(batch, VECTOR.embedder_id, ["too_long", VECTOR, "invalid"])
    )
    assert reply.batch == batch
    assert reply.outcomes[0] == "too_long"
    assert reply.outcomes[2] == "invalid"
    assert isinstance(reply.outcomes[1], Vector)
    assert reply.outcomes[1].embedder_id == "all-MiniLM-L6-v2"
    assert reply.outcomes[1].to_bytes() == VECTOR.to_bytes()


def test_a_reason_of_the_model_that_the_format_does_not_know_is_invalid() -> None:
    reply = embedding_frames.load(embedding_frames.dump(uuid4(), "e", ["refused"]))
    assert reply.outcomes == ("invalid",)


def test_a_frame_of_another_version_is_refused() -> None:
    frame = embedding_frames.dump(UUID(int=1), "e", [])
    with pytest.raises(BrokenFrame):
        embedding_frames.load(b"\x02" + frame[1:])


@given(st.integers(min_value=0, max_value=len(embedding_frames.dump(UUID(int=1), "e", [VECTOR])) - 1))
def test_a_cut_frame_is_refused(length: int) -> None:
    with pytest.raises(BrokenFrame):
        embedding_frames.load(embedding_frames.dump(UUID(int=1), "e", [VECTOR])[:length])


@given(st.binary(max_size=200))
def test_any_bytes_are_a_reply_or_refused(frame: bytes) -> None:
    try:
        embedding_frames.load(frame)
    except BrokenFrame:
        return
