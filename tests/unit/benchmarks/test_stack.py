from pathlib import Path

from benchmarks.stack import environment, read_env


def test_a_users_own_servers_and_providers_take_no_part() -> None:
    given = {
        "PATH": "/bin",
        "DATABASE_URL": "postgresql://x",
        "OPENAI_API_KEY": "x",
        "EMBEDDING_THREADS": "2",
    }

    assert environment(Path("home"), given, 8123) == {
        "PATH": "/bin",
        "EMBEDDING_THREADS": "2",
        "HALFPENNY_HOME": "home",
        "PORT": "8123",
        "DEMO_LATENCY_MS": "0",
    }


def test_demo_env_is_read_as_a_shell_would(tmp_path: Path) -> None:
    file = tmp_path / "demo.env"
    file.write_text("URL='http://127.0.0.1:1'\nPIDS='1 2'\nODD='it'\\''s=so'\n")

    assert read_env(file) == {"URL": "http://127.0.0.1:1", "PIDS": "1 2", "ODD": "it's=so"}
