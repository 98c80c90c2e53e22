# `make run` and `make test` need a Python of at least 3.11 and nothing else.
# They write to .venv/ and, while Reprise runs, to .reprise/ (REPRISE_HOME): nowhere else, but for pip's and uv's own caches.
.DEFAULT_GOAL := help
.SUFFIXES:
.PHONY: help run test check lint fix bench wheel lock clean obsolete

PYTHON ?= python3
BIN := .venv/bin
CACHE := $(CURDIR)/.venv/cache

# A caller's own Python, pip or uv settings must neither bend this environment nor be bent by it.
unexport CONDA_PREFIX PYTHONHOME PYTHONPATH PYTHONSTARTUP PYTHONUSERBASE PYTHONDONTWRITEBYTECODE VIRTUAL_ENV
unexport PIP_CONSTRAINT PIP_NO_BINARY PIP_ONLY_BINARY PIP_PREFIX PIP_PYTHON PIP_REQUIREMENT PIP_ROOT PIP_TARGET PIP_USER
unexport UV_BREAK_SYSTEM_PACKAGES UV_BUILD_CONSTRAINT UV_CONSTRAINT UV_EXCLUDE UV_EXCLUDE_NEWER UV_NO_BINARY UV_NO_BUILD
unexport UV_NO_DEFAULT_GROUPS UV_OVERRIDE UV_PREFIX UV_PRERELEASE UV_PROJECT UV_PYTHON UV_RESOLUTION UV_SYSTEM_PYTHON
unexport UV_TARGET UV_WORKING_DIR UV_WORKING_DIRECTORY
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_ROOT_USER_ACTION := ignore
export UV_PYTHON_DOWNLOADS := never
export HYPOTHESIS_STORAGE_DIRECTORY := $(CACHE)/hypothesis
export PYTHONPYCACHEPREFIX := $(CACHE)/bytecode

help: ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-6s %s\n", $$1, $$2 }' Makefile
	@echo 'ARGS="..." is passed on by run, test, check and bench; PYTHON=... selects the interpreter for a new environment.'

run: .venv/.runtime ## start everything: database, API, projections; Ctrl-C stops it
	@exec $(BIN)/reprise run $(ARGS)

test: lint ## run everything that must pass: the linters, then every test
	@$(BIN)/python -m pytest $(in_parallel) $(ARGS)

check: lint ## run the linters and the fast tests
	@$(BIN)/python -m pytest $(in_parallel) tests/domain tests/application $(ARGS)

# One process for each core, with a PostgreSQL of its own; ARGS="-n0" runs in one process, where a debugger can stop it.
in_parallel := --numprocesses=auto --maxprocesses=8 --dist=worksteal

lint: .venv/.dev
	@$(BIN)/ruff format --check --quiet . || { echo 'Not in the house format: make fix'; exit 1; }
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy --no-error-summary
	@$(call unless_it_fails_hide,$(BIN)/lint-imports --no-logo --cache-dir .venv/cache/imports)
	@$(call unless_it_fails_hide,$(BIN)/deptry .)
	@echo 'Format, lint, types, imports and dependencies are in order.'

unless_it_fails_hide = said=$$($(1) 2>&1) || { echo "$$said"; exit 1; }

fix: .venv/.dev ## format the code and fix what the linter can
	@$(BIN)/ruff check --fix --quiet . || true
	@$(BIN)/ruff format .

bench: .venv/.dev ## run the benchmarks
	@exec $(BIN)/python -m benchmarks $(ARGS)

wheel: .venv/.dev ## build dist/*.whl, which knows the commit it was made from
	@trap 'rm -f infrastructure/build.txt' EXIT; \
	git --no-optional-locks describe --always --dirty --abbrev=12 --exclude='*' > infrastructure/build.txt; \
	$(BIN)/uv build --quiet --no-config --wheel --out-dir dist .

# ---- dependencies

compile = $(BIN)/uv pip compile --quiet --no-config --universal --python-version 3.11 --generate-hashes --no-header \
	--no-annotate --no-emit-index-url $(if $(UPGRADE),--upgrade)

