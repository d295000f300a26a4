from hypothesis import given
from hypothesis import strategies as st

from caching.embedder import alike_in_length


@given(st.lists(st.integers(1, 1_000), max_size=100))
def test_every_text_is_in_one_group(lengths: list[int]) -> None:
    places = [place for group in alike_in_length(lengths) for place in group]
    assert sorted(places) == list(range(len(lengths)))


def test_texts_of_a_length_go_in_one_pass() -> None:
    assert alike_in_length([20, 25, 22, 28] * 8) == [
        sorted(range(32), key=lambda place: [20, 25, 22, 28][place % 4])
    ]


def test_long_texts_do_not_pad_short_ones() -> None:
    lengths = [400, 20] * 6
    short, long = alike_in_length(lengths)
    assert {lengths[place] for place in short} == {20}
    assert {lengths[place] for place in long} == {400}


def test_a_few_texts_are_not_worth_two_passes() -> None:
    assert alike_in_length([400, 20, 30]) == [[1, 2, 0]]


def test_no_pass_takes_more_than_the_model_is_given_at_once() -> None:
    assert [len(group) for group in alike_in_length([20] * 70)] == [32, 32, 6]
