"""LangChain's OpenAI models with nothing but `base_url` and the key changed."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.acceptance.stack import Stack

pytestmark = pytest.mark.langchain

_PROJECT = Path(__file__).resolve().parents[2]


def test_langchain_chats_streams_calls_tools_and_embeds(stack: Stack) -> None:
    # In a venv of its own: its tree brings a pytest plugin and packages that nothing here wants.
    ran = subprocess.run(
        [_PROJECT / ".venv/langchain/bin/python", _PROJECT / "tests/langchain/smoke.py"],
        env={**os.environ, **stack.env},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr[-10_000:]
