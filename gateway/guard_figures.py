"""What each guard refuses of labelled pairs."""

from collections.abc import Sequence
from typing import Any

from caching.guards import GUARDS
from gateway.labelled_rows import Row
from gateway.scene import default_rules

Rates = dict[str, float | None]


def guard_costs(rows: Sequence[Row]) -> dict[str, Any]:
    """Return for each guard, and for all that are on by default, what it `refused` and what it `caught`."""
    refusals = {
        guard.name: [guard.refusal(row["a"], row["b"]) is not None for row in rows] for guard in GUARDS
    }
    on = [guard.name for guard in GUARDS if guard.is_on(default_rules("strict"))]
    refusals["all that are on"] = [any(refusals[name][place] for name in on) for place in range(len(rows))]
    is_same = [bool(row["same"]) for row in rows]
    return {
        "same": sum(is_same),
        "different": len(is_same) - sum(is_same),
        "guards": {name: _rates(refused, is_same) for name, refused in refusals.items()},
    }


def _rates(refused: Sequence[bool], is_same: Sequence[bool]) -> Rates:
    same = [each for each, same in zip(refused, is_same, strict=True) if same]
    different = [each for each, same in zip(refused, is_same, strict=True) if not same]
    return {"refused": _share(same), "caught": _share(different)}


def _share(refused: Sequence[bool]) -> float | None:
    return sum(refused) / len(refused) if refused else None
