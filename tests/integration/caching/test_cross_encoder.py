import math
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from caching.breaker import Breaker
from caching.cross_encoder import CrossEncoderVerifier
from caching.verification import CeleryCrossEncoder, VerifierUnavailable
from tests.embedding_worker import EmbeddingWorker, start_worker
from tests.own_valkey import OwnValkey, own_valkey
from tests.tiny_cross_encoder import save_cross_encoder

PATIENT = 30.0
QUESTION = "how boil eggs?"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_cross_encoder(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def in_process(model: Path) -> CrossEncoderVerifier:
    return CrossEncoderVerifier(str(model), device="cpu", threads=1)


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnValkey]:
    """One of its own: the run's other worker has no cross-encoder and must not take these tasks."""
    with own_valkey(tmp_path_factory.mktemp("broker") / "valkey") as server:
        yield server


@pytest.fixture(scope="module")
def worker(model: Path, broker: OwnValkey) -> Iterator[EmbeddingWorker]:
    os.environ["CROSS_ENCODER"] = str(model)
    try:
        started = start_worker("cross-encoder-worker", broker_url=broker.url)
    finally:
        del os.environ["CROSS_ENCODER"]
    yield started
    started.stop()


@pytest.fixture
async def cross_encoder(
    model: Path, worker: EmbeddingWorker, broker: OwnValkey, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[CeleryCrossEncoder]:
    monkeypatch.setenv("CELERY_BROKER_WRITE_URL", broker.url)
    verifier = CeleryCrossEncoder(str(model), budget_seconds=PATIENT)
    yield verifier
    await verifier.close()


def test_a_pair_that_the_model_cannot_read_whole_has_no_score(in_process: CrossEncoderVerifier) -> None:
    short, long = in_process.scores(QUESTION, ["eggs?", "a " * 100])
    assert 0.0 < short < 1.0
    assert math.isnan(long)


def test_a_model_of_several_scores_is_refused(tmp_path: Path) -> None:
    model = save_cross_encoder(tmp_path / "three", labels=3)
    with pytest.raises(ValueError, match="gives 3 scores"):
        CrossEncoderVerifier(str(model), device="cpu", threads=1)


async def test_the_workers_scores_are_those_of_the_model(
    cross_encoder: CeleryCrossEncoder, in_process: CrossEncoderVerifier
) -> None:
    stored = ["boil eggs", "how?", "a b c", "a " * 100]
    verifier = await cross_encoder.judge(QUESTION, stored)
    assert verifier.version == in_process.version
    for text in stored[:3]:
        assert verifier.score(QUESTION, text, 0.9) == pytest.approx(
            in_process.score(QUESTION, text, 0.9), abs=1e-5
        )
    assert math.isnan(verifier.score(QUESTION, stored[3], 0.9))


async def test_nobody_is_asked_about_nothing(cross_encoder: CeleryCrossEncoder) -> None:
    cross_encoder._breaker = Breaker(failures_to_open=1)
    cross_encoder._breaker.failed()
    assert (await cross_encoder.judge(QUESTION, [])).version.endswith("tiny")


async def test_a_frozen_worker_costs_the_budget_a_few_times_and_then_nothing(
    model: Path, worker: EmbeddingWorker, broker: OwnValkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CELERY_BROKER_WRITE_URL", broker.url)
    verifier = CeleryCrossEncoder(str(model), budget_seconds=0.2)
    worker.freeze()
    try:
        reasons = [await _reason(verifier) for _ in range(4)]
    finally:
        worker.thaw()
        await verifier.close()
    assert set(reasons[:3]) <= {"timeout", "broker"}
    assert reasons[3] == "breaker_open"


async def _reason(verifier: CeleryCrossEncoder) -> str:
    with pytest.raises(VerifierUnavailable) as caught:
        await verifier.judge(QUESTION, ["eggs"])
    return caught.value.reason
