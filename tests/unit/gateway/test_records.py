from uuid import uuid4

from analytics.record import CallRecord
from gateway.records import log_fields


def record(**fields: object) -> CallRecord:
    known: dict[str, object] = {
        "id": uuid4(),
        "tenant_id": 1,
        "started_at": 1.0,
        "key_public_id": "k",
        "endpoint": "/chat",
        "status": 200,
        "total_ms": 1.234,
    }
    return CallRecord(**{**known, **fields})  # type: ignore[arg-type]


def test_the_log_line_names_the_layer_that_answered() -> None:
    layers = [
        log_fields(record(cache_status=status))["layer"]
        for status in ("hit_exact", "hit_semantic", "miss", "")
    ]
    assert layers == ["l1", "l2", "upstream", "none"]


def test_what_callers_write_freely_is_not_logged() -> None:
    logged = log_fields(record(client_request_id="canary-1", tags=("canary-2",), model_asked="canary-3"))
    assert "canary" not in str(logged)
