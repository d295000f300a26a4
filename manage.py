#!/usr/bin/env python
"""Django's command line for Halfpenny."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    from django.core.management import execute_from_command_line  # noqa: PLC0415 (settings first)

    import config.celery  # noqa: F401, PLC0415 (tasks published by a command find the broker)

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
