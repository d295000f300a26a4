"""OpenAI's client for Node, by its own test runner."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.acceptance.stack import Stack

pytestmark = pytest.mark.node


def test_openais_client_for_node_finds_nothing_missing(stack: Stack) -> None:
    issued = json.loads(stack.manage("key_issue", "acme", "--label", "slow", "--rpm", "1", "--json"))
    ran = subprocess.run(
        ["node", "--test"],
        cwd=Path(__file__).parent,
        env={**os.environ, **stack.env, "HALFPENNY_KEY_SLOW": issued["key"]},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout[-20_000:]
    assert "fail 0" in ran.stdout
