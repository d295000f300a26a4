"""Reads a log of past requests: JSON lines, plain or gzip, one request each."""

import gzip
import math
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from gateway import strict_json, tokens
from gateway.scene import DEFAULT_KEY
from gateway.schemas import ChatRequest
from routing.pricing import Usage


class BrokenLog(Exception):
    """The log can't be used; the message says which line is wrong and how."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PastRequest:
    """One request of the past, and what is known of how it ended."""

    question: ChatRequest = field(repr=False)
    key: str
    """Public id of the API key that asked, or any name that stands for it."""
    at_s: float | None
    """When, in seconds from any beginning; None: the log tells no times."""
    usage: Usage
    answer: str | None = field(repr=False)
    label: object
    """Its class: requests of one class have one answer. None: the row tells none."""


def read_log(path: Path, *, output_tokens: int) -> list[PastRequest]:
    """Return the requests in the order of their times, or as they stand if they tell none.

    output_tokens: what an answer is taken to have where a row tells neither `tokens` nor `answer`.
    Raises BrokenLog.
    """
    requests = [
        _request(line, f"{path}, line {number}", output_tokens)
        for number, line in _lines(path)
        if line.strip()
    ]
    if not requests:
        raise BrokenLog(f"{path}: there is no request in it")
    timed = [request for request in requests if request.at_s is not None]
    if timed and len(timed) < len(requests):
        raise BrokenLog(f"{path}: {len(requests) - len(timed)} of {len(requests)} rows lack 't'")
    return sorted(requests, key=lambda request: request.at_s or 0.0)


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    try:
        content = path.read_bytes()
        unpacked = gzip.decompress(content) if path.suffix == ".gz" else content
    except (OSError, EOFError, zlib.error) as error:
        raise BrokenLog(f"{path}: {error}") from error
    return enumerate(unpacked.splitlines(), 1)


def _request(line: bytes, place: str, output_tokens: int) -> PastRequest:
    try:
        row = strict_json.parse(line)
        if not isinstance(row, dict):
            raise BrokenLog(f"{place}: not a JSON object")
        question = _question(row)
        return PastRequest(
            question=question,
            key=_text(row, "key") or DEFAULT_KEY,
            at_s=_seconds(row),
            usage=_usage(row, question, output_tokens),
            answer=_text(row, "answer"),
            label=row.get("class"),
        )
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "the request"
        raise BrokenLog(f"{place}: {where}: {first['msg']}") from None
    except ValueError as error:
        raise BrokenLog(f"{place}: {error}") from None


def _question(row: Mapping[str, Any]) -> ChatRequest:
    fields = {name: value for name, value in row.items() if name in ChatRequest.model_fields}
    return ChatRequest.model_validate(fields)


def _text(row: Mapping[str, Any], name: str) -> str | None:
    value = row.get(name)
    if value is not None and not isinstance(value, str):
        raise ValueError(f"{name!r} is not a text")
    return value


def _seconds(row: Mapping[str, Any]) -> float | None:
    value = row.get("t")
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError("'t' is not a number of seconds")
    return float(value)


def _usage(row: Mapping[str, Any], question: ChatRequest, output_tokens: int) -> Usage:
    """Return the tokens as told; what isn't told is counted, or taken to be `output_tokens`."""
    told = row.get("tokens")
    if isinstance(told, Mapping):
        return Usage(input_tokens=_count(told.get("input")), output_tokens=_count(told.get("output")))
    answer = _text(row, "answer")
    body = {"messages": question.wire_messages()}
    counted = tokens.estimate_usage(body, [{"message": {"content": answer or ""}}])
    if told is not None:
        return Usage(input_tokens=counted.input_tokens, output_tokens=_count(told))
    output = output_tokens if answer is None else counted.output_tokens
    return Usage(input_tokens=counted.input_tokens, output_tokens=output)


def _count(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError("'tokens' is neither a number of output tokens nor {'input': ..., 'output': ...}")
    return value
