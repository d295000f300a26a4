"""The real client against the real demo upstream."""

import asyncio
import gc
import json
import logging
import traceback
from typing import Any

import pytest
from pytest_django import Settings

from gateway.failures import FailureKind, UpstreamFailure
from gateway.tokens import count
from gateway.upstream import HttpxUpstream, UpstreamAnswer
from routing.catalog import EncryptedKey
from routing.pricing import Usage
from tests.demo_upstream import SECRET, Demo, access, free_port, key, target, within


async def ask(
    upstream: HttpxUpstream,
    demo: Demo,
    model: str = "small-1",
    prompt: str = "What is the capital of France?",
    *,
    seconds: float = 60.0,
    **fields: Any,
) -> UpstreamAnswer:
    body = {"messages": [{"role": "user", "content": prompt}], **fields}
    return await upstream.ask(target(model), access(demo.base_url), key(), body, deadlines=within(seconds))


async def failure(
    upstream: HttpxUpstream, demo: Demo, model: str, *, seconds: float = 10.0
) -> UpstreamFailure:
    with pytest.raises(UpstreamFailure) as caught:
        await ask(upstream, demo, model, seconds=seconds)
    return caught.value


async def test_a_complete_answer_comes_back_checked(upstream: HttpxUpstream, demo: Demo) -> None:
    answer = await ask(upstream, demo)
    assert answer.text == "The capital of France is Paris."
    assert answer.message == {"role": "assistant", "content": answer.text}
    assert answer.finish_reason == "stop"
    assert answer.usage == Usage(input_tokens=11, output_tokens=7)
    assert not answer.estimated
    assert answer.upstream_id.startswith("demo-")
    assert demo.ledger()["by_model"] == {"small-1": 1}


async def test_the_targets_own_model_name_is_sent(upstream: HttpxUpstream, demo: Demo) -> None:
    body = {"model": "auto", "messages": [{"role": "user", "content": "Hi"}]}
    await upstream.ask(target("large-1"), access(demo.base_url), key(), body, deadlines=within(60))
    assert demo.ledger()["by_model"] == {"large-1": 1}


async def test_parameters_reach_the_upstream(upstream: HttpxUpstream, demo: Demo) -> None:
    answer = await ask(upstream, demo, max_tokens=3)
    assert answer.finish_reason == "length"
    assert answer.usage.output_tokens == 3


@pytest.mark.parametrize(
    ("model", "kind", "status"),
    [
        ("fault:400", FailureKind.REFUSED_REQUEST, 400),
        ("fault:422", FailureKind.REFUSED_REQUEST, 422),
        ("fault:401", FailureKind.REFUSED_KEY, 401),
        ("fault:403", FailureKind.REFUSED_KEY, 403),
        ("fault:402", FailureKind.OUT_OF_QUOTA, 402),
        ("fault:quota", FailureKind.OUT_OF_QUOTA, 429),
        ("fault:404", FailureKind.UNKNOWN_MODEL, 404),
        ("fault:408", FailureKind.TIMEOUT, 408),
        ("fault:429", FailureKind.RATE_LIMITED, 429),
        ("fault:500", FailureKind.OVERLOADED, 500),
        ("fault:529", FailureKind.OVERLOADED, 529),
        ("fault:302", FailureKind.REDIRECT, 302),
        ("fault:307", FailureKind.REDIRECT, 307),
        ("fault:badjson", FailureKind.INVALID_RESPONSE, 200),
        ("fault:html", FailureKind.INVALID_RESPONSE, 200),
        ("fault:error200", FailureKind.INVALID_RESPONSE, 200),
        ("fault:empty", FailureKind.INVALID_RESPONSE, 200),
        ("fault:null", FailureKind.INVALID_RESPONSE, 200),
        ("fault:gzip", FailureKind.INVALID_RESPONSE, 200),
        ("fault:truncated", FailureKind.TRUNCATED, 200),
        ("fault:huge", FailureKind.TOO_LARGE, 200),
        ("fault:echo-key", FailureKind.REFUSED_KEY, 401),
    ],
)
async def test_each_fault_is_told_apart(
    upstream: HttpxUpstream, demo: Demo, model: str, kind: FailureKind, status: int
) -> None:
    failed = await failure(upstream, demo, model)
    assert (failed.kind, failed.status) == (kind, status)
    assert demo.calls() == 1  # neither followed nor repeated


