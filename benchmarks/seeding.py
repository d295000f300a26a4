"""Has the product make tenants and measure its embedder, through its own `manage.py`."""

import json
from typing import Any

from benchmarks.cells import Keys
from benchmarks.stack import Stack, manage

REPLAY_TENANTS = 5


def keys(stack: Stack) -> Keys:
    """Make the tenants of a run and return their keys. Raises StackFailed."""
    [exact] = seed(stack, "bench-exact", count=1, semantic_mode="off")
    limited = manage(stack, "key_issue", "bench-exact-0", "--label", "limited", "--rpm", "1", "--json")
    return Keys(
        acme=stack.env["HALFPENNY_KEY"],
        exact=exact,
        limited=json.loads(limited)["key"],
        replay=seed(stack, "bench-replay", count=REPLAY_TENANTS, semantic_mode="strict"),
    )


def seed(stack: Stack, prefix: str, *, first: int = 0, count: int, semantic_mode: str) -> list[str]:
    """Make tenants with a key each (inside/seed.py) and return the keys. Raises StackFailed."""
    call = f"seed({prefix!r}, {first}, {count}, {semantic_mode!r})"
    found: list[str] = _inside(stack, "seed", "seed", call)
    return found


def embedder(stack: Stack) -> dict[str, float]:
    """Return how fast the embedder is by itself (inside/embedder.py). Raises StackFailed."""
    found: dict[str, float] = _inside(stack, "embedder", "measure", "measure()")
    return found


def use_upstream(stack: Stack, url: str) -> None:
    """Have the demo provider's calls go to `url` (up to and including /v1). Raises StackFailed."""
    manage(stack, "demo_load", "--json", DEMO_UPSTREAM_URL=url)


def _inside(stack: Stack, module: str, name: str, call: str) -> Any:
    code = f"import json; from benchmarks.inside.{module} import {name}; print(json.dumps({call}))"
    return json.loads(manage(stack, "shell", "-v", "0", "-c", code).splitlines()[-1])
