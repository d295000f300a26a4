"""`POST /v1/embeddings` serves the embedding worker's vectors in OpenAI's form."""

import asyncio
import base64
from typing import Any

import httpx
import numpy as np
import pytest
from asgiref.sync import sync_to_async

from caching.embedding import EmbeddingUnavailable
from caching.vectors import Vector
from gateway import embeddings_api
from tenants.services import key_issue
from tests.gateway_house import House, WordEmbedder, bearer

EMBEDDER = "all-MiniLM-L6-v2"


async def embed(house: House, key: str | None = None, **body: Any) -> httpx.Response:
    return await house.client.post("/v1/embeddings", json=body, headers=bearer(key or house.alice))


def embedder_of(house: House) -> WordEmbedder:
    assert isinstance(house.parts.embedder, WordEmbedder)
    return house.parts.embedder


async def test_texts_get_their_vectors_in_order(house: House) -> None:
    answer = await embed(house, input=["the sky", "the sea", "the sky"], model=EMBEDDER)
    assert answer.status_code == 200
    body = answer.json()
    assert [each["index"] for each in body["data"]] == [0, 1, 2]
    vectors = [np.array(each["embedding"]) for each in body["data"]]
    assert {len(vector) for vector in vectors} == {384}
    assert (vectors[0] == vectors[2]).all()
    assert not (vectors[0] == vectors[1]).all()
    assert (body["object"], body["model"]) == ("list", EMBEDDER)
    assert body["usage"]["prompt_tokens"] == body["usage"]["total_tokens"] > 0
    assert [text for _, text in embedder_of(house).asked] == ["the sky", "the sea"]


async def test_base64_holds_the_same_numbers(house: House) -> None:
    plain = (await embed(house, input="the sky")).json()["data"][0]["embedding"]
    packed = (await embed(house, input="the sky", encoding_format="base64")).json()["data"][0]["embedding"]
    assert np.frombuffer(base64.b64decode(packed), dtype="<f4").tolist() == pytest.approx(plain)


async def test_the_call_is_recorded_counted_and_has_the_usual_headers(house: House) -> None:
    answer = await embed(house, input="the sky", model="auto", user="somebody")
    (record,) = house.records
    assert (record.endpoint, record.status, record.cost_nano) == ("/v1/embeddings", 200, 0)
    assert (record.model_asked, record.model, record.provider) == ("auto", EMBEDDER, "halfpenny")
    assert (record.cache_status, record.cache_reason, record.input_tokens) == ("bypass", "embeddings", 2)
    assert {"x-request-id", "ratelimit", "server-timing", "x-content-type-options"} <= set(answer.headers)
    assert answer.headers["x-gateway-cache"] == "bypass"


async def test_a_key_beyond_its_limit_is_refused(house: House, one_window: None) -> None:
    issued = await sync_to_async(key_issue)(house.tenant, label="slow", requests_per_minute=1)
    assert (await embed(house, issued.plaintext, input="one")).status_code == 200
    refused = await embed(house, issued.plaintext, input="two")
    assert refused.status_code == 429
    assert int(refused.headers["retry-after"]) >= 1


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "input"),
        ({"input": []}, "input"),
        ({"input": ""}, "input"),
        ({"input": ["fine", "  "]}, "input"),
        ({"input": [1, 2, 3]}, "input"),
        ({"input": [[1, 2], [3]]}, "input"),
        ({"input": ["word"] * (embeddings_api.MOST_TEXTS + 1)}, "input"),
        ({"input": "x" * 40_001}, "input"),
        ({"input": "fine", "dimensions": 100}, "dimensions"),
        ({"input": "fine", "encoding_format": "int8"}, "encoding_format"),
        ({"input": "fine", "model": 5}, "model"),
    ],
)
async def test_what_makes_no_sense_is_refused_and_named(house: House, body: Any, param: str) -> None:
    answer = await embed(house, **body)
    assert answer.status_code == 400
    assert (answer.json()["error"]["code"], answer.json()["error"]["param"]) == ("invalid_request", param)
    assert house.records[-1].status == 400


async def test_the_models_own_dimensions_are_taken(house: House) -> None:
    assert (await embed(house, input="fine", dimensions=384)).status_code == 200


async def test_other_models_are_unknown_and_others_models_forbidden(house: House) -> None:
    unknown = await embed(house, input="fine", model="text-embedding-3-small")
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "model_not_found")
    issued = await sync_to_async(key_issue)(house.tenant, label="narrow", models=["small-1"])
    forbidden = await embed(house, issued.plaintext, input="fine")
    assert (forbidden.status_code, forbidden.json()["error"]["code"]) == (403, "model_not_allowed")


async def test_without_a_key_nothing_is_embedded(house: House) -> None:
    assert (await house.client.post("/v1/embeddings", json={"input": "fine"})).status_code == 401
    assert embedder_of(house).asked == []


class BrokenEmbedder(WordEmbedder):
    """Unavailable for patient texts, and maybe for others too."""

    def __init__(self, patient: str, prompt: str | None) -> None:
        super().__init__()
        self.patient, self.prompt = patient, prompt

    async def embed(self, tenant_id: int, text: str) -> Vector:
        if self.prompt:
            raise EmbeddingUnavailable(self.prompt)
        return await super().embed(tenant_id, text)

    async def embed_patiently(self, tenant_id: int, text: str) -> Vector:
        raise EmbeddingUnavailable(self.patient)


@pytest.mark.parametrize(
    ("patient", "prompt", "status", "code"),
    [
        ("too_long", None, 400, "invalid_request"),
        ("invalid", None, 400, "invalid_request"),
        ("timeout", None, 503, "embedder_unavailable"),
        ("breaker_open", "breaker_open", 503, "embedder_unavailable"),
    ],
)
async def test_a_worker_that_gives_no_vector_is_told(
    house: House, patient: str, prompt: str | None, status: int, code: str
) -> None:
    house.parts.embedder = BrokenEmbedder(patient, prompt)  # type: ignore[assignment]
    answer = await embed(house, input="fine")
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert ("retry-after" in answer.headers) == (status == 503)


async def test_a_worker_that_was_silent_is_tried_again(house: House) -> None:
    house.parts.embedder = BrokenEmbedder("breaker_open", None)  # type: ignore[assignment]
    assert (await embed(house, input="fine")).status_code == 200


class StuckEmbedder(WordEmbedder):
    async def embed_patiently(self, tenant_id: int, text: str) -> Vector:
        await asyncio.sleep(3600)
        raise AssertionError("nobody waits that long")


async def test_a_worker_that_takes_too_long_is_given_up(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.parts.embedder = StuckEmbedder()  # type: ignore[assignment]
    monkeypatch.setattr(embeddings_api, "MOST_SECONDS", 0.05)
    assert (await embed(house, input="fine")).status_code == 503


async def test_a_draining_process_refuses(house: House) -> None:
    house.parts.draining = True
    answer = await embed(house, input="fine")
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "draining")
