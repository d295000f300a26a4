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
    def usage_with(*, input_more: int = 0, output_more: int = 0) -> Usage:
        return Usage(
            input_tokens=usage.input_tokens + input_more,
            output_tokens=usage.output_tokens + output_more,
            cached_input_tokens=usage.cached_input_tokens,
            cache_write_tokens=usage.cache_write_tokens,
        )

    assert cost_nano(price, usage_with(input_more=more)) >= cost_nano(price, usage)
    assert cost_nano(price, usage_with(output_more=more)) >= cost_nano(price, usage)


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
