"""What a call used, as Gemini counts it. Pure. Source: ai.google.dev/api/generate-content (UsageMetadata)."""

from routing.pricing import Usage

_MOST_TOKENS = 100_000_000


def read_usage(usage: object) -> Usage | None:
    """Return the usage that Gemini reported; None if it is missing, negative or absurd.

    Input is the prompt, cached content included, and what Google's own tools put beside it. Output is the
    candidates and the thoughts, which are billed alike.
    """
    if not isinstance(usage, dict):
        return None
    prompt = _count(usage.get("promptTokenCount"))
    tools, candidates, thoughts, cached = (
        _count(usage.get(f"{name}TokenCount", 0))
        for name in ("toolUsePrompt", "candidates", "thoughts", "cachedContent")
    )
    if prompt is None or tools is None or candidates is None or thoughts is None or cached is None:
        return None
    if cached > prompt:
        return None
    # Some models count their thoughts among the candidates' tokens; then the total has them once.
    inclusive = thoughts <= candidates and usage.get("totalTokenCount") == prompt + tools + candidates
    return Usage(
        input_tokens=prompt + tools,
        output_tokens=candidates if inclusive else candidates + thoughts,
        cached_input_tokens=cached,
        reasoning_tokens=thoughts,
    )


def _count(value: object) -> int | None:
    return value if type(value) is int and 0 <= value <= _MOST_TOKENS else None
