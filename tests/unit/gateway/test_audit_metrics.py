from gateway.audit_metrics import WrongHits


def shown(metrics: WrongHits) -> dict[str, float]:
    [family] = metrics.collect()
    return {sample.labels["bound"]: round(sample.value, 4) for sample in family.samples}


def test_the_share_of_audited_hits_comes_with_its_exact_interval() -> None:
    metrics = WrongHits()
    for _ in range(45):
        metrics.observe("audit", "same", "exact")
    for _ in range(15):
        metrics.observe("audit", "different", "judge")
    assert shown(metrics) == {"low": 0.1472, "high": 0.3786, "point": 0.25}


def test_what_is_no_told_audit_counts_for_nothing() -> None:
    metrics = WrongHits()
    metrics.observe("audit", "unsure", "")
    metrics.observe("shadow", "different", "exact")
    metrics.observe("near_miss", "same", "exact")
    assert shown(metrics) == {"low": 0.0, "high": 1.0}
