"""What OpenAI and its followers send, as their documentation describes it. Texts and numbers are ours.

Sources, by page: OpenAI, API reference: "The chat completion object", "The chat completion chunk object",
"Create chat completion" (streaming; stream_options; tools; audio), "Error codes" (guide), and the Azure reference
"Content streaming". DeepSeek, API docs: "Create Chat Completion", "Thinking mode", "Error Codes", "Rate Limit"
(keep-alive comments). OpenRouter, docs: "Streaming", "Reasoning Tokens", "Errors and Debugging". Mistral, docs:
"Reasoning" and its OpenAPI types TextChunk and ThinkChunk. Ollama: "OpenAI compatibility", issues 7881 and 15457
of its tracker (indexes of tool calls). Google, "OpenAI compatibility" of the Gemini API. xAI on Vertex AI,
"Reasoning" (its usage). vLLM: "OpenAI-compatible server".
"""

import json
from typing import Any


def stream(*events: object, end: bytes = b"data: [DONE]\n\n") -> bytes:
    """Return a stream of these chunks; bytes are put in as they are."""
    return (
        b"".join(e if isinstance(e, bytes) else b"data: %b\n\n" % json.dumps(e).encode() for e in events)
        + end
    )


def chunk(delta: dict[str, Any] | None, finish_reason: str | None = None, **more: object) -> dict[str, Any]:
    """Return a chunk as OpenAI writes it; `more` are fields of the chunk."""
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
    return {
        "id": "chatcmpl-9ZkQ2f",
        "object": "chat.completion.chunk",
        "created": 1741570283,
        "model": "gpt-4o-mini-2024-07-18",
        "service_tier": "default",
        "system_fingerprint": "fp_44709d6fcb",
        "choices": [choice],
        "usage": None,
        "obfuscation": "x8Kd",
        **more,
    }


USAGE: dict[str, Any] = {
    "prompt_tokens": 1117,
    "completion_tokens": 46,
    "total_tokens": 1163,
    "prompt_tokens_details": {"cached_tokens": 1024, "audio_tokens": 0},
    "completion_tokens_details": {
        "reasoning_tokens": 32,
        "audio_tokens": 0,
        "accepted_prediction_tokens": 0,
        "rejected_prediction_tokens": 0,
    },
}

ANSWER: dict[str, Any] = {
    "id": "chatcmpl-9ZkQ2f",
    "object": "chat.completion",
    "created": 1741570283,
    "model": "gpt-4o-mini-2024-07-18",
    "choices": [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": "Paris is the capital of France.",
                "refusal": None,
                "annotations": [],
            },
            "logprobs": None,
            "finish_reason": "stop",
        }
    ],
    "usage": USAGE,
    "service_tier": "default",
    "system_fingerprint": "fp_44709d6fcb",
}

TOOL_ANSWER: dict[str, Any] = {
    **ANSWER,
    "choices": [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {
                        "id": "call_a1",
                        "type": "function",
                        "function": {"name": "weather", "arguments": '{"city": "Bonn"}'},
                    }
                ],
            },
            "logprobs": None,
            "finish_reason": "tool_calls",
        }
    ],
}

STREAM = stream(
    chunk({"role": "assistant", "content": "", "refusal": None}),
    chunk({"content": "Paris"}),
    chunk({"content": " is the capital of France."}),
    chunk({}, "stop"),
    chunk(None, choices=[], usage=USAGE),
)


def tool_piece(index: int | None, arguments: str, **first: object) -> dict[str, Any]:
    """Return a delta with a piece of one tool call; `first`: its id and name, which come once."""
    named = {"id": first["id"], "type": "function"} if first else {}
    function = {"name": first["name"], "arguments": arguments} if first else {"arguments": arguments}
    at = {} if index is None else {"index": index}
    return {"tool_calls": [{**at, **named, "function": function}]}


TOOL_STREAM = stream(
    chunk({"role": "assistant", "content": None, **tool_piece(0, "", id="call_a1", name="weather")}),
    chunk(tool_piece(0, '{"city": ')),
    chunk(tool_piece(0, '"Bonn"}')),
    chunk(tool_piece(1, "", id="call_b2", name="time")),
    chunk(tool_piece(1, '{"city": "Rome"}')),
    chunk({}, "tool_calls"),
    chunk(None, choices=[], usage=USAGE),
)

TWO_CALLS = [
    {"id": "call_a1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Bonn"}'}},
    {"id": "call_b2", "type": "function", "function": {"name": "time", "arguments": '{"city": "Rome"}'}},
]

#: Gemini's compatible endpoint leaves the index out.
GOOGLE_TOOL_STREAM = stream(
    chunk({"role": "assistant", **tool_piece(None, '{"city": "Bonn"}', id="call_a1", name="weather")}),
    chunk(
        {"role": "assistant", **tool_piece(None, '{"city": "Rome"}', id="call_b2", name="time")}, "tool_calls"
    ),
)

#: Ollama gives each call the index 0, and writes a role and an empty content into each chunk.
OLLAMA_TOOL_STREAM = stream(
    chunk(
        {
            "role": "assistant",
            "content": "",
            **tool_piece(0, '{"city": "Bonn"}', id="call_a1", name="weather"),
        }
    ),
    chunk(
        {"role": "assistant", "content": "", **tool_piece(0, '{"city": "Rome"}', id="call_b2", name="time")}
    ),
    chunk({"role": "assistant", "content": ""}, "tool_calls"),
    chunk(None, choices=[], usage={"prompt_tokens": 20, "completion_tokens": 5, "total_tokens": 25}),
)

