"""Measure the semantic cache on a folder of labelled files, for docs/cache-truth.md."""

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from gateway.measuring import Bench
from gateway.truth_figures import measure
from gateway.truth_page import NoMarks, publish, tables


class Command(BaseCommand):
    help = (
        "Measure the decision and the freshness score on all `*pairs_*`, `*stream_*` and `*dynamic_*` files "
        "(JSON lines, plain or .gz) of a folder, with default rules and the embedder of the settings: tables on "
        "stdout. Takes minutes; needs no running service."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        source = parser.add_mutually_exclusive_group(required=True)
        source.add_argument("data", type=Path, nargs="?", metavar="FOLDER")
        source.add_argument(
            "--figures", type=Path, metavar="FILE", help="show figures that were written before"
        )
        parser.add_argument("--output", type=Path, metavar="FILE", help="write all figures there, as JSON")
        parser.add_argument(
            "--docs", action="store_true", help="write tables and picture into docs/cache-truth.md, too"
        )

    def handle(self, *_: Any, **options: Any) -> None:
        if options["figures"]:
            figures = json.loads(options["figures"].read_text())
        else:
            figures = self._measured(options["data"])
        if options["output"]:
            options["output"].write_text(json.dumps(rounded(figures), indent=1) + "\n")
        if options["docs"]:
            try:
                publish(Path(settings.BASE_DIR) / "docs" / "cache-truth.md", figures)
            except (NoMarks, OSError) as error:
                raise CommandError(str(error)) from error
        self.stdout.write(tables(figures))

    def _measured(self, folder: Path) -> dict[str, Any]:
        if not folder.is_dir():
            raise CommandError(f"{folder} is no folder")
        return measure(folder, Bench.of_settings(), self.stderr.write)


def rounded(value: Any) -> Any:
    """Return the value with floats cut to what was measured."""
    match value:
        case float():
            return round(value, 4)
        case dict():
            return {name: rounded(item) for name, item in value.items()}
        case list():
            return [rounded(item) for item in value]
        case _:
            return value
