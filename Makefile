# `make demo` and `make test` are all that a new machine needs. Everything lands in .venv, except the Debian packages
# named here, which are installed when you are root and named when you are not.
PYTHON ?= python3
VENV := .venv
STAMP := $(VENV)/.installed
BASE_PACKAGES := python3-venv
PEER_PACKAGES := baresip-core linphone-cli sip-tester kamailio kamailio-tls-modules openssl systemd
RIVAL_PACKAGES := gammu-smsd libdbd-sqlite3 smstools
EARS := .venv-listen
EARS_PACKAGES := espeak-ng $(patsubst %,asterisk-core-sounds-%-wav,en es fr it ru)

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint soak ears bench packages clean

help:  ## this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 14

setup: $(STAMP)  ## make the virtual environment

$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || sh tools/debian-packages $(BASE_PACKAGES)
	@echo "setting up $(VENV) (once, about a minute)..."
	@test -x $(VENV)/bin/pip || $(PYTHON) -m venv $(VENV)
	@$(VENV)/bin/pip install --quiet --disable-pip-version-check -e '.[test]'
	@touch $@

demo: $(STAMP)  ## verify a number on the simulated modem and phone
	@$(VENV)/bin/pinwheel demo

packages:
	@sh tools/debian-packages $(PEER_PACKAGES)

lint: $(STAMP)  ## ruff and mypy --strict
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy

test: $(STAMP) packages lint  ## lint, types and every test
	$(VENV)/bin/pytest -n 2 --dist loadfile --cov=daemon.core --cov-branch --cov-report=term --cov-fail-under=100

soak: $(STAMP) packages ears  ## slow campaigns: kill -9, faults, a storm of them, 500 calls, outages, PINs heard (2 hours)
	$(VENV)/bin/python -m tests.soak

ears: $(EARS)/.installed  ## what listens in make soak: a recogniser, an engine, recordings (1 GB)
	@sh tools/debian-packages $(EARS_PACKAGES)

$(EARS)/.installed: tests/soak/recogniser.txt
	@echo "setting up $(EARS) (once: 300 MB to fetch)..."
	@test -x $(EARS)/bin/pip || $(PYTHON) -m venv $(EARS)
	@$(EARS)/bin/pip install --quiet --disable-pip-version-check -r $<
	@touch $@

bench: $(STAMP)  ## speed beside gammu-smsd and smstools3, pacing of calls beside sipp and pyVoIP (25 minutes)
	@sh tools/debian-packages $(RIVAL_PACKAGES)
	$(VENV)/bin/python -m tests.bench

clean:  ## remove everything that make made
	rm -rf $(VENV) $(EARS) *.egg-info .pytest_cache .mypy_cache .ruff_cache .coverage .hypothesis
