"""`python -m benchmarks.peers`: install the peers that `make bench` compares with."""

import sys

from benchmarks.peers import environments


def main() -> int:
    """Install; return 1 if a peer can't be had."""
    failed = environments.install_all()
    for name in environments.INSTALLERS:
        print(f"{name}: {failed.get(name, 'installed')}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
