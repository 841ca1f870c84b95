# Two commands to start with: `make demo` and `make test`. Both need Python 3.11+ and a package index, nothing else.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
FUNCTIONS := $(wildcard functions/*)
# The installer that checks the hashes of requirements.lock; pinned, as everything it installs is.
INSTALLER := image/installer.txt
STAMP := $(VENV)/.installed
# Without Go the real control plane is left out, and the tests say so; CI sets this to nothing.
TESTBED ?= --optional

ALERTS ?= 2000
INPUTS ?= 50000

.DEFAULT_GOAL := help
.PHONY: help demo up test quick lint types contracts lock sbom advisories bench chaos fuzz nightly testbed clean

help: ## Say what there is
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 20

$(STAMP): pyproject.toml requirements.lock $(INSTALLER) $(FUNCTIONS:%=%/pyproject.toml)
	@$(PYTHON) -c 'import sys; sys.exit("molt needs Python 3.11 or newer, this is " + sys.version.split()[0] if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(INSTALLER)
	$(BIN)/uv pip install --quiet --python $(BIN)/python --verify-hashes -c requirements.lock -e '.[simulate]' $(FUNCTIONS:%=-e ./%) --group dev
	@touch $@

demo: $(STAMP) ## Run the main job from start to end on this machine: alerts, quarantine, rotation
	$(BIN)/molt demo

up: $(STAMP) ## Start the local runtime and leave it running until Ctrl-C
	$(BIN)/molt up

test: $(STAMP) ## Run every test, on the real control plane too where Go is there (first time: 10 minutes to build it)
	$(BIN)/python -m testbed $(TESTBED)
	$(BIN)/python -m pytest --cov --cov-report=term

quick: $(STAMP) ## Run the tests that start neither a control plane nor a whole runtime: under two minutes
	$(BIN)/python -m pytest -m 'not real and not slow' \
	  --ignore tests/end_to_end --ignore tests/cli --ignore tests/embedded/runtime

chaos: $(STAMP) ## Kill, break, fill and set back what there is while alerts pass: nothing is lost, nothing is done twice (8 minutes)
	$(BIN)/python -m testbed $(TESTBED)
	$(BIN)/python -m chaos --alerts $(ALERTS) --json .bench.json
	$(BIN)/python -m chaos api --cluster real --alerts $(ALERTS) --json .bench.json
	$(BIN)/python -m chaos.forwarder --json .bench.json

fuzz: $(STAMP) ## Give the servers INPUTS (50,000) inputs that nobody would send on purpose
	$(BIN)/python -m chaos.fuzz --inputs $(INPUTS) $(if $(SEED),--seed $(SEED))

nightly: INPUTS := 1000000
nightly: fuzz chaos ## Try a million inputs, and all of chaos

testbed: $(STAMP) ## Build the real control plane of the tests (TESTBED_KUBERNETES=1.34: the oldest supported minor)
	$(BIN)/python -m testbed

bench: $(STAMP) ## Measure the speed against floors and goals: 6 minutes; `python -m bench.report` then makes docs/performance.md
	$(BIN)/python -m testbed $(TESTBED)
	$(BIN)/python -m bench

lint: $(STAMP) ## Check style
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP) ## Check types
	$(BIN)/mypy

contracts: $(STAMP) ## Check who may import whom
	$(BIN)/lint-imports

lock: $(STAMP) ## Resolve the dependencies anew
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --python-version 3.11 \
	  --extra simulate --group dev --custom-compile-command 'make lock' --upgrade pyproject.toml -o requirements.lock

sbom: $(STAMP) ## Write the bills of materials (CycloneDX), of the project and of each image, into sbom/
	$(BIN)/python -m image.sbom sbom

advisories: $(STAMP) ## Ask whether a pinned version is known to be vulnerable (pip-audit; exit code 3: nobody to ask)
	$(BIN)/python -m image.advisories

clean: ## Remove what the commands above made in this folder
	rm -rf $(VENV) .bench.json .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .coverage .coverage.* sbom
