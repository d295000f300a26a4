# `make run` starts everything, `make test` tests it; both set up first. Needs Python >= 3.11, make and git.
# Paths are relative to this folder (the venv's stamps too), so that spaces in its own path do no harm.

PY := .venv/bin/python
PIP := $(PY) -m pip --disable-pip-version-check
LOCKS := requirements/base.txt requirements/embedding.txt requirements/stack.txt
# 3.11 first: the locks are made and tested with it, and torch's small CPU build for Linux is pinned for it.
PYTHONS := $(PYTHON) python3.11 python3 python3.13 python3.12

# `check --deploy` looks at production settings; nothing is contacted and no value is a secret.
PRODUCTION := HALFPENNY_ENV=production ALLOWED_HOSTS=halfpenny.example \
	HALFPENNY_SECRET_KEY=for-checks-only-0123456789-abcdefghijklmnopqrstuvwxyz-ABCDEFGHIJ \
	HALFPENNY_ENCRYPTION_KEY=Zm9yLWNoZWNrcy1vbmx5LTAxMjM0NTY3ODktYWJjZGU= \
	DATABASE_URL=postgresql://halfpenny@127.0.0.1:1/halfpenny \
	REDIS_CACHE_URL=redis://127.0.0.1:1/0 REDIS_STATE_URL=redis://127.0.0.1:2/0

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help setup run test check format openapi truth bench bench-peers lock test-browser test-node test-langchain FORCE

help: ## show the targets
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' Makefile | expand -t 22

setup: .venv/.stack ## create .venv and install what `make run` needs

# --with-parent: the stack also ends when make itself is killed.
run: setup ## start the whole stack in the foreground (PORT=..., HALFPENNY_HOME=...); Ctrl-C ends it
	@exec $(PY) -m config.devstack run --with-parent

test: .venv/.dev ## run every test that needs only Python and make (ARGS="-k name")
	@exec $(PY) -m pytest -m "not browser and not node and not langchain" $(ARGS)

check: .venv/.dev ## format, lint, types, import contracts, deployment settings, missing migrations
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	$(PY) -m mypy .
	.venv/bin/lint-imports
	$(PRODUCTION) $(PY) manage.py check --deploy --fail-level WARNING
	$(PY) -m config.devstack servers -- $(PY) manage.py makemigrations --check --dry-run

format: .venv/.dev ## format the code and mend what ruff can mend
	$(PY) -m ruff format .
	$(PY) -m ruff check --fix .

openapi: .venv/.dev ## write the API's committed description anew
	$(PY) -m config.devstack servers -- $(PY) manage.py export_openapi_schema --api gateway.api.api --indent 1 --sorted --output tests/snapshots/openapi.json

truth: setup ## measure the semantic cache on a folder of labelled files, and write docs/cache-truth.md anew (DATA=...)
	@test -n "$(DATA)" || { echo "make truth needs DATA=FOLDER (docs/cache-truth.md says of what)" >&2; exit 1; }
	@exec $(PY) manage.py cache_truth "$(DATA)" --docs $(ARGS)

bench: setup ## measure a stack of its own and other gateways, about 22 minutes (ARGS=--quick: two, ours only)
	@exec $(PY) -m benchmarks $(ARGS)

bench-peers: setup ## install the gateways that `make bench` compares with into .bench/ (Portkey needs npm)
	@exec $(PY) -m benchmarks.peers

test-browser: .venv/.browser ## run the tests that need a browser (Debian: chromium)
	@command -v chromium >/dev/null || { echo "make test-browser needs chromium (Debian: apt install chromium)" >&2; exit 1; }
	@exec $(PY) -m pytest -m browser $(ARGS)

test-node: .venv/.dev tests/node/node_modules/.package-lock.json ## run OpenAI's client for Node against a stack (needs Node >= 20 and npm)
	@exec $(PY) -m pytest -m node $(ARGS)

test-langchain: .venv/.dev .venv/langchain/.made ## run LangChain against a stack (installs it into a venv of its own)
	@exec $(PY) -m pytest -m langchain $(ARGS)

lock: .venv/.dev ## write the hash-pinned locks anew
	PATH="$(CURDIR)/.venv/bin:$$PATH" sh requirements/lock.sh

# Each stamp is written when its step is complete: a broken-off step is done again, a complete one is skipped.
.venv/.made:
	@for python in $(PYTHONS); do \
		"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && break; \
		python=; \
	done; \
	if [ -z "$$python" ]; then echo "Python 3.11 or later is needed (or name one: make PYTHON=...)" >&2; exit 1; fi; \
	echo "==> Making .venv with $$("$$python" --version)"; \
	"$$python" -m venv .venv || { echo "Python's venv module is incomplete (Debian: apt install python3-venv)" >&2; exit 1; }
	@echo "==> Upgrading pip (older ones take several times as long)"
	@$(PIP) install --quiet --upgrade pip
	@touch $@

# Remembers which torch is installed; written anew, and so installed anew, only when TORCH_LOCK names another.
.venv/.torch: .venv/.made FORCE
	@lock="$(TORCH_LOCK)"; \
	if [ -z "$$lock" ] && [ -s $@ ]; then exit 0; fi; \
	if [ -z "$$lock" ]; then echo "==> Looking for torch's CPU build"; lock=$$($(PY) -I config/devstack/torch_lock.py); fi; \
	if [ ! -f "requirements/$$lock" ]; then echo "TORCH_LOCK: there is no requirements/$$lock" >&2; exit 1; fi; \
	if [ "$$(cat $@ 2>/dev/null)" = "$$lock" ]; then exit 0; fi; \
	if [ "$$lock" = torch-cuda.txt ]; then echo "==> Note: torch's CUDA build is taken, a download of several GB"; fi; \
	echo "$$lock" > $@

.venv/.stack: .venv/.torch $(LOCKS) requirements/torch-cpu.txt requirements/torch-cuda.txt
	@echo "==> Installing the pinned packages ($$(cat .venv/.torch) for torch); the first time takes minutes"
	@$(PIP) install --require-hashes $(LOCKS:%=-r %) -r "requirements/$$(cat .venv/.torch)"
	@touch $@

.venv/.dev: .venv/.stack requirements/dev.txt
	@echo "==> Installing the packages of tests and checks"
	@$(PIP) install --require-hashes $(LOCKS:%=-r %) -r "requirements/$$(cat .venv/.torch)" -r requirements/dev.txt
	@touch $@

.venv/.browser: .venv/.dev requirements/browser.txt
	@echo "==> Installing the browser driver"
	@$(PIP) install --require-hashes -r requirements/browser.txt
	@touch $@

tests/node/node_modules/.package-lock.json: tests/node/package.json tests/node/package-lock.json
	@command -v npm >/dev/null || { echo "make test-node needs Node >= 20 with npm (Debian: apt install nodejs npm)" >&2; exit 1; }
	@echo "==> Installing OpenAI's client for Node"
	@cd tests/node && npm ci --silent
	@touch $@

.venv/langchain/.made: .venv/.made requirements/langchain.txt
	@echo "==> Installing LangChain into .venv/langchain"
	@$(PY) -m venv .venv/langchain
	@.venv/langchain/bin/python -m pip --disable-pip-version-check install --quiet --require-hashes -r requirements/langchain.txt
	@touch $@
