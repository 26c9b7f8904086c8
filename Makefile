# Works in a fresh clone with Python 3.11 or newer and make. `make help` lists what there is.

PYTHON ?= $(firstword $(foreach p,python3 python3.11 python3.12 python3.13 python3.14,$(shell $(p) -c \
	'import sys; sys.version_info >= (3, 11) and print("$(p)")' 2>/dev/null)))
UV_VERSION := 0.13.8
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=

# uv brings its own certificates; use the system's instead, as pip does, so that both work behind a company's proxy.
export UV_SYSTEM_CERTS ?= 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Hundreds of tests start a Python: none of them compiles again what another has compiled.
unexport PYTHONDONTWRITEBYTECODE

UV = $(or $(shell command -v uv 2>/dev/null),$(wildcard $(BIN)/uv))
LOWER_FLOORS := session protocols book transport model
DROP_INS = $(patsubst %/pyproject.toml,%,$(wildcard drop_in/*/pyproject.toml))
INSTALLED := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help install demo test check check-mypy check-rest format test-real test-versions faults bench soak simulate mutants coverage lock clean

help: ## print these lines
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' Makefile
	@echo 'ARGS="..." is passed on, e.g. make test ARGS="-k gap -x"; PYTHON=... chooses the interpreter'

install: $(INSTALLED) ## make .venv from the lock, with the project and its drop-ins editable

demo: $(INSTALLED) ## everything at once on this machine, against the sandbox
	$(BIN)/tapewire demo $(ARGS)

test: check ## check, then every test that needs no real server, the wheel's among them
	$(BIN)/pytest -n auto $(ARGS)

check: $(INSTALLED) ## lint, format, types, floors
	@$(MAKE) --no-print-directory -j 2 check-mypy check-rest

check-mypy: $(INSTALLED) # beside the rest: each takes as long as the other
	$(BIN)/mypy src $(wildcard drop_in)
	$(BIN)/mypy --explicit-package-bases examples tests/typed

check-rest: $(INSTALLED)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports --no-logo
	$(BIN)/basedpyright
	$(BIN)/python -m scripts.public_types

format: $(INSTALLED) ## let ruff put right what it can
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

test-real: $(INSTALLED) ## tests against real servers on this machine, and all of the venues' on uvloop; says what was skipped
	$(BIN)/pytest -n auto --loop uvloop tests/venues tests/faults $(ARGS)
	@$(BIN)/python -m tests.real.real_centrifugo
	@if $(BIN)/pytest -m real --collect-only --quiet --quiet >/dev/null; then \
		$(BIN)/pytest -m real $(ARGS); \
	elif [ $$? -eq 5 ]; then echo "no test needs a real server yet"; \
	else $(BIN)/pytest -m real --collect-only; fi

test-versions: $(INSTALLED) ## the tests on every other Python from 3.11 on that this machine has; says which it lacks
	@$(BIN)/python -m scripts.versions $(ARGS)

faults: $(INSTALLED) ## each fault the sandbox knows, against each venue, live and again from its tape
	$(BIN)/pytest -n auto -m "not real and not mutants" tests/faults tests/recording tests/risk tests/app/test_seeking.py $(ARGS)

bench: $(INSTALLED) ## side by side against peers, in one run
	$(BIN)/python -m benchmarks $(ARGS)

soak: $(INSTALLED) ## the demo round after round: honest every time, and nothing grows; ARGS="--minutes 30 --busy 2"
	$(BIN)/python -m scripts.soak $(ARGS)

simulate: $(INSTALLED) ## random faults on virtual time, 10,000 seeds a wire, 200 a market; ARGS="--wire phoenix --seed 7 --trace"
	PYTHONHASHSEED=0 $(BIN)/python -m tests.simulation $(ARGS)

mutants: $(INSTALLED) ## deliberate faults of the engine, each of which must be found
	$(BIN)/pytest -n auto -m mutants $(ARGS)

coverage: $(INSTALLED) ## lines and branches of the lower floors that their tests run through, from one run
	@rm -f .coverage .coverage.*
	$(BIN)/coverage run -m pytest -n auto -q $(addprefix tests/,$(LOWER_FLOORS)) \
		tests/properties tests/conformance tests/testing $(ARGS)
	@$(BIN)/coverage combine --quiet
	@$(BIN)/coverage report
	@for room in $(LOWER_FLOORS); do \
		echo "$$room: $$($(BIN)/coverage report --include="*/tapewire/$$room/*" --format=total) %"; done

lock: | $(BIN)/python ## write requirements.lock anew; ARGS=--upgrade for newer versions
	@[ -n "$(UV)" ] || $(BIN)/python -m pip install --quiet uv==$(UV_VERSION)
	$(or $(UV),$(BIN)/uv) pip compile --quiet --universal --python-version 3.11 --generate-hashes --all-extras \
		--group dev --custom-compile-command "make lock" --output-file requirements.lock $(ARGS) pyproject.toml

clean: ## remove .venv, caches and what was built
	rm -rf $(VENV) .venv-bench .coverage .coverage.* build dist .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find src tests drop_in benchmarks examples -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

$(BIN)/python:
	@[ -n "$(PYTHON)" ] || { echo "tapewire needs Python 3.11 or newer: make PYTHON=/path/to/python" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

# uv where it can be had, because it is quick; else pip, which does the same. All versions and hashes are the lock's:
# the build backend is in it too, so that nothing is fetched to build.
$(INSTALLED): requirements.lock pyproject.toml $(addsuffix /pyproject.toml,$(DROP_INS)) | $(BIN)/python
	@[ -n "$(UV)" ] || $(BIN)/python -m pip install --quiet uv==$(UV_VERSION) 2>/dev/null || echo "no uv: pip will do"
	@uv=$$(command -v uv || echo $(BIN)/uv); python=$(BIN)/python; \
	edit="--no-deps --no-build-isolation $(foreach d,. $(DROP_INS),--editable ./$(d))"; \
	if [ -x "$$uv" ] && "$$uv" pip sync --quiet --python $$python --require-hashes requirements.lock; \
	then "$$uv" pip install --quiet --python $$python $$edit; \
	else $$python -m pip install --quiet --require-hashes --requirement requirements.lock && \
		$$python -m pip install --quiet $$edit; fi
	@touch $@
