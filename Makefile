# A new machine needs only `make demo` and `make test`. Everything is written to this folder, except the Debian packages named
# here: as root they are installed, otherwise their names are printed.
# Debian's own, where there is one: the package runs on it. It is a sixth faster than one that was built without PGO.
PYTHON ?= $(firstword $(wildcard /usr/bin/python3) python3)
VENV := .venv
STAMP := $(VENV)/.installed
PIP_INSTALL := $(VENV)/bin/pip install --quiet --disable-pip-version-check
LOCK_VENV := .venv-lock
# One file for every Python from 3.11 and every machine: it names the hashes of all wheels of a version.
COMPILE := $(LOCK_VENV)/bin/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --custom-compile-command 'make lock'
BASE_PACKAGES := python3-venv
PEER_PACKAGES := baresip-core chromium linphone-cli sip-tester kamailio kamailio-tls-modules openssl postgresql prometheus systemd
SOAK_PACKAGES := strace
RIVAL_PACKAGES := gammu-smsd libdbd-sqlite3 smstools redis-server
RIVALS := .venv-rivals
CONTAINER_PACKAGES := podman runc
BOOT_PACKAGES := debootstrap systemd-container
PACKAGED := $(shell git ls-files .ci '*.md' config daemon debian drivers systemd pyproject.toml requirements.lock)
EARS := .venv-listen
EARS_PACKAGES := espeak-ng libopencore-amrnb0 libgsm1 \
	$(foreach language,en es fr it ru,asterisk-core-sounds-$(language) asterisk-core-sounds-$(language)-wav)

.DEFAULT_GOAL := help
.PHONY: help setup lock demo deb deb-check bootable test test-installed test-container lint soak ears rivals bench mutate packages clean

help:  ## print this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 22

setup: $(STAMP)  ## make the virtual environment .venv with everything that tests need

$(STAMP): pyproject.toml requirements-build.lock requirements-test.lock
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || sh .ci/debian-packages $(BASE_PACKAGES)
	@echo "setting up $(VENV) (once, about a minute)..."
	@test -x $(VENV)/bin/pip || $(PYTHON) -m venv $(VENV)
	@$(PIP_INSTALL) --require-hashes -r requirements-build.lock
	@$(PIP_INSTALL) --require-hashes --no-build-isolation -r requirements-test.lock
	@$(PIP_INSTALL) --no-deps --no-build-isolation -e .
	@touch $@

lock:  ## renew requirements*.lock: the newest versions that pyproject.toml allows, with their hashes
	@test -x $(LOCK_VENV)/bin/uv || { $(PYTHON) -m venv $(LOCK_VENV) && $(LOCK_VENV)/bin/pip install --quiet uv; }
	echo 'setuptools>=68' | $(COMPILE) -o requirements-build.lock -
	$(COMPILE) --extra test -o requirements-test.lock pyproject.toml
	$(COMPILE) --extra render --constraint requirements-test.lock -o requirements.lock pyproject.toml

demo: $(STAMP)  ## verify a number on a simulated modem and a simulated phone
	@$(VENV)/bin/pinwheel demo

packages:
	@sh .ci/debian-packages $(PEER_PACKAGES)

lint: $(STAMP)  ## ruff and mypy --strict
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy

deb:  ## build the Debian package in dist/, for this machine's release or RELEASE=bookworm|trixie
	@sh .ci/deb $(RELEASE)

deb-check:  ## build the committed package twice: both must be equal, and lintian must find nothing (RELEASE as for deb)
	@sh .ci/deb-check $(RELEASE)

# make test also tests the installed package for Debian 12, on machines that can boot a tree of it (as root). This package is
# compressed quickly, not well: to publish one, use make deb.
dist/.%: $(PACKAGED)
	@DPKG_DEB_COMPRESSOR_TYPE=zstd DPKG_DEB_COMPRESSOR_LEVEL=3 sh .ci/deb $* && touch $@

bootable:
	@if [ "$$(id -u)" -eq 0 ]; then sh .ci/debian-packages $(BOOT_PACKAGES) && $(MAKE) --no-print-directory dist/.bookworm; fi

test-installed: $(STAMP)  ## install the package in Debian 12 and 13 that boot, and time every recovery (root, 30 minutes)
	@sh .ci/debian-packages $(BOOT_PACKAGES)
	@$(MAKE) --no-print-directory dist/.bookworm dist/.trixie
	$(VENV)/bin/python -m tests.installed

test-container: $(STAMP)  ## build the container image from the package, and verify numbers in it (root, podman, 3 minutes)
	@sh .ci/debian-packages $(BOOT_PACKAGES) $(CONTAINER_PACKAGES)
	@$(MAKE) --no-print-directory dist/.bookworm
	$(VENV)/bin/python -m tests.installed.container

test: $(STAMP) packages lint bootable  ## lint, types and every test (under 12 minutes on 2 cores)
	$(VENV)/bin/pytest -rs tests/test_installed.py  # alone: it measures times
	$(VENV)/bin/python -m compileall -q daemon drivers tests  # once, not by each daemon that a test starts
	$(VENV)/bin/pytest -n 3 --ignore tests/test_installed.py --dist loadfile --cov --cov-report=term --cov-fail-under=100

soak: $(STAMP) packages ears  ## slow campaigns: kill -9, power loss, faults, overload, 500 calls, outages, speech (3 hours)
	@sh .ci/debian-packages $(SOAK_PACKAGES)
	$(VENV)/bin/python -m tests.soak

ears: $(EARS)/.installed  ## install what make soak listens with: a speech recogniser, espeak-ng, recordings (1 GB)
	@sh .ci/debian-packages $(EARS_PACKAGES)

$(EARS)/.installed: tests/soak/recogniser.txt
	@echo "setting up $(EARS) (once: 300 MB to fetch)..."
	@test -x $(EARS)/bin/pip || $(PYTHON) -m venv $(EARS)
	@$(EARS)/bin/pip install --quiet --disable-pip-version-check -r $<
	@touch $@

rivals: $(RIVALS)/.installed  ## install what make bench compares with: a Redis service, schedulers, a profiler
	@sh .ci/debian-packages $(RIVAL_PACKAGES)

$(RIVALS)/.installed: tests/bench/rivals.txt
	@test -x $(RIVALS)/bin/pip || $(PYTHON) -m venv $(RIVALS)
	@$(RIVALS)/bin/pip install --quiet --disable-pip-version-check -r $<
	@touch $@

bench: $(STAMP) packages rivals  ## compare starts, timers, SMS speed and audio timing with other programs (45 minutes)
	$(VENV)/bin/python -m tests.bench

mutate: $(STAMP)  ## change the code in small ways and name what no test notices, with scores (at most 90 minutes)
	$(VENV)/bin/python -m tests.mutate

clean:  ## remove everything that make has made here
	rm -rf $(VENV) $(LOCK_VENV) $(EARS) $(RIVALS) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .coverage .hypothesis .mutants
