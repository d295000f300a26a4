"""What a call costs: integer nano-USD, from prices in pico-USD per token."""

import math
from dataclasses import dataclass

from routing.catalog import Price, Target

_PICO_PER_NANO = 1000


@dataclass(frozen=True, kw_only=True, slots=True)
class Usage:
    """Tokens of one call. Input counts all input; two parts of it have prices of their own. Output counts all
    output, thinking included.
    """

    input_tokens: int
    output_tokens: int
    cached_input_tokens: int = 0
    """The part of the input that the provider read from its own cache."""
    cache_write_tokens: int = 0
    """The part of the input that the provider wrote to its own cache."""
    reasoning_tokens: int = 0
    """The part of the output that the model spent on thinking; priced as output, so for the record only."""


def price_at(target: Target, when: float) -> Price | None:
    """Return the price that holds at this Unix time, or None before the first one begins."""
    return next((price for price in target.prices if price.effective_from <= when), None)


def next_change(target: Target, when: float) -> float:
    """Return the Unix time from which another price holds than at `when`; infinity if none is set."""
    return min(
        (price.effective_from for price in target.prices if price.effective_from > when), default=math.inf
    )


def cost_nano(price: Price, usage: Usage) -> int:
    """Return the call's cost in nano-USD, rounded up once. Negative counts cost nothing.

    Parts that add up to more than their whole are charged as they are: cost is never understated.
    """
    cached, written = max(usage.cached_input_tokens, 0), max(usage.cache_write_tokens, 0)
    plain = max(usage.input_tokens - cached - written, 0)
    pico = (
        plain * price.input_pico
        + cached * price.cache_read_pico
        + written * price.cache_write_pico
        + max(usage.output_tokens, usage.reasoning_tokens, 0) * price.output_pico
    )
    return -(-pico // _PICO_PER_NANO)
