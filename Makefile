# The commands of this project, for people, pre-commit and CI. `make help` lists them.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PEERS := .venv-peers
DOCS := .venv-docs

# Every build uses one interpreter, so that cargo does not rebuild the binding when the command changes.
export PYO3_PYTHON := $(CURDIR)/$(BIN)/python
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Plots are written to files.
export MPLBACKEND := Agg

RUST_SOURCES := $(shell find crates -name '*.rs' -o -name Cargo.toml 2>/dev/null) Cargo.toml Cargo.lock
PYTHON_SOURCES := $(shell find python -type f -not -path '*/__pycache__/*' -not -name '*.so' 2>/dev/null)
WHEEL := dist/.built

.DEFAULT_GOAL := help
.NOTPARALLEL:
.DELETE_ON_ERROR:
.PHONY: help demo test check fmt-check clippy lint types test-rust test-loom test-python sanitize bench bench-rust bench-python api \
	wheel docs test-peers torch-models format clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))
	@echo "  PYTHON=$(PYTHON) is the interpreter that makes the environments; it must be 3.10 or newer."

demo: $(VENV)/.installed ## train a LeNet on handwritten digits and write its curves
	$(BIN)/python examples/lenet_digits.py

test: fmt-check clippy lint types test-rust test-loom test-python ## run every check and test, cheapest first

check: test ## the same as test

fmt-check: $(VENV)/.tools
	cargo fmt --all --check
	$(BIN)/ruff format --check .

clippy: $(VENV)/.created
	cargo clippy --workspace --all-targets --locked -- -D warnings

lint: $(VENV)/.tools
	$(BIN)/ruff check .

types: $(VENV)/.tools
	$(BIN)/mypy

# The binding is tested from Python; its crate cannot link into a Rust test without an interpreter.
test-rust: $(VENV)/.created
	@if cargo nextest --version >/dev/null 2>&1; then \
		set -x; cargo nextest run --workspace --exclude n2d2-py --locked --no-fail-fast && \
		cargo test --workspace --exclude n2d2-py --locked --doc; \
	else \
		set -x; cargo test --workspace --exclude n2d2-py --locked --no-fail-fast; \
	fi

# The model checker replaces the atomics of the whole crate, so it builds apart.
test-loom: ## check how threads join a job, over all interleavings
	CARGO_TARGET_DIR=target/loom RUSTFLAGS="--cfg loom" cargo test --package n2d2-core --locked --lib -- gate:: homes::

test-python: $(VENV)/.tools $(VENV)/.installed
	$(BIN)/python -m pytest -m "not slow"
	$(BIN)/python -m pytest -m slow

# Builds of the address sanitizer need its runtime, which comes with the toolchain, and a target named, so that build
# scripts are left as they are. `guarded` gives every buffer a block of its own size. Options on the right: the distance
# between blocks, so that an access far behind the end does not fall into another block.
sanitize: export CARGO_TARGET_DIR := target/sanitize
sanitize: export RUSTC_BOOTSTRAP := 1
sanitize: export RUSTFLAGS := -Zsanitizer=address --cfg guarded
sanitize: export ASAN_OPTIONS := redzone=256:max_redzone=2048
sanitize: ## run the Rust tests with every instruction set under the address sanitizer (x86-64 Linux)
	@set -e; for isa in portable avx2 avx512; do \
		echo "N2D2_ISA=$$isa"; \
		N2D2_ISA=$$isa cargo test --package n2d2-core --target x86_64-unknown-linux-gnu --locked --lib --quiet; \
	done

bench: bench-rust bench-python ## measure kernels, then train and run networks beside PyTorch, JAX, ONNX Runtime, OpenVINO

bench-rust:
	cargo bench --package n2d2-core --locked

# BENCH="--only lenet --merge" measures some rows again; `benches/python/__main__.py` has the other arguments.
bench-python: $(PEERS)/.installed
	$(PEERS)/bin/python benches/python $(BENCH)

test-peers: $(PEERS)/.installed ## compare every cell with PyTorch
	$(PEERS)/bin/python -m pytest tests/peers

torch-models: $(PEERS)/.installed ## write the models that PyTorch exports for the tests
	cd tests && ../$(PEERS)/bin/python -m support.torch_models

api: $(VENV)/.installed ## write the public API to tests/public_api.txt
	PYTHONPATH=tests $(BIN)/python -m support.public_api > tests/public_api.txt

wheel: $(WHEEL) ## build dist/n2d2_rs-*.whl, one wheel for CPython 3.10 and newer
	@ls -lh dist/*.whl

docs: $(DOCS)/.installed ## build the site in site/
	RUSTDOCFLAGS="-D warnings" cargo doc --package n2d2-core --no-deps --locked
	$(DOCS)/bin/mkdocs build --strict
	rm -rf site/rust && cp -r target/doc site/rust

format: $(VENV)/.tools ## format Rust and Python
	cargo fmt --all
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean: ## remove everything that was built
	rm -rf target dist site $(VENV) $(PEERS) $(DOCS) .mypy_cache .ruff_cache .pytest_cache

$(VENV)/.created:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
		{ echo "n2d2 needs Python 3.10 or newer; name one with make PYTHON=..."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	@touch $@

$(VENV)/.tools: pyproject.toml | $(VENV)/.created
	$(BIN)/python -m pip install --quiet --group dev
	@touch $@

$(WHEEL): $(RUST_SOURCES) $(PYTHON_SOURCES) pyproject.toml README.md | $(VENV)/.created
	$(BIN)/python -m pip install --quiet "maturin>=1.10,<2"
	rm -f dist/n2d2_rs-*.whl
	$(BIN)/maturin build --release --locked --out dist
	@touch $@

$(VENV)/.installed: $(WHEEL)
	$(BIN)/python -m pip install --quiet dist/n2d2_rs-*.whl
	$(BIN)/python -m pip install --quiet --no-deps --force-reinstall dist/n2d2_rs-*.whl
	@touch $@

$(PEERS)/.installed: $(WHEEL)
	$(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/python -m pip install --quiet --upgrade "pip>=25.1"
	$(PEERS)/bin/python -m pip install --quiet --group peers
	$(PEERS)/bin/python -m pip install --quiet dist/n2d2_rs-*.whl
	$(PEERS)/bin/python -m pip install --quiet --no-deps --force-reinstall dist/n2d2_rs-*.whl
	@touch $@

$(DOCS)/.installed: pyproject.toml
	$(PYTHON) -m venv $(DOCS)
	$(DOCS)/bin/python -m pip install --quiet --upgrade "pip>=25.1"
	$(DOCS)/bin/python -m pip install --quiet --group docs
	@touch $@
