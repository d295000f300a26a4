#!/bin/sh
# Writes the hash-pinned locks anew: `make lock`. The locks hold the hashes of every platform's files.
set -eu
cd "$(dirname "$0")"
compile() {
    uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --quiet \
        --fork-strategy fewest --custom-compile-command "make lock" "$@"
}
compile base.in -o base.txt
compile -c base.txt torch-cuda.in -o torch-cuda.txt

# torch's CUDA parts are left out of the embedding lock: which torch is installed is the next file's matter.
skip=$(sed -n 's/^\(torch\|triton\|cuda-[a-z]*\|nvidia-[a-z0-9-]*\)==.*/--no-emit-package \1/p' torch-cuda.txt)
# shellcheck disable=SC2086
compile -c torch-cuda.txt $skip embedding.in -o embedding.txt
compile -c embedding.txt stack.in -o stack.txt
compile -c stack.txt dev.in -o dev.txt
compile -c dev.txt browser.in -o browser.txt
compile -c dev.txt langchain.in -o langchain.txt

# The CPU build of torch for Linux has the version 2.13.0+cpu and needs no CUDA packages; macOS has it under 2.13.0.
# Two lines, so that pip never takes the CUDA build of the same version for the CPU one.
{
    echo "# Written by \`make lock\`: torch's CPU build, for Linux (x86_64, Python 3.11) and macOS."
    echo 'torch==2.13.0+cpu ; sys_platform == "linux" \'
    sed 's/^/    --hash=sha256:/' torch-cpu.hashes | sed '$!s/$/ \\/'
    echo 'torch==2.13.0 ; sys_platform == "darwin" \'
    sed -n '/^torch==/,/^    # via/p' torch-cuda.txt | grep 'hash='
} > torch-cpu.txt
