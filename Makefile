# SPDX-License-Identifier: Apache-2.0
# Every target does the set-up that it needs (Debian packages, .venv) by itself, and is quick when there is nothing to do.

PYTHON_BIN := .venv/bin
PYTEST := $(PYTHON_BIN)/python -m pytest
# More than there are processors: most of the time is waiting for guests.
WORKERS ?= 5
BASE ?= origin/main
FUZZ_SECONDS ?= 60

.DEFAULT_GOAL := help
.PHONY: setup packages venv compare demo test long check system format generate golden parity fuzz bench docs check-series hooks help

help:  ## show the targets
	@sed -n 's/^\([a-z-]*\):.*##  *\(.*\)/  make \1 \2/p' $(MAKEFILE_LIST) | awk '{printf "  make %-13s", $$2; $$1=$$2=""; print $$0}'

packages:
	@tools/setup/packages.sh tools/setup/debian-packages.txt

venv: packages
	@tools/setup/venv.sh
	@# Where bytecode is not written at a start, each would compile 30,000 lines anew.
	@.venv/bin/python -m compileall -q src

compare: venv
	@tools/setup/packages.sh tools/setup/debian-packages-compare.txt

setup: venv  ## install what is missing: Debian packages, .venv with the developers' tools

demo: venv  ## boot a guest, talk to it, watch it stop
	@$(PYTHON_BIN)/virloom demo

check: venv  ## format, lint, types, layers, generated code, imports, docs: everything but the tests
	@$(PYTHON_BIN)/python -m tools.check

test: compare  ## the whole test suite, with real guests
	@$(PYTEST) -n $(WORKERS) --dist worksteal -m "not long"

long: compare  ## the long tests, which make test leaves out
	@$(PYTEST) -n $(WORKERS) --dist worksteal -m long

system: compare  ## the tests with real guests only
	@$(PYTEST) -n $(WORKERS) --dist worksteal -m "not long" tests/system

format: venv  ## repair format, imports and what the linter can mend
	@$(PYTHON_BIN)/ruff check --quiet --fix-only .
	@$(PYTHON_BIN)/ruff format .

generate: venv  ## renew all generated sources and tables
	@$(PYTHON_BIN)/python -m tools.renew

golden: compare  ## record tests/golden anew, from libvirt 9 where it is the model; review with git diff
	@/usr/bin/python3 tools/golden_define.py
	@VIRLOOM_UPDATE_GOLDEN=1 $(PYTEST) tests/golden
	@git --no-pager diff --stat -- tests/golden

parity: compare  ## compare with the libvirt 9 of this host, document by document (PARITY=options)
	@$(PYTHON_BIN)/python -m tools.parity $(PARITY)
	@if [ -z "$(PARITY)" ] && [ "$$(id -u)" = 0 ]; then \
	    $(PYTHON_BIN)/python -m tools.parity.networks && $(PYTHON_BIN)/python -m tools.parity.filters && \
	    $(PYTHON_BIN)/python -m tools.parity.pools && \
	    VIRLOOM_ALL_EFFECTS=/dev/null $(PYTEST) -q -n 0 --timeout 3000 tests/interop/test_same_effect.py; fi

fuzz: venv  ## property tests with many examples, then atheris, FUZZ_SECONDS (60) for each target
	@HYPOTHESIS_PROFILE=fuzz $(PYTEST) -n $(WORKERS) --timeout=1800 tests/property
	@$(PYTHON_BIN)/python -c "import atheris" 2>/dev/null || $(PYTHON_BIN)/python -m pip --disable-pip-version-check install -q -e '.[fuzz]'
	@$(PYTHON_BIN)/python -m tools.fuzz --prove
	@$(PYTHON_BIN)/python -m tools.fuzz --seconds $(FUZZ_SECONDS)

bench: compare  ## measure against bare QEMU and against libvirt 9 (installs it)
	@$(PYTHON_BIN)/python -m tools.bench

docs: venv  ## the documentation as HTML in docs/_build/html, manual pages of the daemons in docs/_build/man
	@$(PYTHON_BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build/html
	@$(PYTHON_BIN)/python -m sphinx -W --keep-going -q -b man -d docs/_build/html/.doctrees docs docs/_build/man
	@echo "docs/_build/html/index.html docs/_build/man/*.8"

check-series: venv  ## make check on each commit since BASE (default origin/main), and their messages
	@$(PYTHON_BIN)/python -m tools.check_commits --run "make check" $(BASE)..HEAD

hooks: venv  ## install the git hooks (pre-commit, commit-msg)
	@$(PYTHON_BIN)/python -m pip --disable-pip-version-check install -q -e '.[hooks]'
	@$(PYTHON_BIN)/pre-commit install --hook-type pre-commit --hook-type commit-msg
