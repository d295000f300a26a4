import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from caching.models import CachePolicy
from routing.freshness import load_model
from tenants.services import tenant_create

ROWS: list[dict[str, Any]] = [
    {"query": "Why do cats purr?", "dynamic": 0},
    {"query": "What does the word hubris mean?", "dynamic": 0},
    {"query": "How do I knit a scarf?", "dynamic": 0},
    {"query": "Who wrote the first opera?", "dynamic": 0},
    {"query": "What is the weather like in Lima right now?", "dynamic": 1},
    {"query": "how is traffic on the bridge", "dynamic": 1, "kind": "live"},
    {"query": "do i have unread messages", "dynamic": 1, "kind": "personal"},
    {"query": "Who is the mayor of Cusco?", "dynamic": 1, "rate": "slow"},
]


def written(path: Path, rows: list[dict[str, Any]]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def printed(capsys: pytest.CaptureFixture[str], *options: str) -> dict[str, Any]:
    call_command(*options, "--json")
    (line,) = capsys.readouterr().out.splitlines()
    found: dict[str, Any] = json.loads(line)
    return found


def test_the_score_is_measured_row_by_row(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = printed(
        capsys,
        "freshness_eval",
        "--data",
        written(tmp_path / "asked.jsonl", ROWS),
        "--rows",
        str(tmp_path / "rows"),
    )
    rows = [json.loads(line) for line in (tmp_path / "rows").read_text().splitlines()]
    assert [row["kind"] for row in rows[:4]] == ["static"] * 4
    assert [row["kind"] for row in rows[4:]] == ["live", "live", "personal", "slow"]
    assert [row["bypass"] for row in rows] == [False] * 4 + [True, True, True, False]
    assert (found["n"], found["auc"], found["recall"], found["precision"], found["fpr"]) == (8, 1, 1, 1, 0)
    assert found["bypass"] == {"recall": 0.75, "fpr": 0.0}
    assert found["bypass_by_rules"]["fpr"] == 0.0


def test_rates_of_nothing_are_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = printed(capsys, "freshness_eval", "--data", written(tmp_path / "static.jsonl", ROWS[:2]))
    assert (found["auc"], found["recall"], found["precision"], found["fpr"]) == (None, None, None, 0)


def test_a_row_without_its_label_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="line 1: 'dynamic'"):
        call_command("freshness_eval", "--data", written(tmp_path / "bad.jsonl", [{"query": "Why?"}]))


def test_a_model_is_trained_into_a_file_with_its_card(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    card = printed(
        capsys,
        "freshness_train",
        "--data",
        written(tmp_path / "asked.jsonl", ROWS * 5),
        "--static",
        written(tmp_path / "plain.jsonl", [{"prompt": row["query"]} for row in ROWS[:4]]),
        "--out",
        str(tmp_path / "model.json"),
        "--model-version",
        "test",
        "--also",
        "its-twin",
    )
    model = load_model(tmp_path / "model.json")
    assert (model.version, sorted(model.embedder_ids)) == ("test", [card["embedder"], "its-twin"])
    assert card["data"]["asked"] == {"rows": 40, "dynamic": 20, "ordinary": False}
    assert card["data"]["plain"]["ordinary"] is True
    assert model.score("Why do dogs bark?", None, None).kind == "static"


@pytest.mark.django_db(transaction=True)
def test_a_tenants_cut_is_fitted_to_its_own_labels(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tenant = tenant_create("labelled", name="Labelled")
    data = written(tmp_path / "own.jsonl", ROWS)
    shown = printed(capsys, "freshness_train", "--data", data, "--tenant", "labelled", "--dry-run")
    assert CachePolicy.objects.get(tenant=tenant).freshness_cut is None
    found = printed(capsys, "freshness_train", "--data", data, "--tenant", "labelled")
    assert CachePolicy.objects.get(tenant=tenant).freshness_cut == shown["cut"] == found["cut"]
    assert (found["n"], found["recall"], found["fpr"], found["set"]) == (8, 1.0, 0.0, True)


@pytest.mark.django_db
def test_a_cut_needs_a_tenant_and_static_labels(tmp_path: Path) -> None:
    data = written(tmp_path / "own.jsonl", ROWS[4:])
    with pytest.raises(CommandError, match="no tenant"):
        call_command("freshness_train", "--data", data, "--tenant", "nobody")
    tenant_create("labelled", name="Labelled")
    with pytest.raises(CommandError, match="no static question"):
        call_command("freshness_train", "--data", data, "--tenant", "labelled")
