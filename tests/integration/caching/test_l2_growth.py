import json

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from pytest_django import Settings

from caching.management.commands import l2_growth

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("exact_up_to", [0, 1_000])
def test_it_finds_every_nearest_entry_and_leaves_nothing_behind(
    capsys: pytest.CaptureFixture[str], exact_up_to: int
) -> None:
    options = ["--sizes", "50", "300", "--tenants", "5", "--searches", "20", "--repeats", "1", "--json"]
    call_command("l2_growth", *options, "--exact-up-to", str(exact_up_to))
    report = json.loads(capsys.readouterr().out)
    assert [row["entries"] for row in report["sizes"]] == [50, 300]
    assert [row["recall_at_1"] for row in report["sizes"]] == [1.0, 1.0]
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM caching_cacheentry")
        assert cursor.fetchone() == (0,)
        cursor.execute("SELECT count(*) FROM pg_indexes WHERE indexdef LIKE %s", [f"%{l2_growth.EMBEDDER}%"])
        assert cursor.fetchone() == (0,)


def test_it_touches_no_production_database(settings: Settings) -> None:
    settings.HALFPENNY_ENV = "production"
    with pytest.raises(CommandError, match="development"):
        call_command("l2_growth")