lock: .venv/.uv ## resolve the dependencies again after a change in pyproject.toml; UPGRADE=1 takes newer ones
	$(compile) --group pyproject.toml:installer --output-file requirements-uv.lock
	$(compile) pyproject.toml --output-file requirements.lock
	$(compile) pyproject.toml --group dev --constraint requirements.lock --output-file requirements-dev.lock
	@! grep -nE '://|^ *-(-[^h]|[a-z])' requirements*.lock || { echo 'A lock file names an address or an option.'; exit 1; }

clean: ## remove .venv/ and files of other tools; data in .reprise/ stays
	rm -rf .venv dist .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -path './.?*' -prune -o -type d -name __pycache__ -prune -exec rm -rf {} +

# ---- the environment: pip brings in uv, uv the locked packages; each file is checked against its hash

pythons := $(if $(filter file,$(origin PYTHON)),python3 python3.14 python3.13 python3.12 python3.11,"$(PYTHON)")

# A checkout that was moved, or whose interpreter is gone, gets a new environment.
made_for := $(shell [ -x $(BIN)/python ] && { cat .venv/.checkout 2>/dev/null || pwd -P; })
ifneq ($(made_for),$(realpath .))
obsolete := obsolete
endif

# Certificates that the system trusts count, too, where it has any.
ifneq ($(wildcard /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt /etc/ssl/cert.pem),)
export UV_SYSTEM_CERTS ?= 1
endif

# Without a home to write to, uv keeps its cache here.
ifeq ($(shell [ -w "$${XDG_CACHE_HOME:-$$HOME/.cache}" ] || [ -w "$$HOME" ] || echo no),no)
export UV_CACHE_DIR ?= $(CACHE)/uv
endif

# pip as the interpreter has it, installed or in ensurepip's wheel, so that .venv needs none of its own.
define FIND_PIP
import glob, importlib.util, os, sysconfig
pip = importlib.util.find_spec("pip")
if pip and pip.origin:
    print(os.path.join(os.path.dirname(pip.origin), "__pip-runner__.py"))
else:
    ensurepip = importlib.util.find_spec("ensurepip")
    bundled = os.path.join(os.path.dirname(ensurepip.origin), "_bundled") if ensurepip and ensurepip.origin else ""
    wheels = sysconfig.get_config_var("WHEEL_PKG_DIR") or bundled
    print(os.path.join(max(glob.glob(os.path.join(wheels, "pip-*.whl"))), "pip"))
endef
export FIND_PIP

find_pip = base=$$(sed -n 's/^executable = //p' .venv/pyvenv.cfg); \
	pip=$$("$${base:-$(BIN)/python}" -I -c "$$FIND_PIP" 2>/dev/null) || { \
	echo 'This Python has neither pip nor ensurepip. On Debian and Ubuntu: apt install python3-venv'; exit 1; }
pip_install = $(BIN)/python -I -B "$$pip" install -qq --no-user --no-compile --no-deps --require-hashes -r

# uv may not know of a mirror, proxy or certificate that pip is set up for: then pip does its work.
install = { $(BIN)/uv pip $(1) $(2) --quiet --python .venv --require-hashes || { \
	echo 'uv could not install the packages; trying pip.'; $(find_pip); $(pip_install) $(2); }; } && \
	$(BIN)/uv pip install --quiet --python .venv --offline --no-deps --no-build-isolation --editable .

.venv/.uv: requirements-uv.lock $(obsolete)
	@set -e; \
	if [ ! -x $(BIN)/python ] || [ '$(obsolete)' ]; then \
		for python in $(pythons) ''; do \
			"$$python" -I -c 'import sys, venv; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && break || true; \
		done; \
		[ "$$python" ] || { echo 'Reprise needs Python 3.11 or newer, with its venv module: make run PYTHON=/path/to/python3'; exit 1; }; \
		echo "Making .venv with $$("$$python" -V)"; \
		"$$python" -I -B -m venv --clear --without-pip .venv; \
	fi; \
	$(find_pip); \
	$(pip_install) requirements-uv.lock --only-binary :all:; \
	pwd -P > .venv/.checkout; \
	touch $@

.venv/.runtime: .venv/.uv requirements.lock pyproject.toml
	@echo 'Installing the packages of requirements.lock'
	@$(call install,install --no-deps -r,requirements.lock)
	@touch $@

.venv/.dev: .venv/.uv requirements-dev.lock pyproject.toml
	@echo 'Installing the packages of requirements-dev.lock'
	@$(call install,sync,requirements-dev.lock)
	@touch .venv/.runtime $@

obsolete:
