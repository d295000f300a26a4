"""The command that trains a verifier, on a few made-up rows and an embedder of letters."""

import json
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.utils import timezone

from caching.embedder import Encoded
from caching.models import JudgedPair
from caching.verifier import load_verifier
from tenants.models import Tenant

_THINGS = [
    "door",
    "boat",
    "fence",
    "kite",
    "lamp",
    "drum",
    "bench",
    "wheel",
    "stove",
    "clock",
    "chair",
    "vase",
]
_DEEDS = ["paint", "mend", "clean", "build", "sell"]


class LetterEncoder:
    """Texts of the same letters come out alike."""

    embedder_id = "letters"

    def encode(self, texts: Sequence[str]) -> list[Encoded]:
        return [self._vector(text.lower()) for text in texts]

    def _vector(self, text: str) -> Encoded:
        vector = np.zeros(256, np.float32)
        for place in range(len(text) - 1):
            vector[zlib.crc32(text[place : place + 2].encode()) % 256] += 1
        return vector / np.float32(np.linalg.norm(vector) or 1)


@pytest.fixture(autouse=True)
def _letters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.management.commands.verifier_train.load_encoder", LetterEncoder)


def _written(path: Path, rows: list[dict[str, Any]]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def _pairs(path: Path) -> str:
    rows = [
        {"a": f"How do I {deed} a {thing}?", "b": f"How can I {deed} a {other}?", "same": int(thing == other)}
        for deed in _DEEDS
        for place, thing in enumerate(_THINGS)
        for other in (thing, _THINGS[place - 1])
    ]
    return _written(path, rows)


def _trained(out: Path, *options: str) -> bytes:
    call_command(
        "verifier_train", *options, "--out", str(out), "--trees", "15", "--templates", "8", "--name", "test"
    )
    return (out / "letters.json.gz").read_bytes()


def test_a_verifier_comes_out_of_pairs_streams_and_texts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stream = [
        {"query": f"How do I {deed} a {thing}?", "class": thing} for thing in _THINGS for deed in _DEEDS
    ]
    texts = [
        {"prompt": f"Is it hard to {deed} a {thing} before winter?"} for thing in _THINGS for deed in _DEEDS
    ]
    _trained(
        tmp_path / "models",
        "--pairs", _pairs(tmp_path / "pairs.jsonl"),
        "--streams", _written(tmp_path / "asked.jsonl", stream),
        "--texts", _written(tmp_path / "texts.jsonl", texts),
        "--source", "made up, public domain",
    )  # fmt: skip
    verifier = load_verifier(tmp_path / "models" / "letters.json.gz", "letters")
    said = capsys.readouterr().out
    card = (tmp_path / "models" / "letters.card.md").read_text()
    assert verifier.version == "test"
    assert all(
        title in said for title in ("Folds by question", "Whole families left out", "Whole kinds of edits")
    )
    assert "made up, public domain" in card
    assert "| edits:texts |" in card
    assert "door" not in card


def test_the_same_rows_and_seed_make_the_same_file(tmp_path: Path) -> None:
    pairs = _pairs(tmp_path / "pairs.jsonl")
    first = _trained(tmp_path / "one", "--pairs", pairs, "--quick")
    assert first == _trained(tmp_path / "two", "--pairs", pairs, "--quick")
    assert first != _trained(tmp_path / "three", "--pairs", pairs, "--quick", "--seed", "8")


@pytest.mark.django_db
def test_a_tenants_verdicts_count(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tenant = Tenant.objects.create(name="Acme", slug="acme-verdicts")
    for place, thing in enumerate(_THINGS):
        JudgedPair.objects.create(
            tenant=tenant, origin=JudgedPair.Origin.AUDIT, request_id=uuid4(), entry=uuid4(), scope=b"s" * 32,
            embedder_id="letters", question=f"How long does a {thing} last?",
            stored_question=f"Does a {thing} last long?",
            similarity=0.9, floor=0.8, mode="strict", texts_until=timezone.now(), verdict="serve",
            label="same" if place % 2 else "different",
        )  # fmt: skip
    _trained(tmp_path, "--pairs", _pairs(tmp_path / "pairs.jsonl"), "--tenant", "acme-verdicts", "--quick")
    assert "verdicts" in capsys.readouterr().out


@pytest.mark.django_db
def test_a_tenant_that_does_not_exist_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="no tenant"):
        _trained(tmp_path, "--pairs", _pairs(tmp_path / "pairs.jsonl"), "--tenant", "nobody", "--quick")


def test_too_few_pairs_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="at least"):
        call_command("verifier_train", "--out", str(tmp_path), "--templates", "1")
