"""The demo upstream's vectors: bags of hashed words, so that texts with the same words are alike."""

import base64
import hashlib
import math
import re
import struct
from typing import Any

from gateway.demo.completion import tokens

DIMENSIONS = 64
_MOST_DIMENSIONS = 4096
_WORD = re.compile(r"\w+")


def embed(body: dict[str, Any]) -> dict[str, Any] | None:
    """Return the answer to an embeddings request in OpenAI's form; None if the request makes no sense."""
    texts = _texts(body.get("input"))
    wished = body.get("dimensions", DIMENSIONS)
    if not texts or not isinstance(wished, int) or not 1 <= wished <= _MOST_DIMENSIONS:
        return None
    used = sum(max(1, tokens(text)) for text in texts)
    packed = body.get("encoding_format") == "base64"
    data = [
        {"object": "embedding", "index": index, "embedding": _written(vector(text, wished), packed=packed)}
        for index, text in enumerate(texts)
    ]
    return {
        "object": "list",
        "data": data,
        "model": body["model"],
        "usage": {"prompt_tokens": used, "total_tokens": used},
    }


def vector(text: str, dimensions: int = DIMENSIONS) -> list[float]:
    """Return a text's vector, of length 1."""
    values = [0.0] * dimensions
    for word in _WORD.findall(text.lower()) or [text]:
        digest = hashlib.sha256(word.encode(errors="surrogatepass")).digest()
        values[int.from_bytes(digest[:4]) % dimensions] += 1.0
    length = math.sqrt(sum(value * value for value in values))
    return [value / length for value in values]


def _texts(wished: Any) -> list[str] | None:
    """Return the texts to embed; lists of token numbers count as their digits."""
    if isinstance(wished, str):
        return [wished]
    if not isinstance(wished, list) or not wished:
        return None
    if all(isinstance(each, int) for each in wished):
        return [" ".join(map(str, wished))]
    return [each if isinstance(each, str) else " ".join(map(str, each)) for each in wished]


def _written(values: list[float], *, packed: bool) -> list[float] | str:
    return base64.b64encode(struct.pack(f"<{len(values)}f", *values)).decode() if packed else values
