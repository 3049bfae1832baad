# make demo           build the digit network into dist/, compile it, predict, show
# make test           set up what the tests need, run all of them
# make test-go        the same of one language: test-c, test-python, test-java, test-go, test-rust,
#                     test-csharp, test-swift
# make test-web       only the tests of the web: npm packages, the page in Chromium
# make check          all that must hold: format, lint, types, C warnings, sanitizers, tests
# make bench          time the benchmark networks beside other engines: the table of the README (docs/benchmarks.md);
#                     THREADS=2 ISA=avx2 ROUNDS=3 SECONDS=1 NAMES="lenet vgg16" RESUME=1
# make scaling        the same over 1 to all cores, batch 1 and 16
# make bench-web      time the WebAssembly modules beside onnxruntime-web, in Node; BENCH=--browser in Chromium
# make figures        measure memory, opening, size and compile time beside their limits
# make conformance    run the ONNX backend tests and write docs/conformance.md
# make digits         train the digit network again
# make op NAME=gelu   start a new operator: both halves, as skeletons

PY := .venv/bin/python
JOBS ?= 2
export PATH := $(CURDIR)/.venv/bin:$(PATH)
BENCH = $(if $(THREADS),--threads $(THREADS)) $(if $(ISA),--isa $(ISA)) $(if $(ROUNDS),--rounds $(ROUNDS)) \
        $(if $(SECONDS),--seconds $(SECONDS)) $(if $(RESUME),--resume)

.PHONY: demo test test-c test-python test-java test-go test-rust test-csharp test-swift check bench scaling figures conformance digits op setup setup-tests setup-bench

demo: setup
	@.venv/bin/amalgamate demo -o dist

test: setup-tests
	@$(PY) -m pytest -n $(JOBS) $(TESTS)

# The packages of one language each, with that language's own tools.
test-c test-python test-java test-go test-rust test-csharp test-swift: test-%: setup-tests
	@$(PY) -m pytest -n $(JOBS) tests/test_$*.py

test-web: setup-tests
	@$(PY) -m pytest tests/test_wasm.py tests/test_npm.py tests/test_page.py tests/test_web_examples.py $(TESTS)

check: setup-tests
	@$(PY) scripts/check.py

bench: setup-bench
	@$(PY) benchmarks/peers.py $(NAMES) $(BENCH)

scaling: setup-bench
	@$(PY) benchmarks/scaling.py $(NAMES)

bench-web: setup-tests
	@$(PY) benchmarks/web.py $(NAMES) $(BENCH)

figures: setup-tests
	@$(PY) benchmarks/memory.py
	@$(PY) benchmarks/size.py

conformance: setup-tests
	@$(PY) tests/conformance.py

digits: setup-tests
	@$(PY) examples/digits/train.py

op:
	@test -n "$(NAME)" || { echo "usage: make op NAME=gelu"; exit 2; }
	@python3 scripts/new_operator.py $(NAME)

setup:
	@scripts/setup.sh

setup-tests:
	@scripts/setup.sh --tests

setup-bench:
	@scripts/setup_bench.sh
