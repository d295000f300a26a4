"""The files of docker/, read for tests."""

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
DOCKER = ROOT / "docker"


@cache
def compose() -> dict[str, Any]:
    """Return compose.yaml with its merges done."""
    return dict(yaml.safe_load((DOCKER / "compose.yaml").read_text()))


def service(name: str) -> dict[str, Any]:
    return dict(compose()["services"][name])


def own_services() -> dict[str, dict[str, Any]]:
    """Return the services that run Halfpenny's own images, by name."""
    services: dict[str, dict[str, Any]] = compose()["services"]
    return {name: each for name, each in services.items() if each["image"].startswith("halfpenny-")}


@cache
def instructions() -> list[tuple[str, str]]:
    """Return the Dockerfile's instructions in order: keyword and the rest, continued lines joined."""
    lines = (DOCKER / "Dockerfile").read_text().splitlines()
    text = "\n".join(line for line in lines if not line.lstrip().startswith("#"))
    joined = re.sub(r"\\\n\s*", " ", text)
    return [(parts[0], parts[1]) for line in joined.splitlines() if (parts := line.split(maxsplit=1))]


def stages() -> dict[str, list[tuple[str, str]]]:
    """Return each stage's instructions by its name; the first is its FROM."""
    found: dict[str, list[tuple[str, str]]] = {}
    name = ""
    for keyword, rest in instructions():
        if keyword == "FROM":
            name = rest.split()[-1]
            found[name] = []
        if name:
            found[name].append((keyword, rest))
    return found


def lineage(stage: str) -> list[tuple[str, str]]:
    """Return the instructions of a stage and of all the stages that it stands on, in order."""
    own = stages()[stage]
    parent = own[0][1].split()[0]
    return [*(lineage(parent) if parent in stages() else []), *own]


def last(stage: str, keyword: str) -> str:
    """Return the rest of the instruction that holds for a stage in the end."""
    return next(rest for found, rest in reversed(lineage(stage)) if found == keyword)


def exec_form(rest: str) -> list[str]:
    """Return the arguments of an instruction in exec form; ValueError for one in shell form."""
    return [str(word) for word in json.loads(rest)]
