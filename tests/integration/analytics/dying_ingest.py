"""Run as a program: the ingest command, which kills itself (SIGKILL) at the n-th time that it passes a point.

Arguments: the name of a method of Ingest (or "commit"), "before" or "after", n.
"""

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

import django


def main(point: str, when: str, times: int) -> None:
    django.setup()
    from django.core.management import call_command  # noqa: PLC0415 (models are ready only now)

    from analytics.ingest import Ingest  # noqa: PLC0415

    passed = 0

    def dying(method: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            nonlocal passed
            passed += 1
            if when == "before" and passed >= times:
                os.kill(os.getpid(), signal.SIGKILL)
            result = method(*args, **kwargs)
            if when == "after" and passed >= times:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        return wrapped

    setattr(Ingest, point, dying(getattr(Ingest, point)))
    call_command("ingest")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
