import pytest

from gateway.strict_json import MAX_DEPTH, MAX_VALUES, BadJson, parse


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not json",
        b'{"a": NaN}',
        b'{"a": Infinity}',
        b'{"a": "\\ud800"}',
        b'{"a": "\xff"}',
        b'{"a": "\\u0000"}',
        b'{"\\u0000": 1}',
        b"[" * (MAX_DEPTH + 2) + b"]" * (MAX_DEPTH + 2),
        b"[" * 100_000 + b"]" * 100_000,
    ],
)
def test_json_that_others_could_not_keep_is_refused(body: bytes) -> None:
    with pytest.raises(BadJson):
        parse(body)


def test_an_escaped_backslash_before_u0000_is_no_nul() -> None:
    assert parse(b'{"a": "\\\\u0000"}') == {"a": "\\u0000"}


def test_many_shallow_lists_are_not_deep() -> None:
    assert parse(b'{"a": [' + b"[]," * 500 + b"[]]}")["a"] == [[]] * 501


def test_the_greatest_depth_is_still_taken() -> None:
    assert parse(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH)


@pytest.mark.parametrize("piece", [b"{},", b'{"type":"text","text":"a"},', b"[[1]],"])
def test_more_values_than_can_be_checked_in_passing_are_refused(piece: bytes) -> None:
    with pytest.raises(BadJson, match="values"):
        parse(b'{"messages": [' + piece * MAX_VALUES + b"1]}")


def test_punctuation_inside_a_text_makes_no_values() -> None:
    assert parse(b'{"a": "' + b",:[{" * MAX_VALUES + b'"}')
