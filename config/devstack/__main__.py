"""`python -m config.devstack run`: the development stack in the foreground."""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from config.devstack import conductor, runner, servers, stack
from config.devstack.home import Home, StackError


def run_with_servers(line: list[str]) -> int:
    """Runs the command with fresh servers in its environment, gone afterwards; returns its exit code."""
    folder = tempfile.TemporaryDirectory(prefix="halfpenny-")
    with folder as home, servers.start(Path(home), durable=False) as running:
        urls = {
            "DATABASE_URL": running.database_url,
            "REDIS_CACHE_URL": running.redis_cache_url,
            "REDIS_STATE_URL": running.redis_state_url,
        }
        environment = {**os.environ, **urls, "HALFPENNY_HOME": home}
        return subprocess.run(line, env=environment, check=False).returncode


def main() -> int:
    """Runs one subcommand; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m config.devstack", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="run the whole stack in the foreground until Ctrl-C")
    run.add_argument("--with-parent", action="store_true", help="stop when the parent process is gone")
    conduct = commands.add_parser(
        "conduct", help="ready the stack whose processes are starting (used by run)"
    )
    conduct.add_argument("--embedded", default="", help="the embedded servers, comma-separated")
    around = commands.add_parser("servers", help="run a command with throw-away servers around it")
    around.add_argument("line", nargs="+", metavar="COMMAND")
    arguments = parser.parse_args()
    home = Path(os.environ.get("HALFPENNY_HOME") or stack.PROJECT / ".halfpenny").absolute()
    try:
        if arguments.command == "run":
            return runner.run(home, with_parent=arguments.with_parent)
        if arguments.command == "servers":
            return run_with_servers(arguments.line)
        conductor.conduct(Home(home), [name for name in arguments.embedded.split(",") if name])
    except StackError as error:
        print(f"Halfpenny cannot run: {error}", file=sys.stderr, flush=True)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
