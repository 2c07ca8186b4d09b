# Everything a developer or a newcomer does with this project. `make` alone lists it.
.DEFAULT_GOAL := help
SHELL := /bin/bash
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
TRACE ?= traces/veth-1500
# real traffic and real timers: they have the machine to themselves
ALONE := tests/lab tests/recorder tests/wire/test_two_taps_real.py tests/test_patches_kernel.py

.PHONY: help setup demo demo-lab test browser-test check lint types imports notebooks pictures screenshot gallery format traces probe-effects lab-validate bench bench-history bench-data bench-ui fuzz dist dist-test docs report clean bench-large

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

setup: $(STAMP) ## make .venv from pinned versions; as root on Debian also install tshark, perf, iperf3, chromium, ...

$(STAMP): pyproject.toml .ci/constraints.txt .ci/system-packages
	@.ci/system-packages
	python3 -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c .ci/constraints.txt -e '.[dev]'
	@touch $@

demo: $(STAMP) ## answer a shipped recording in the terminal and write report.html
	$(BIN)/zcanalysis report $(TRACE) -o report.html

demo-lab: $(STAMP) ## open JupyterLab on copies of the notebooks, the quickstart first
	$(BIN)/zcanalysis notebook quickstart

report: $(STAMP) ## the same of your own: make report TRACE=folder-or-capture
	$(BIN)/zcanalysis report $(TRACE) -o report.html

test: $(STAMP) ## run the tests and the docstrings' examples
	$(BIN)/python -m pytest -m "not notebook and not browser" -n 2 --dist loadfile $(ALONE:%=--ignore=%)
	$(BIN)/python -m pytest -m "not notebook and not browser" $(ALONE)

browser-test: $(STAMP) ## the report, and notebooks in JupyterLab, in a real browser without network (chromium)
	$(BIN)/python -m pytest -m browser -n 2 --dist loadfile tests/browser tests/test_report_browser.py

check: lint types imports test browser-test notebooks ## what CI runs

lint: $(STAMP) ## ruff: rules and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP) ## mypy, strict
	$(BIN)/mypy

imports: $(STAMP) ## imports point down the page
	$(BIN)/lint-imports

docs: $(STAMP) ## the reference of public names, tables and types, from the docstrings: build/docs/index.html
	rm -rf build/docs
	$(BIN)/python -W error -m tests.reference build/docs

dist: $(STAMP) ## source distribution and wheel, the wheel made of the former, into build/dist
	rm -rf build/dist
	$(BIN)/python -m build --no-isolation --outdir build/dist

dist-test: dist ## the wheel as its user has it: clean environment, demo, a case, a notebook; PYTHON=python3.13
	.ci/try-wheel build/dist/*.whl $(PYTHON)

notebooks: $(STAMP) ## run every notebook from its first cell to its last, and write build/notebooks/*.html
	$(BIN)/python -m pytest -m notebook

pictures: $(STAMP) ## draw the README's pictures anew (notebooks/images)
	$(BIN)/python notebooks/images/draw.py

screenshot: $(STAMP) ## take the README's picture of the explorer anew, in JupyterLab (chromium)
	$(BIN)/python -m tests.browser.explorer_picture

gallery: $(STAMP) ## every chart, of what is shipped, on one page: build/gallery.html
	$(BIN)/python -m tests.charts.gallery build/gallery.html

format: $(STAMP) ## mend what ruff can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

traces: $(STAMP) ## record traces/ anew (root, quiet machine) and rewrite their manifest
	for scenario in mtu-1500 mtu-9000 gro no-rps small-buffer cpu-hog; do \
	  place=traces/veth-$${scenario#mtu-}; rm -rf $$place; \
	  case $$scenario in mtu*) more=;; gro) more=--trace;; *) more=--no-capture;; esac; \
	  $(BIN)/zcanalysis lab run --scenario $$scenario --seconds 10 $$more -o $$place || exit; \
	done
	rm -rf traces/fragmented-udp traces/whole-udp
	$(BIN)/zcanalysis lab run --scenario udp-8k --seconds 8 -o traces/fragmented-udp
	$(BIN)/zcanalysis lab run --scenario udp-8k --patch mtu=9000 --seconds 8 -o traces/whole-udp
	$(BIN)/python -c 'from pathlib import Path; from zcanalysis.lab.manifest import write_manifest; write_manifest(Path("traces"))'

probe-effects: $(STAMP) ## what each probe costs, five configurations (root, quiet machine, ten minutes)
	mkdir -p build
	$(BIN)/zcanalysis lab probe-effects -o build/probe-effects.json

lab-validate: $(STAMP) ## foretell and measure 24 drawn cases (root, quiet machine, an hour); SEED=text
	place=build/validation-$$(date +%Y-%m-%d-%H%M); \
	$(BIN)/zcanalysis lab validate --draw 24 $(if $(SEED),--seed '$(SEED)') -o $$place && \
	$(BIN)/zcanalysis lab show $$place -o $$place/validation.html > $$place/validation.txt && \
	echo "$$place: validation.json, validation.parquet, validation.txt, validation.html"

bench: $(STAMP) ## speed against peers measured in the same run; adds a line to tests/bench/history.jsonl
	$(BIN)/python -m tests.bench

bench-history: $(STAMP) ## how these ratios moved from run to run
	$(BIN)/python -m tests.bench.history

bench-data: $(STAMP) ## a recording of a million packets, generated from a shipped one, into build/
	$(BIN)/python -m tests.bench.long_recording

bench-large: $(STAMP) ## a report on a generated capture of LARGE_GB (10), its memory and speed against a small one's
	$(BIN)/python -m tests.bench.large_report

bench-ui: bench-data ## from key to screen in JupyterLab, and memory over 1,000 changes; NOTEBOOK=script UI_ARGS=...
	$(BIN)/python -m tests.browser.slider_bench --recording build/veth-1500-million-generated $(UI_ARGS) $(NOTEBOOK)

fuzz: $(STAMP) ## damaged and hostile captures and perf texts for FUZZ_SECONDS (600), array bounds checked
	NUMBA_BOUNDSCHECK=1 NUMBA_CACHE_DIR=build/fuzz/compiled $(BIN)/python -m tests.fuzz

clean: ## remove what was built here, not the recordings
	rm -rf $(VENV) report.html build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