async def test_retry_after_is_read(upstream: HttpxUpstream, demo: Demo) -> None:
    assert (await failure(upstream, demo, "fault:429:9:7")).retry_after == 7.0
    assert (await failure(upstream, demo, "fault:500")).retry_after is None


@pytest.mark.parametrize("model", ["fault:hang", "fault:drip"])
async def test_the_deadline_ends_silence_and_slow_drips(
    upstream: HttpxUpstream, demo: Demo, model: str
) -> None:
    assert (await failure(upstream, demo, model, seconds=0.3)).kind is FailureKind.TIMEOUT


async def test_a_deadline_that_has_passed_asks_nobody(upstream: HttpxUpstream, demo: Demo) -> None:
    assert (await failure(upstream, demo, "small-1", seconds=-1.0)).kind is FailureKind.TIMEOUT
    assert demo.calls() == 0


@pytest.mark.parametrize("model", ["fault:no-usage", "fault:negative-usage", "fault:absurd-usage"])
async def test_usage_that_makes_no_sense_is_replaced_by_an_estimate(
    upstream: HttpxUpstream, demo: Demo, model: str
) -> None:
    answer = await ask(upstream, demo, model)
    assert answer.estimated
    assert answer.usage.output_tokens == count(answer.text)
    assert answer.usage.input_tokens > 0


async def test_a_closed_port_is_a_connection_failure(upstream: HttpxUpstream) -> None:
    failed = await failure(upstream, Demo(port=free_port()), "small-1")
    assert failed.kind is FailureKind.CONNECT


async def test_a_refused_address_is_never_connected_to(demo: Demo, settings: Settings) -> None:
    settings.UPSTREAM_ALLOWED_NETWORKS = []
    guarded = HttpxUpstream()
    assert (await failure(guarded, demo, "small-1")).kind is FailureKind.CONNECT
    await guarded.aclose()
    assert demo.calls() == 0


async def test_concurrent_calls_do_not_mix_their_answers(upstream: HttpxUpstream, demo: Demo) -> None:
    prompts = [f"What is {number} * 3?" for number in range(20)]
    answers = await asyncio.gather(*(ask(upstream, demo, prompt=prompt) for prompt in prompts))
    assert [answer.text for answer in answers] == [f"{number} * 3 = {number * 3}" for number in range(20)]


async def test_a_proxy_in_the_environment_is_not_used(demo: Demo, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    client = HttpxUpstream()
    assert (await ask(client, demo)).text
    await client.aclose()


async def test_a_key_that_the_upstream_echoes_is_nowhere_to_be_read(
    upstream: HttpxUpstream, demo: Demo, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    failed = await failure(upstream, demo, "fault:echo-key")
    shown = "".join(traceback.format_exception(failed)) + repr(failed) + str(failed) + repr(vars(failed))
    logged = "".join(json.dumps(vars(record), default=str) for record in caplog.records)
    assert failed.__context__ is None
    assert SECRET not in shown
    assert SECRET not in logged
    assert "Incorrect API key" not in shown + logged


async def test_a_connection_failure_does_not_carry_the_request_and_its_key(upstream: HttpxUpstream) -> None:
    failed = await failure(upstream, Demo(port=free_port()), "small-1")
    assert failed.__context__ is None
    assert failed.__cause__ is None


async def test_a_key_that_does_not_open_is_a_refused_key(upstream: HttpxUpstream, demo: Demo) -> None:
    moved = EncryptedKey(uid="another-row", ciphertext=key().ciphertext)
    with pytest.raises(UpstreamFailure) as caught:
        await upstream.ask(target("small-1"), access(demo.base_url), moved, {}, deadlines=within(60))
    assert caught.value.kind is FailureKind.REFUSED_KEY
    assert demo.calls() == 0


async def test_a_provider_without_keys_is_asked_without_one(upstream: HttpxUpstream, demo: Demo) -> None:
    body = {"messages": [{"role": "user", "content": "Hi"}]}
    with pytest.raises(UpstreamFailure) as caught:
        await upstream.ask(target("small-1"), access(demo.base_url), None, body, deadlines=within(60))
    assert caught.value.status == 401  # the demo upstream wants some key, as providers do


async def test_cancelling_a_call_ends_it(upstream: HttpxUpstream, demo: Demo) -> None:
    task = asyncio.create_task(ask(upstream, demo, "fault:hang"))
    while demo.calls() == 0:  # noqa: ASYNC110 (another process tells)
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    gc.collect()
    assert (await ask(upstream, demo)).text
