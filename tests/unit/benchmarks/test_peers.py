import json
import re

from benchmarks.peers.environments import LOCKS
from benchmarks.peers.recipes import litellm_settings
from benchmarks.rig import versions


def test_locks_pin_every_package_by_hash_and_name_no_registry() -> None:
    python = (LOCKS / "litellm.txt").read_text()
    node = (LOCKS / "portkey" / "package-lock.json").read_text()
    packages = [package for name, package in json.loads(node)["packages"].items() if name]

    assert len(re.findall(r"^\S+==", python, re.MULTILINE)) > 50
    assert "://" not in python
    assert all(package["integrity"].startswith("sha512-") for package in packages)
    assert not any("resolved" in package for package in packages)


def test_versions_are_those_of_the_locks() -> None:
    assert f"litellm=={versions()['LiteLLM']} \\" in (LOCKS / "litellm.txt").read_text()
    assert re.fullmatch(r"\d+\.\d+\.\d+", versions()["Portkey"])


def test_litellm_caches_in_the_given_redis() -> None:
    settings = litellm_settings("http://127.0.0.1:1/v1", "redis://:secret@127.0.0.1:6380/0")

    assert settings["litellm_settings"] == {
        "cache": True,
        "cache_params": {
            "type": "redis",
            "host": "127.0.0.1",
            "port": 6380,
            "password": "secret",
            "namespace": "bench-litellm",
            "ttl": 3600,
        },
    }
