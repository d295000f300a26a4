from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from gateway.request_id import new_request_id, parse, shown


@given(st.uuids())
def test_what_is_shown_can_be_read_back(request_id: UUID) -> None:
    assert parse(shown(request_id)) == request_id


def test_ids_are_new_each_time() -> None:
    assert new_request_id() != new_request_id()


def test_later_ids_sort_later(monkeypatch: object) -> None:
    ids = [new_request_id() for _ in range(3)]
    assert [shown(each)[:13] for each in ids] == sorted(shown(each)[:13] for each in ids)


def test_what_is_no_id_is_refused() -> None:
    for text in ("", "req_", "req_" + "U" * 26, "01J" + "0" * 27, "req_" + "Z" * 26):
        assert parse(text) is None
