#!/bin/sh
# Writes the peers' locks anew after a change of litellm.in or portkey/package.json. Needs uv (.venv/.dev) and npm.
set -eu
cd "$(dirname "$0")"
PATH="$PWD/../../.venv/bin:$PATH" uv pip compile --universal --python-version 3.11 --generate-hashes --no-header \
    --quiet --fork-strategy fewest litellm.in -o litellm.txt
# Without the addresses that the packages were found at: everybody has a registry of their own choice.
cd portkey
npm install --package-lock-only --ignore-scripts --omit-lockfile-registry-resolved --no-audit --no-fund
