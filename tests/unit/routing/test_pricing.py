from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from routing.catalog import Price, Target
from routing.pricing import Usage, cost_nano, price_at

tokens = st.integers(min_value=-10, max_value=2_000_000)
pico = st.integers(min_value=0, max_value=10**9)
prices = st.builds(
    Price,
    effective_from=st.just(0.0),
    input_pico=pico,
    output_pico=pico,
    cache_read_pico=pico,
    cache_write_pico=pico,
)
usages = st.builds(
    Usage,
    input_tokens=tokens,
    output_tokens=tokens,
    cached_input_tokens=tokens,
    cache_write_tokens=tokens,
    reasoning_tokens=tokens,
)


def price(effective_from: float = 0.0, *, input_pico: int = 150_000, output_pico: int = 600_000) -> Price:
    return Price(
        effective_from=effective_from,
        input_pico=input_pico,
        output_pico=output_pico,
        cache_read_pico=75_000,
        cache_write_pico=200_000,
    )


def target(*offered: Price) -> Target:
    return Target(
        id=1,
        provider="demo",
        name="small-1",
        upstream_name="small-1",
        tier="cheap",
        context_tokens=1000,
        aliases=(),
        prices=offered,
    )


def test_the_latest_price_that_has_begun_holds() -> None:
    later, earlier = price(200.0), price(100.0)
    assert price_at(target(later, earlier), 150.0) is earlier
    assert price_at(target(later, earlier), 200.0) is later


def test_before_the_first_price_there_is_none() -> None:
    assert price_at(target(price(100.0)), 99.9) is None
    assert price_at(target(), 99.9) is None


def test_a_million_tokens_cost_the_list_price() -> None:
    usage = Usage(input_tokens=1_000_000, output_tokens=1_000_000)
    assert cost_nano(price(), usage) == 150_000_000 + 600_000_000  # 0.15 + 0.60 USD


def test_parts_of_the_input_have_prices_of_their_own() -> None:
    usage = Usage(input_tokens=1000, output_tokens=0, cached_input_tokens=600, cache_write_tokens=300)
    assert cost_nano(price(), usage) == (100 * 150_000 + 600 * 75_000 + 300 * 200_000) // 1000


def test_the_sum_is_rounded_up_once() -> None:
    one_pico = price(input_pico=1, output_pico=1)
    assert cost_nano(one_pico, Usage(input_tokens=1, output_tokens=1)) == 1
    assert cost_nano(one_pico, Usage(input_tokens=500, output_tokens=500)) == 1
    assert cost_nano(one_pico, Usage(input_tokens=500, output_tokens=501)) == 2


@given(price=prices, usage=usages)
def test_a_cost_is_a_whole_number_and_never_negative(price: Price, usage: Usage) -> None:
    cost = cost_nano(price, usage)
    assert type(cost) is int
    assert cost >= 0


@given(price=prices, usage=usages, more=st.integers(min_value=0, max_value=1_000_000))
def test_more_tokens_never_cost_less(price: Price, usage: Usage, more: int) -> None:
    for part in ("input_tokens", "output_tokens", "reasoning_tokens"):
        larger = replace(usage, **{part: getattr(usage, part) + more})
        assert cost_nano(price, larger) >= cost_nano(price, usage)


@given(price=prices, usage=usages, more=st.integers(min_value=0, max_value=1_000_000))
def test_more_cached_input_never_costs_less_when_it_comes_on_top(
    price: Price, usage: Usage, more: int
) -> None:
    for part in ("cached_input_tokens", "cache_write_tokens"):
        larger = {name: getattr(usage, name) + more for name in ("input_tokens", part)}
        assert cost_nano(price, replace(usage, **larger)) >= cost_nano(price, usage)


@given(price=prices, usage=usages)
def test_a_cost_is_never_less_than_any_of_its_parts_at_its_price(price: Price, usage: Usage) -> None:
    picos = (
        usage.cached_input_tokens * price.cache_read_pico,
        usage.cache_write_tokens * price.cache_write_pico,
        usage.output_tokens * price.output_pico,
        usage.reasoning_tokens * price.output_pico,
        usage.input_tokens * min(price.input_pico, price.cache_read_pico, price.cache_write_pico),
    )
    assert cost_nano(price, usage) * 1000 >= max(picos)


@given(price=prices, usage=usages, thought=st.integers(min_value=0, max_value=100))
def test_thinking_is_paid_once_as_a_part_of_the_output(price: Price, usage: Usage, thought: int) -> None:
    whole = replace(usage, output_tokens=1_000_100, reasoning_tokens=0)
    assert cost_nano(price, replace(whole, reasoning_tokens=thought)) == cost_nano(price, whole)


def test_a_part_larger_than_its_whole_is_charged_as_it_is() -> None:
    one_nano = price(input_pico=1000, output_pico=1000)
    assert cost_nano(one_nano, Usage(input_tokens=0, output_tokens=2, reasoning_tokens=5)) == 5
    assert cost_nano(one_nano, Usage(input_tokens=0, output_tokens=0, cached_input_tokens=4)) == 300


@given(price=prices, usage=usages, dearer=st.integers(min_value=0, max_value=10**9))
def test_a_higher_price_never_makes_a_call_cheaper(price: Price, usage: Usage, dearer: int) -> None:
    raised = Price(
        effective_from=0.0,
        input_pico=price.input_pico + dearer,
        output_pico=price.output_pico + dearer,
        cache_read_pico=price.cache_read_pico + dearer,
        cache_write_pico=price.cache_write_pico + dearer,
    )
    assert cost_nano(raised, usage) >= cost_nano(price, usage)
