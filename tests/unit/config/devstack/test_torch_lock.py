from pathlib import Path

import pytest

from config.devstack import torch_lock
from config.devstack.stack import PROJECT

BOTH = "Available versions: 2.13.0+cpu, 2.13.0"
PLAIN = "Available versions: 2.13.0, 2.12.1"


@pytest.mark.parametrize(
    ("system", "machine", "python", "visible", "lock"),
    [
        ("Darwin", "arm64", (3, 13), PLAIN, "torch-cpu.txt"),
        ("Linux", "x86_64", (3, 11), BOTH, "torch-cpu.txt"),
        ("Linux", "x86_64", (3, 11), PLAIN, "torch-cuda.txt"),
        ("Linux", "x86_64", (3, 11), "", "torch-cuda.txt"),
        ("Linux", "x86_64", (3, 12), BOTH, "torch-cuda.txt"),
        ("Linux", "aarch64", (3, 11), BOTH, "torch-cuda.txt"),
    ],
)
def test_the_cpu_build_is_taken_where_its_hash_is_known_and_pip_sees_it(
    system: str, machine: str, python: tuple[int, int], visible: str, lock: str
) -> None:
    assert torch_lock.choose(system, machine, python, visible) == lock


def test_the_locks_it_names_exist_and_pin_that_version() -> None:
    requirements: Path = PROJECT / "requirements"
    assert f"torch=={torch_lock.CPU_BUILD} " in (requirements / torch_lock.CPU_LOCK).read_text()
    assert (
        f"torch=={torch_lock.CPU_BUILD.removesuffix('+cpu')} "
        in (requirements / torch_lock.CUDA_LOCK).read_text()
    )
