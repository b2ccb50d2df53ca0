# make demo   the whole product on one screen, without network or set-up
# make test   the test suite; needs no service running
# make bench  speed, as ratios within one run
# make check  lint, types and the import contract
# make screenshots  every page of the demo as a picture, for a phone and for a desk (needs chromium)

PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed

.PHONY: setup demo test bench screenshots check lock clean

setup: $(STAMP)

$(STAMP): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Pledgewatch needs Python 3.11 or newer; name one with: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@$(BIN)/python -m compileall -q crawler monitors notify pledgewatch storage  # as pip does for what it installs
	@touch $(STAMP)

demo: setup
	$(BIN)/pledgewatch demo $(DEMO_OPTIONS)

test: setup
	$(BIN)/pytest -n 2 --dist worksteal $(TEST_OPTIONS)

bench: setup
	$(BIN)/python -m benchmarks

screenshots: setup
	$(BIN)/python tools/screenshots.py $(SCREENSHOT_OPTIONS)

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# After a change of pyproject.toml's dependencies. The lock names no index: pip asks the one it is set up for.
lock:
	$(PYTHON) -m venv .venv && $(BIN)/pip install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	  --extra dev pyproject.toml requirements/build.in -o requirements.txt

clean:
	rm -rf .venv dist .mypy_cache .ruff_cache .pytest_cache
