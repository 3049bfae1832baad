# make demo           build the digit network into dist/, compile it, predict, show
# make test           set up what the tests need, run all of them
# make test-go        the same of one language: test-c, test-python, test-java, test-go
# make check          all that must hold: format, lint, types, C warnings, sanitizers, tests
# make bench          time the benchmark networks beside ONNX Runtime: the table of the README
# make figures        measure memory, opening, size and compile time beside their limits
# make conformance    run the ONNX backend tests and write docs/conformance.md
# make digits         train the digit network again
# make op NAME=gelu   start a new operator: both halves, as skeletons

PY := .venv/bin/python
JOBS ?= 2

.PHONY: demo test test-c test-python test-java test-go check bench figures conformance digits op setup setup-tests

demo: setup
	@.venv/bin/amalgamate demo -o dist

test: setup-tests
	@$(PY) -m pytest -n $(JOBS) $(TESTS)

# The packages of one language each, with that language's own tools.
test-c test-python test-java test-go: test-%: setup-tests
	@$(PY) -m pytest -n $(JOBS) tests/test_$*.py

check: setup-tests
	@$(PY) scripts/check.py

bench: setup-tests
	@$(PY) benchmarks/latency.py

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
