import threading

import psycopg
import pytest
import redis

from gateway.doctor.examining import EXAMINATIONS, examine
from gateway.doctor.verdicts import Verdict, ok


def raising(error: Exception) -> Verdict:
    raise error


def test_a_frozen_part_is_given_up_and_the_others_are_told() -> None:
    for_ever = threading.Event()
    examinations = {"frozen": lambda: ok(str(for_ever.wait())), "quick": lambda: ok("fine")}
    frozen, quick = examine(["frozen", "quick"], seconds=1.5, examinations=examinations)
    assert (frozen.state, quick.state) == ("failed", "ok")
    assert "no answer within 1.5 s" in frozen.detail
    for_ever.set()


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (redis.TimeoutError("slow"), "start it"),
        (psycopg.OperationalError("refused"), "start it"),
        (psycopg.errors.UndefinedTable("no such table"), "migrate"),
        (ConnectionRefusedError("refused"), "start it"),
    ],
)
def test_an_unreachable_server_is_a_finding(error: Exception, remedy: str) -> None:
    (finding,) = examine(["server"], examinations={"server": lambda: raising(error)})
    assert finding.state == "failed"
    assert str(error) in finding.detail
    assert remedy in finding.remedy


def test_a_fault_of_the_doctor_hides_nothing_else() -> None:
    examinations = {"broken": lambda: raising(KeyError("oops")), "other": lambda: ok("fine")}
    broken, other = examine(["broken", "other"], examinations=examinations)
    assert (broken.state, other.state) == ("failed", "ok")


def test_findings_come_in_the_order_of_the_list_whatever_was_asked_first() -> None:
    examinations = {name: lambda: ok("fine") for name in ("a", "b", "c")}
    assert [each.name for each in examine(["c", "a"], examinations=examinations)] == ["a", "c"]


def test_every_part_of_a_deployment_is_examined() -> None:
    assert {"postgres", "cache_redis", "state_redis", "broker", "embedding_worker", "beat", "ingest"} < set(
        EXAMINATIONS
    )
