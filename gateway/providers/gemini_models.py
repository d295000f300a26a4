"""What differs between generations of Gemini models, told by the model's name. Pure.

Sources: ai.google.dev/gemini-api/docs/thinking, /openai (the table of efforts), /thought-signatures,
/file-input-methods, and Google's guides to 3.7 and 3.8 Flash, as read on 2026-11-22.
"""

import re
from collections.abc import Mapping
from typing import Any

from gateway.providers.dialect import Unsupported

#: Names without a number that stay current (gemini-flash-latest) are of the newest generation.
_BEFORE_THIRD = re.compile(r"gemini-[12](?:[.-]|$)|gemini-(?:exp|pro|pro-vision)$|gemma-|tunedModels/")
_WITHOUT_URLS = re.compile(r"gemini-(?:1(?:[.-]|$)|2(?:[.-]0|-|$))|gemma-")
_WITHOUT_OFF_SWITCH = "pro"
_LEAST_OF_PRO = 128
_BUDGETS = {"none": 0, "minimal": 1024, "low": 1024, "medium": 8192, "high": 24576, "xhigh": 24576}
_LEVELS = {"low": "LOW", "medium": "MEDIUM", "high": "HIGH", "xhigh": "HIGH"}
_LITE = "flash-lite"


def is_third_generation(model: str) -> bool:
    """Whether function calls carry ids and need signatures; older models refuse the ids."""
    return not _BEFORE_THIRD.match(model)


def fetches_urls(model: str) -> bool:
    """Whether the API fetches a file from a public https address for this model."""
    return not _WITHOUT_URLS.match(model)


def thinking(model: str, effort: object) -> Mapping[str, Any]:
    """Return the thinkingConfig for OpenAI's reasoning_effort; thoughts are asked for unless it is "none".

    Up to 2.5 it is a budget of tokens, later a level. Where thinking can't be switched off, "none" is the least
    there is; only Flash-Lite still takes the level MINIMAL. Raises Unsupported for an effort that is unknown.
    """
    if not isinstance(effort, str) or effort not in _BUDGETS:
        raise Unsupported("reasoning_effort")
    wish = {"includeThoughts": effort != "none"}
    if is_third_generation(model):
        least = "MINIMAL" if _LITE in model else "LOW"
        return {**wish, "thinkingLevel": _LEVELS.get(effort, least)}
    budget = _BUDGETS[effort]
    return {**wish, "thinkingBudget": max(budget, _LEAST_OF_PRO) if _WITHOUT_OFF_SWITCH in model else budget}
