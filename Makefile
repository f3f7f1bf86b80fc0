# Two commands do all set-up: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
MEMOS := $(BIN)/memos
CORES := -n logical --dist worksteal

.PHONY: demo test test-fast lint docs bench clean

$(VENV)/installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	@echo "Installing; llama-cpp-python compiles from source the first time (about 4 minutes)."
	CMAKE_BUILD_PARALLEL_LEVEL=$$(nproc) $(BIN)/pip install --quiet --editable .
	@touch $@

$(VENV)/installed-test: $(VENV)/installed
	$(BIN)/pip install --quiet --editable '.[test,lint]'
	@touch $@

demo: $(VENV)/installed
	@PATH="$(CURDIR)/$(BIN):$$PATH" bash vaults/demo.sh

test: test-fast
	$(BIN)/pytest -m slow $(CORES)

test-fast: lint
	$(BIN)/pytest -m "not slow" $(CORES)

lint: $(VENV)/installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy
	$(BIN)/vulture
	$(BIN)/deptry memos_cli

docs: $(VENV)/installed-test
	$(BIN)/python docs/generate.py

$(VENV)/minilm.gguf: $(VENV)/installed
	$(BIN)/python -m tests.minilm $@

bench: $(VENV)/installed $(VENV)/minilm.gguf
	$(BIN)/python -m bench.retrieval
	$(BIN)/python -m bench.retrieval locomo beam prefeval --ranking full vector \
	  --label minilm --env MEMOS_EMBEDDER=$(CURDIR)/$(VENV)/minilm.gguf
	$(BIN)/python bench/recall.py
	$(BIN)/python bench/nano.py
	$(BIN)/python bench/kv.py --loss
	$(BIN)/python -m bench.tiering
	$(BIN)/python bench/evolve.py
	$(BIN)/python bench/relation.py

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis dist
