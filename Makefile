# Every target does its own set-up; `make demo` and `make test` are all that a newcomer needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
OUT := out/demo
SITIV_CACHE ?= $(HOME)/.cache
export SITIV_CACHE

.PHONY: help demo demo-snapshot lab test check style types playbooks-lint house servers bench messages
.PHONY: format clean

help: ## what there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 16

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "no virtual environment: as root, apt-get update && apt-get install python3-venv"; exit 1; }

$(VENV)/.installed: pyproject.toml hatch_build.py sitiv_infra/policy/_cover.c | $(VENV)/bin/python
	@echo "installing Python packages into $(VENV) (once)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/.developing: $(VENV)/.installed
	@echo "installing what tests and checks need (once)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check 'pip>=25.1'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[aerleon,dask]' --group dev
	@touch $@

demo: $(VENV)/.installed ## audit the example estate from a recording; needs no root
	@mkdir -p $(OUT)
	@$(BIN)/sitiv audit --from sitiv_infra/demo --runs $(OUT)/runs --write $(OUT)/audit.html; \
	  code=$$?; [ $$code -le 2 ] && echo "the page is in $(OUT)/audit.html (exit code $$code: see docs/read-the-report.md)"

demo-snapshot: servers $(VENV)/.developing ## record the demo again from real servers (root)
	@.ci/directory-extra $(BIN)/python
	@$(BIN)/python -m sitiv_infra.lab.recording sitiv_infra/demo

lab: servers $(VENV)/.installed ## two datacenters on one machine, from inventory/lab (root)
	@$(BIN)/sitiv lab up
	@echo "apply: $(BIN)/ansible-playbook -i inventory/lab playbooks/site.yml"

servers: ## install the servers that tests run against, when root
	@.ci/servers

test: servers $(VENV)/.developing ## every test, against real servers
	@.ci/directory-extra $(BIN)/python
	@.ci/engine $(BIN)/python
	@$(BIN)/pytest -n 3

check: style types playbooks-lint house ## style, types, Ansible lint, the rules of the house

style: $(VENV)/.developing
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: $(VENV)/.developing
	@$(BIN)/mypy

playbooks-lint: $(VENV)/.developing
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/ansible-lint --profile production --offline -q

house: $(VENV)/.developing
	@$(BIN)/pytest -q tests/house

format: $(VENV)/.developing ## put the code in shape
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

messages: $(VENV)/.developing ## the texts that lack their French translation
	@$(BIN)/python -m sitiv_infra.catalogue

bench: $(VENV)/.developing ## figures beside peers, as JSON lines; ONLY=judge for one family
	@$(BIN)/python bench/run.py $(ONLY)

clean: ## remove what was made here
	rm -rf $(VENV) out bench/out .mypy_cache .ruff_cache .pytest_cache .ansible
