"""A stand-in project: the real development stack around trivial processes, so that its tests are quick."""

import shutil
import sys
import textwrap
from pathlib import Path

from config.devstack.stack import PROJECT

_MANAGE = """
import json, os, pathlib, sys, time
command = sys.argv[1]
if command == "demo_load":
    print(json.dumps({"key": "hp_one", "key_other": "hp_two", "admin_user": "ada@example.com",
                      "admin_password": "it's secret", "tenants": [], "providers": []}))
if command == os.environ.get("STAND_IN_FAILS"):
    sys.exit("stand-in failure")
if command == "ingest":
    time.sleep(600)
"""
_WEB = """
import http.server, sys

class Ready(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()

http.server.HTTPServer(("127.0.0.1", int(sys.argv[sys.argv.index("--port") + 1])), Ready).serve_forever()
"""
_SLEEPER = "import time\ntime.sleep(600)\n"


def build(folder: Path) -> Path:
    """Lays out a project whose web, worker and commands are trivial; returns its folder."""
    for file, text in {
        "manage.py": _MANAGE,
        "config/__init__.py": "",
        "config/server.py": _WEB,
        "gateway/__init__.py": "",
        "gateway/demo/__init__.py": "",
        "gateway/demo/__main__.py": _SLEEPER,
        "celery/__init__.py": "",
        "celery/__main__.py": _SLEEPER,
    }.items():
        path = folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
    shutil.copytree(PROJECT / "config" / "devstack", folder / "config" / "devstack")
    return folder


def run_command() -> list[str]:
    """The command that `make run` ends in."""
    return [sys.executable, "-m", "config.devstack", "run"]
