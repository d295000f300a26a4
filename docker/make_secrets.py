"""Make the secrets that compose.yaml hands to its services: `python docker/make_secrets.py [FOLDER]`.

Needs Python alone. Files that exist are left alone, so that it can be run again after an update. The folder is
the owner's only; the files in it can be read by the containers' users, which know them under other names.
"""

import base64
import secrets
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent / "secrets"


def make(folder: Path) -> list[str]:
    """Write what is missing; return the names of the files that were made."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    made: list[str] = []

    def keep(name: str, content: str) -> str:
        file = folder / name
        if not file.exists():
            file.write_text(content + "\n", encoding="utf-8")
            file.chmod(0o444)
            made.append(name)
        return file.read_text(encoding="utf-8").strip()

    keep("secret_key", secrets.token_urlsafe(64))
    keep("encryption_key", base64.b64encode(secrets.token_bytes(32)).decode())
    keep("metrics_token", secrets.token_urlsafe(32))
    password = keep("postgres_password", secrets.token_urlsafe(32))
    keep("database_url", f"postgresql://halfpenny:{password}@postgres:5432/halfpenny")
    for name in ("cache", "state"):
        # Valkey includes this file; an argument could be read in the list of processes.
        password = keep(f"redis_{name}.conf", f"requirepass {secrets.token_urlsafe(32)}").split()[1]
        keep(f"redis_{name}_url", f"redis://:{password}@redis-{name}:6379/0")
    return made


if __name__ == "__main__":
    chosen = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    made = make(chosen)
    print(f"{chosen}: made {', '.join(made)}" if made else f"{chosen}: everything is there already")
