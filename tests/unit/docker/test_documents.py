"""What docs/deployment.md and the hooks say is so."""

import re

import yaml

from tests.docker_files import ROOT

GUIDE = (ROOT / "docs" / "deployment.md").read_text()


def test_every_variable_that_production_has_no_default_for_is_in_the_guide() -> None:
    source = (ROOT / "config" / "settings.py").read_text()
    needed = set(re.findall(r'env\.\w+\(\s*"(\w+)",\s*_development_default', source))
    assert {"DATABASE_URL", "REDIS_CACHE_URL", "REDIS_STATE_URL", "HALFPENNY_SECRET_KEY"} == needed
    assert all(f"`{name}`" in GUIDE for name in needed | {"HALFPENNY_ENCRYPTION_KEY", "ALLOWED_HOSTS"})


def test_the_guide_names_no_variable_that_nothing_reads() -> None:
    source = (ROOT / "config" / "settings.py").read_text()
    table = GUIDE.split("## Environment")[1].split("## Is it well?")[0]
    named = set(re.findall(r"`([A-Z][A-Z_]{5,})`", table)) - {"NAME_FILE", "HALFPENNY_HOME"}
    assert not {name for name in named if f'"{name}"' not in source}


def test_the_hooks_are_all_local() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    assert [repository["repo"] for repository in hooks["repos"]] == ["local"]
    assert {hook["id"] for hook in hooks["repos"][0]["hooks"]} == {
        "ruff-format", "ruff-check", "mypy", "import-contracts",
    }  # fmt: skip
