"""Everything that a run needs besides the stack: baselines, upstream, a second web process, the peers."""

import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.peers import environments, recipes
from benchmarks.pinning import Cores, pin, pin_family
from benchmarks.servers import NotStarted, Recipe, Running, running
from benchmarks.stack import PROJECT, Stack, child_environment

#: Served on the core of the serving process: each is the serving process of its cell.
BASELINES = ("reflector", "echo", "echo_get")


@dataclass(frozen=True, kw_only=True)
class Rig:
    """The servers by part; `peers`: the version of each peer, or why it is missing. `serving`: the cores of
    serving processes (None: any)."""

    running: dict[str, Running]
    peers: dict[str, str]
    serving: frozenset[int] | None


@contextmanager
def built(stack: Stack, folder: Path, cores: Cores | None, *, with_peers: bool) -> Iterator[Rig]:
    """Start everything, pinned, and end it afterwards. A peer that can't be had is left out.

    Raises NotStarted for anything else.
    """
    with ExitStack() as opened:

        def start(recipe: Recipe, on: frozenset[int] | None) -> Running:
            return opened.enter_context(running(recipe, folder, on))

        serving, others = (cores.serving, cores.others) if cores else (None, None)
        found = {"upstream": start(_baseline("upstream", stack), others)}
        found |= {name: start(_baseline(name, stack), serving) for name in BASELINES}
        # Without answers in memory: its exact hits come from Redis.
        found["web_l1"] = start(another_web(stack, "web_l1", MEMORY_CACHE_BYTES="0"), serving)
        peers = dict.fromkeys(environments.INSTALLERS, "left out")
        if with_peers:
            url = f"{found['upstream'].server.url}/v1"
            missing = environments.install_all()
            for name, recipe in _peers(folder, stack, url, missing).items():
                try:
                    found[recipe.name] = start(recipe, serving)
                except NotStarted as error:
                    missing[name] = str(error)
            peers = {name: missing.get(name) or version for name, version in versions().items()}
        yield Rig(running=found, peers=peers, serving=serving)


def keep_apart(stack: Stack, web_pids: Sequence[int], cores: Cores | None) -> str:
    """Pin the stack's web process to a core of its own and everything else to the rest; say what was done."""
    if cores is None:
        return "not pinned (one core, or the OS can't)"
    pin_family(stack.pid, cores.others)
    pin(os.getpid(), cores.others)
    for pid in web_pids:
        pin_family(pid, cores.serving)
    return f"serving process on a core of its own, all else on {len(cores.others)} other(s)"


def versions() -> dict[str, str]:
    """Return the peers' versions, as pinned."""
    lock = json.loads((environments.LOCKS / "portkey" / "package-lock.json").read_text())
    wanted = (environments.LOCKS / "litellm.in").read_text().strip()
    return {
        "LiteLLM": wanted.rpartition("==")[2],
        "Portkey": lock["packages"]["node_modules/@portkey-ai/gateway"]["version"],
    }


def _baseline(name: str, stack: Stack) -> Recipe:
    return Recipe(
        name=name,
        argv=[sys.executable, "-m", "benchmarks.baselines", name, "--port", "{port}"],
        env={**os.environ, "BENCH_REDIS_URL": stack.env["HALFPENNY_REDIS_CACHE_URL"]},
        cwd=PROJECT,
    )


def another_web(stack: Stack, name: str, **environment: str) -> Recipe:
    """Return how another web process of the same stack is started."""
    return Recipe(
        name=name,
        argv=[sys.executable, "-m", "config.server", "--port", "{port}", "--drain-seconds", "3"],
        env=child_environment(stack, **environment),
        cwd=PROJECT,
        ready="/readyz",
    )


def _peers(folder: Path, stack: Stack, upstream_url: str, missing: dict[str, str]) -> dict[str, Recipe]:
    redis_url = stack.env["HALFPENNY_REDIS_CACHE_URL"]
    recipe = {
        "LiteLLM": lambda: recipes.litellm(folder, upstream_url=upstream_url, redis_url=redis_url),
        "Portkey": recipes.portkey,
    }
    return {name: make() for name, make in recipe.items() if name not in missing}