#: Azure begins with what its filter says of the prompt; with its asynchronous filter, notes come in between.
AZURE_STREAM = stream(
    {
        "id": "",
        "object": "",
        "created": 0,
        "model": "",
        "choices": [],
        "prompt_filter_results": [
            {"prompt_index": 0, "content_filter_results": {"hate": {"filtered": False}}}
        ],
    },
    chunk({"role": "assistant", "content": ""}),
    chunk({"content": "Paris"}),
    {
        "id": "",
        "object": "",
        "created": 0,
        "model": "",
        "choices": [
            {
                "index": 0,
                "finish_reason": None,
                "content_filter_results": {"hate": {"filtered": False, "severity": "safe"}},
                "content_filter_offsets": {"check_offset": 44, "start_offset": 44, "end_offset": 198},
            }
        ],
    },
    chunk({}, "stop"),
)

DEEPSEEK_STREAM = stream(
    b": keep-alive\n\n: keep-alive\n\n",
    chunk({"role": "assistant", "content": None, "reasoning_content": ""}),
    chunk({"content": None, "reasoning_content": "France: "}),
    chunk({"content": None, "reasoning_content": "Paris."}),
    chunk({"content": "Paris", "reasoning_content": None}),
    chunk(
        {"content": "", "reasoning_content": None},
        "stop",
        usage={
            "prompt_tokens": 100,
            "completion_tokens": 9,
            "total_tokens": 109,
            "prompt_tokens_details": {"cached_tokens": 64},
            "completion_tokens_details": {"reasoning_tokens": 7},
            "prompt_cache_hit_tokens": 64,
            "prompt_cache_miss_tokens": 36,
        },
    ),
)


def openrouter_thought(kind: str, **fields: str) -> dict[str, Any]:
    """Return a piece of a thought in OpenRouter's structured form."""
    return {"reasoning_details": [{"type": kind, **fields, "format": "openai-responses-v1", "index": 0}]}


OPENROUTER_STREAM = stream(
    b": OPENROUTER PROCESSING\n\n" * 3,
    chunk({"role": "assistant", "content": ""}, provider="OpenAI"),
    chunk(
        {
            "role": "assistant",
            "content": "",
            "reasoning": "Easy",
            **openrouter_thought("reasoning.summary", summary="Easy"),
        }
    ),
    b": OPENROUTER PROCESSING\n\n",
    chunk(
        {
            "role": "assistant",
            "content": "",
            "reasoning": ".",
            **openrouter_thought("reasoning.summary", summary="."),
        }
    ),
    chunk({"role": "assistant", "content": "", **openrouter_thought("reasoning.encrypted", data="gAAAAB")}),
    chunk({"role": "assistant", "content": "Paris"}),
    chunk({"role": "assistant", "content": ""}, "stop"),
    chunk(
        None,
        choices=[{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}],
        usage={**USAGE, "cost": 0.00014, "is_byok": False},
    ),
)

OPENROUTER_BROKEN_STREAM = stream(
    chunk({"role": "assistant", "content": "Par"}),
    chunk(
        {"content": ""},
        "error",
        error={"code": "server_error", "message": "Provider disconnected unexpectedly"},
    ),
    end=b"",
)

#: Mistral's reasoning models write content in parts.
MISTRAL_STREAM = stream(
    chunk({"role": "assistant", "content": ""}),
    chunk({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "France: "}]}]}),
    chunk({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "Paris."}]}]}),
    chunk({"content": [{"type": "text", "text": "Pa"}, {"type": "reference", "reference_ids": [1]}]}),
    chunk({"content": "ris"}),
    chunk({"content": ""}, "stop", usage={"prompt_tokens": 10, "completion_tokens": 20, "total_tokens": 30}),
)

MISTRAL_MESSAGE: dict[str, Any] = {
    "role": "assistant",
    "tool_calls": None,
    "content": [
        {
            "type": "thinking",
            "thinking": [{"type": "text", "text": "France: "}, {"type": "text", "text": "Paris."}],
        },
        {"type": "text", "text": "Paris"},
    ],
}

#: vLLM says its role first, ends with a stop reason of its own, and gives the usage in a chunk without choices.
VLLM_STREAM = stream(
    chunk({"role": "assistant", "content": ""}),
    chunk({"content": "Paris"}),
    chunk(
        None,
        choices=[
            {
                "index": 0,
                "delta": {"content": ""},
                "logprobs": None,
                "finish_reason": "stop",
                "stop_reason": None,
            }
        ],
    ),
    chunk(None, choices=[], usage={"prompt_tokens": 9, "total_tokens": 11, "completion_tokens": 2}),
)

#: xAI counts what the model thought besides the completion; its total is of all three.
XAI_USAGE: dict[str, Any] = {
    "prompt_tokens": 663,
    "completion_tokens": 50,
    "total_tokens": 837,
    "prompt_tokens_details": {"text_tokens": 663, "audio_tokens": 0, "image_tokens": 0, "cached_tokens": 654},
    "completion_tokens_details": {"reasoning_tokens": 124, "audio_tokens": 0},
}


def error(code: object, kind: str | None = None, message: str = "Told in words.") -> dict[str, Any]:
    """Return an error body as OpenAI writes it."""
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def openrouter_error(code: int, **metadata: object) -> dict[str, Any]:
    """Return an error body as OpenRouter writes it."""
    return {"error": {"code": code, "message": "Told in words.", "metadata": metadata}, "user_id": "user_2x"}


def mistral_error(kind: str, code: str, message: str = "Told in words.") -> dict[str, Any]:
    """Return an error body as Mistral and older vLLM write it: not inside `error`."""
    return {"object": "error", "message": message, "type": kind, "param": None, "code": code}
