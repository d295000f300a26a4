from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from gateway.truth_page import BEGIN, END, NoMarks, picture, publish, tables, with_figures

RATES = {"n": 10, "same": 5, "hits": 4, "precision": 0.75, "recall": 0.6, "false_hit_rate": 0.2}
SERVED = {
    "n": 10,
    "hits": 4,
    "wrong": 1,
    "bypassed": 2,
    "hit_rate": 0.4,
    "wrong_hit_share": 0.25,
    "wrong_served_rate": 0.1,
    "ms_compared_p50": 0.7,
}
PAIR_POINTS = [
    {"threshold": at, "recall": 1 - at / 2, "false_hit_rate": 1 - at, "hit_rate": 0.5} for at in (0.2, 0.85)
]
STREAM_POINTS = [
    {"threshold": at, "hit_rate": 1 - at / 2, "wrong_hit_share": 0.1, "wrong_served_rate": 1 - at}
    for at in (0.2, 0.85)
]
FIGURES: dict[str, Any] = {
    "embedder": "words",
    "verifier": "v1",
    "pairs": {
        "own": {
            "alone": {mode: RATES | {"by_kind": {"number": RATES}} for mode in ("strict", "balanced")},
            "whole": dict.fromkeys(("strict", "balanced"), RATES),
            "cosine_by_kind": {"number": RATES},
            "curve": {
                "decision": PAIR_POINTS,
                "cosine": PAIR_POINTS,
                "p_chr_auc": {"decision": 0.9, "cosine": 0.5},
            },
            "guards": {"same": 30, "different": 20, "guards": {"numbers": {"refused": 0.05, "caught": 0.2}}},
        }
    },
    "stream": {
        "own": {
            "whole": dict.fromkeys(("strict", "balanced"), SERVED),
            "curve": {"decision": STREAM_POINTS, "cosine": STREAM_POINTS},
        }
    },
    "dynamic": {"own": {"n": 3, "auc": 0.91, "recall": 0.5, "precision": None, "fpr": 0.25}},
}


def test_tables_tell_the_figures() -> None:
    told = tables(FIGURES)
    assert "| `own` | 10 | 57.5 % / 15.0 % | 60.0 % / 20.0 % | 60.0 % / 20.0 % | 0.500 | 0.900 |" in told
    assert "| `own` | 10 | 57.5 % / 10.0 % / 15.0 % | 40.0 % / 25.0 % / 10.0 % |" in told
    assert "| numbers | 5.0 % / 20.0 % |" in told
    assert "| `own` | 3 | 0.910 | 50.0 % | - | 25.0 % |" in told
    assert "| number | 10 | 5 |" in told


def test_the_picture_is_well_formed_and_always_the_same() -> None:
    drawn = picture(FIGURES)
    assert drawn == picture(FIGURES)
    lines = [each for each in ElementTree.fromstring(drawn).iter() if each.tag.endswith("polyline")]
    assert len(lines) == 4


def test_figures_take_the_place_of_earlier_ones(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nearlier figures\n{END}\nafter")
    publish(page, FIGURES)
    written = page.read_text()
    assert written.startswith(f"before\n{BEGIN}\n\n![Wrong hits against hits](page.svg)")
    assert written.endswith(f"{END}\nafter")
    assert "earlier figures" not in written
    assert (tmp_path / "page.svg").read_text() == picture(FIGURES)


def test_a_page_without_marks_is_left_alone() -> None:
    with pytest.raises(NoMarks):
        with_figures("no marks", "figures")
