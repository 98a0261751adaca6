# Each target sets up what it needs: `make demo` and `make test` work in a fresh clone.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
FLOORS := .cache/floors
PLAYGROUND := .cache/playground
NPM := .cache/npm-ready
CHROMIUM = $(firstword $(foreach name,chromium chromium-browser google-chrome,$(shell command -v $(name) 2>/dev/null)))
PIP_INSTALL = -m pip install -qq --disable-pip-version-check

# The oldest of everything that envmagic can stand on; ipykernel is what fits that IPython.
# packaging before 23.2 refuses `git+file:///` and `file:` URLs. The deselected law compares us
# with packaging's own reading of `extra` in markers, which is another before 26.
FLOOR_PINS := ipython==7.34 ipywidgets==7.7.1 packaging==23.2 pip-tools==7.6.1 \
	nvidia-ml-py==11.525.112 ipykernel==6.29.0

# What live tests cover runs in environments of their own, and is not counted.
COVERAGE := 55

KILLS ?= 200
SEED ?= 1

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test torture lint verdicts wire panel screenshots bench lab floors browser clean

help: ## show this
	@echo "usage: make TARGET"
	@echo
	@sed -nE 's/^([a-z]+):.*## (.*)/  \1\t\2/p' $(MAKEFILE_LIST) | expand -t 12

demo: $(READY) browser ## make a real kernel equal to a lock, prove it, and take a picture of it
	@$(BIN)/python examples/demo.py

test: lint panel browser ## lint, the sidebar, then all tests, with the coverage gate
	@$(BIN)/python -m pytest -n 2 --dist worksteal --cov=envmagic --cov-branch \
		--cov-report=term:skip-covered --cov-fail-under=$(COVERAGE) tests

torture: $(READY) ## KILLS (200) kill -9 at every step of a sync, a quarter more of other faults; SEED
	@PYTHONPATH=tests $(BIN)/python -m support.toll --kills $(KILLS) --seed $(SEED)

lint: $(READY) ## ruff, mypy and the layers
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy --exclude '^bench/environments/'
	@$(BIN)/lint-imports

verdicts: $(READY) ## print which lock runs on which machine, and why
	@PYTHONPATH=tests $(BIN)/python -m support.verdicts

wire: $(READY) ## write the examples of the sidebar's wire form again, for both languages' tests
	@PYTHONPATH=tests $(BIN)/python -m support.wire

panel: $(NPM) ## test the sidebar, build it, and hold it against what is there
	@rm -rf .cache/panel && cp -r envmagic/labextension .cache/panel
	@cd labextension && npx tsc && node --no-warnings --test --test-reporter=dot test/ && npm run --silent build >/dev/null
	@diff -r .cache/panel envmagic/labextension || { echo "it was built anew: commit it"; exit 1; }

screenshots: $(READY) $(NPM) browser ## go through the sidebar in a browser, and take its pictures
	@ENVMAGIC_SCREENSHOTS="$(CURDIR)/screenshots" $(BIN)/python -m pytest -q tests/browser

bench: $(READY) browser ## measure a first diff, the cost of safety, the panel (Python 3.11; 260 projects)
	@$(BIN)/python -c "import uv" 2>/dev/null || $(BIN)/python $(PIP_INSTALL) uv
	@$(BIN)/python -m bench.run
	@$(BIN)/python -m bench.safety
	@PYTHONPATH=tests $(BIN)/python -m bench.panel

lab: $(READY) $(PLAYGROUND)/.ready ## JupyterLab on examples/, its kernel in an environment to play with
	@$(BIN)/python -c "import jupyterlab" 2>/dev/null || $(BIN)/python $(PIP_INSTALL) jupyterlab
	@mkdir -p .cache/labextensions && ln -sfn ../../envmagic/labextension .cache/labextensions/envmagic
	@JUPYTER_PATH="$(CURDIR)/$(PLAYGROUND)/share/jupyter" $(BIN)/jupyter lab \
		--LabApp.extra_labextensions_path="$(CURDIR)/.cache/labextensions" $(if $(filter 0,$(shell id -u)),--allow-root) $(LAB_FLAGS) examples

floors: $(FLOORS)/.ready ## unit tests and a real kernel with the oldest supported dependencies
	@$(FLOORS)/bin/python -m pytest -p no:cacheprovider -q tests/unit \
		--deselect tests/unit/test_requirement.py::test_a_line_reads_as_packaging_reads_it
	@$(FLOORS)/bin/python examples/round_trip.py

clean: ## take away what make made here
	@rm -rf $(VENV) .cache demo-output screenshots build dist bench/environments .coverage .hypothesis
	@rm -rf labextension/node_modules labextension/lib
	@rm -rf .mypy_cache .pytest_cache .ruff_cache .import_linter_cache

# pip learned `--group` in 25.1.
$(READY): pyproject.toml
	@echo "setting up $(VENV) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python $(PIP_INSTALL) --upgrade "pip>=25.1"
	@$(BIN)/python $(PIP_INSTALL) --editable . --group test --group lint
	@touch $@

$(NPM): labextension/package-lock.json
	@echo "setting up labextension/node_modules ..."
	@cd labextension && npm ci --ignore-scripts --no-audit --no-fund --silent
	@mkdir -p $(@D) && touch $@

$(FLOORS)/.ready: pyproject.toml Makefile
	@echo "setting up $(FLOORS) ..."
	@$(PYTHON) -m venv --clear $(FLOORS)
	@$(FLOORS)/bin/python $(PIP_INSTALL) --upgrade "pip>=25.1"
	@$(FLOORS)/bin/python $(PIP_INSTALL) --editable . $(FLOOR_PINS) "hypothesis>=6.100" "pytest>=8"
	@touch $@

# Not $(VENV): a sync would take the tools away from there.
$(PLAYGROUND)/.ready: pyproject.toml
	@echo "setting up $(PLAYGROUND) ..."
	@$(PYTHON) -m venv --clear $(PLAYGROUND)
	@$(PLAYGROUND)/bin/python $(PIP_INSTALL) --editable . ipykernel
	@$(PLAYGROUND)/bin/python -m ipykernel install --prefix $(PLAYGROUND) --name python3 \
		--display-name "Python (playground)" >/dev/null
	@touch $@

# Debian's own; without it the demo leaves the picture out, and says so.
browser:
	@if [ -z "$(CHROMIUM)" ] && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "installing chromium ..."; \
		(apt-get update && apt-get install -y --no-install-recommends chromium) >/dev/null 2>&1 \
			|| echo "chromium cannot be had"; \
	fi
