"""Which lock file torch is installed from; a script that runs before anything is installed.

`python config/devstack/torch_lock.py` prints the name of a file in requirements/. torch's CPU build for Linux
is a separate version (2.13.0+cpu) that only some package indexes hold; what everybody has under plain 2.13.0
is the CUDA build, several GB with the libraries it brings. So pip is asked what it can see.
"""

import platform
import subprocess
import sys

CPU_LOCK = "torch-cpu.txt"
CUDA_LOCK = "torch-cuda.txt"
CPU_BUILD = "2.13.0+cpu"


def choose(system: str, machine: str, python: tuple[int, int], visible: str) -> str:
    """The lock for this machine; `visible` is what `pip index versions torch` printed.

    The CPU lock holds the hashes of macOS' files and of the one Linux file: x86_64, Python 3.11.
    """
    if system == "Darwin":
        return CPU_LOCK
    fits = system == "Linux" and machine in ("x86_64", "AMD64") and python == (3, 11)
    return CPU_LOCK if fits and CPU_BUILD in visible else CUDA_LOCK


def visible_versions() -> str:
    """The torch versions that pip finds with this machine's configuration; empty if it finds none."""
    line = [sys.executable, "-m", "pip", "index", "versions", "torch"]
    return subprocess.run(line, capture_output=True, text=True, check=False).stdout


if __name__ == "__main__":
    print(choose(platform.system(), platform.machine(), sys.version_info[:2], visible_versions()))
