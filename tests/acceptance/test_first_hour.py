"""What a newcomer sees, and what an operator tries to break, on the whole running product."""

import json
import signal
import subprocess
from decimal import Decimal
from typing import Any
from uuid import uuid4

import httpx
import psutil

from tests.acceptance.stack import Stack, eventually


def marked(prompt: str) -> str:
    """Return a prompt that no other test has asked."""
    return f"{prompt} ({uuid4().hex[:6]})"


def test_the_first_four_questions(stack: Stack) -> None:
    first = stack.ask("What is the capital of France?")
    assert first["cache"]["status"] == "miss"
    assert eventually(lambda: stack.ask("What is the capital of France?")["cache"]["status"] == "hit_exact")

    rephrased = answered_by_meaning(stack, "Which city is the capital of France?")
    assert 0.85 <= rephrased["cache"]["similarity"] < 1
    assert rephrased["answer"] == first["answer"]

    assert stack.ask("What is the capital of France?", other=True)["cache"]["status"] == "miss"


def answered_by_meaning(stack: Stack, prompt: str) -> dict[str, Any]:
    """Ask until the semantic cache answers: on a busy machine an embedding may miss its budget."""
    answers: list[dict[str, Any]] = []

    def hit() -> bool:
        answers.append(stack.ask(prompt, cache={"mode": "read_only"}))
        return bool(answers[-1]["cache"]["status"] == "hit_semantic")

    assert eventually(hit), answers[-1]
    return answers[-1]


def test_the_entry_lies_in_postgres_and_the_vector_in_redis(stack: Stack) -> None:
    stack.ask("What is the capital of Portugal?")
    find = "SELECT vector_dims(vector::vector) FROM caching_cacheentry WHERE question = %s AND tenant_id = %s"
    tenant = stack.rows("SELECT id FROM tenants_tenant WHERE slug = 'acme'")[0][0]
    question = "What is the capital of Portugal?"
    assert eventually(lambda: stack.rows(find, question, tenant) == [(384,)])
    with stack.cache() as cache:
        vectors = list(cache.scan_iter(match=f"hp:{{{tenant}}}:vector:*"))
        assert vectors
        assert {cache.strlen(key) for key in vectors} == {4 * 384}


def test_stats_add_up_exactly_with_the_rows(stack: Stack) -> None:
    for prompt in ("What is the capital of Spain?", "What is the capital of Spain?", "Hello there"):
        stack.ask(prompt)
    stack.call("POST", "/chat", json={"prompt": ""})
    sums = (
        "SELECT count(*), count(*) FILTER (WHERE cache_status = 'hit_exact'),"
        " count(*) FILTER (WHERE cache_status = 'hit_semantic'), sum(cost_nano), sum(saved_nano)"
        " FROM analytics_requestrecord r JOIN tenants_tenant t ON t.id = r.tenant_id WHERE t.slug = 'acme'"
    )

    def agree() -> bool:
        count, exact, semantic, cost, saved = stack.rows(sums)[0]
        totals = stack.stats()
        return (
            (totals["requests"], totals["hits_exact"], totals["hits_semantic"]) == (count, exact, semantic)
            and Decimal(totals["cost_usd"]) == Decimal(cost) / 10**9
            and Decimal(totals["saved_usd"]) == Decimal(saved) / 10**9
        )

    assert eventually(agree)


def test_an_expired_entry_is_no_hit_and_is_swept(stack: Stack) -> None:
    question = marked("Name a river in Brazil")
    stack.ask(question, cache={"ttl": 2})
    count = "SELECT count(*) FROM caching_cacheentry WHERE question = %s"
    assert eventually(lambda: stack.rows(count, question) == [(1,)])
    assert eventually(lambda: stack.ask(question, cache={"mode": "read_only"})["cache"]["status"] == "miss")
    assert eventually(lambda: stack.rows(count, question) == [(0,)])


def test_a_frozen_worker_costs_no_answer(stack: Stack) -> None:
    stack.signal("HALFPENNY_WORKER_PIDS", signal.SIGSTOP)
    try:
        answers = [stack.ask(marked("Why do cats purr")) for _ in range(4)]
    finally:
        stack.signal("HALFPENNY_WORKER_PIDS", signal.SIGCONT)
    assert {answer["cache"]["status"] for answer in answers} == {"error"}
    reasons = {answer["cache"]["reason"] for answer in answers}
    assert all(reason.startswith("embedding_") for reason in reasons)
    assert eventually(lambda: stack.ask(marked("Why do cats purr"))["cache"]["status"] != "error")


def test_a_killed_ingest_loses_and_doubles_nothing(stack: Stack) -> None:
    count = "SELECT count(*), count(DISTINCT id) FROM analytics_requestrecord"
    assert eventually(lambda: stack.stats()["requests"] == all_rows_of_acme(stack))
    (before, _), *_ = stack.rows(count)
    for _ in range(3):
        stack.signal("HALFPENNY_INGEST_PIDS", signal.SIGKILL)
        killed = stack.env["HALFPENNY_INGEST_PIDS"]
        for _ in range(20):
            stack.ask("What is the capital of France?")
        assert eventually(lambda gone=killed: stack.env["HALFPENNY_INGEST_PIDS"] != gone)  # type: ignore[misc]
    assert eventually(lambda: stack.rows(count) == [(before + 60, before + 60)])


def all_rows_of_acme(stack: Stack) -> int:
    query = (
        "SELECT count(*) FROM analytics_requestrecord r JOIN tenants_tenant t ON t.id = r.tenant_id"
        " WHERE t.slug = 'acme'"
    )
    return int(stack.rows(query)[0][0])


def test_a_revoked_key_is_refused_within_the_running_process(stack: Stack) -> None:
    issued = json.loads(stack.manage("key_issue", "globex", "--label", "short-lived", "--json"))
    assert post(stack, issued["key"]) == 200
    stack.manage("key_revoke", issued["public_id"])
    assert eventually(lambda: post(stack, issued["key"]) == 401)


def post(stack: Stack, key: str) -> int:
    headers = {"authorization": f"Bearer {key}"}
    url = f"{stack.env['HALFPENNY_URL']}/chat"
    return httpx.post(url, json={"prompt": "Hello"}, headers=headers, timeout=30, trust_env=False).status_code


def test_the_doctor_finds_nothing_wrong(stack: Stack) -> None:
    def finds_nothing() -> bool:
        try:
            report = stack.manage("doctor", "--json")
        except subprocess.CalledProcessError:
            # Until half a minute after the start no scheduled task has run.
            return False
        return "failed" not in json.dumps(json.loads(report))

    assert eventually(finds_nothing)


def test_the_web_process_holds_no_model(stack: Stack) -> None:
    (pid,) = stack.env["HALFPENNY_WEB_PIDS"].split()
    mapped = " ".join(region.path for region in psutil.Process(int(pid)).memory_maps())
    assert "torch" not in mapped
