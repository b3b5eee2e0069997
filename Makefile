# make verify   verify all claims on the embedded data and print the path of the report
# make test     run the tests (make test-all: including slow ones; make test-portable: numerical
#               tests as on an older processor)
# make kernel   check the proofs with Coq as well, which must be installed
# make soundness   test that nothing unsound is proved, and print the score of the mutation test
# make docs     build the documentation and print the path of its first page
# make bench    run the benchmarks on the current commit (make dashboard: show all results;
#               make bench-compare BASE=COMMIT: find what is slower than at another commit;
#               make bench-training BASE=COMMIT MODE=fast: compare the speed of training)
# make gpu-record   measure speed and accuracy on a GPU, which must be there
#
# make wheel-test   run the commands and the fast tests with an installed wheel
# make test-lowest  run some tests with the oldest dependencies allowed by pyproject.toml
#
# PYTHON, VENV the interpreter, 3.11 or later, and the folder of its virtual environment
# TORCH        the requirement specifier for PyTorch
# TORCH_INDEX  index URL for PyTorch, for a CPU-only or another CUDA build, as shown on
#              pytorch.org/get-started; empty for pip's default
# SCALE, DATA  passed to `bnproof verify`; DATA to `make gpu-record` as well
# MACHINE, COMMITS  for `make bench`: the name to save results under, and the commits to measure
# BASE, BENCH  for `make bench-compare`: the commit, and a regular expression for benchmarks
# MODE         for `make bench-training`: the mode of the checked-out tree, exact or fast

PYTHON ?= python3
VENV ?= .venv
TORCH ?= torch==2.13.0
TORCH_INDEX ?=
SCALE ?= quick
DATA ?=
MACHINE ?= this-machine
COMMITS ?=
BASE ?= HEAD
BENCH ?=
MODE ?= exact

BIN := $(VENV)/bin
# One single-threaded process per core; tests of the same xdist_group stay together.
TEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadgroup
ASV := cd benchmarks && $(abspath $(BIN))/asv
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: verify test test-all test-portable test-lowest mutate lint kernel soundness wheel-test \
    asv-check bench bench-compare bench-training dashboard compare gpu-record docs readme clean checkout

verify: $(VENV)/run
	$(BIN)/bnproof verify --scale $(SCALE) $(if $(DATA),--data $(DATA))

test: $(VENV)/dev
	$(TEST) -m "not slow"

test-all: $(VENV)/all
	$(TEST)

# Reveals results that depend on the processor: PyTorch, oneDNN and OpenBLAS compute as on a processor
# without AVX-512, and PyTorch's own kernels as on one without AVX.  On other architectures, such as
# ARM, the variables have no effect.  What compares the CPU with itself is left out.
PORTABLE := ATEN_CPU_CAPABILITY=default ONEDNN_MAX_CPU_ISA=AVX2 OPENBLAS_CORETYPE=Haswell
test-portable: $(VENV)/dev
	$(PORTABLE) $(TEST) -m "not slow" tests/simulate tests/empirical tests/bnproof/results \
	    --ignore-glob "*/test_devices.py"

# Mutation testing on a fixed sample of changes to the code; can be resumed.
mutate: $(VENV)/dev
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.mutation

lint: $(VENV)/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Checks all certificates and exact refutations as theorems, and the layer from its definition.
kernel: $(VENV)/run
	$(BIN)/python -m bnproof.theory.kernel

# Unsound claims, and false mutants of every proved relation; the last test prints their score.
soundness: $(VENV)/dev
	$(TEST) tests/theory/soundness --deselect \
	    tests/theory/soundness/test_mutants.py::test_there_are_enough_false_mutants
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q \
	    tests/theory/soundness/test_mutants.py::test_there_are_enough_false_mutants

# Tests the built wheel in an environment outside the tree: some commands, then the tests of the command
# line, the report, the plugin and the loaders of claims and data.  tests/test_packaging.py compares its
# files with those of the tree, so that the other tests would find nothing new.  Dependencies are taken
# from $(VENV), but not the path to the sources, which a .pth file does not pass on.
WHEEL_TESTS := bnproof/commands bnproof/report/test_page.py bnproof/results/test_published.py \
    $(addprefix bnproof/test_,api.py claims_command.py cli.py pytest_plugin.py) \
    empirical/data theory/common theory/test_claim.py theory/test_listing.py
SITE := -c "import site; print(site.getsitepackages()[0])"
wheel-test: $(VENV)/dev
	rm -rf build/wheel
	$(BIN)/python -m build --no-isolation --outdir build/wheel >/dev/null
	@set -e; T=$$(mktemp -d); trap 'rm -rf "$$T"' EXIT; \
	$(BIN)/python -m venv --without-pip $$T/env; \
	$(BIN)/python $(SITE) > "$$($$T/env/bin/python $(SITE))/dependencies.pth"; \
	$(BIN)/python -m pip --python $$T/env/bin/python install --quiet --no-deps build/wheel/*.whl; \
	mkdir $$T/empty; cd $$T/empty; export OMP_NUM_THREADS=1; set -x; \
	printf 'from torch import nn\ndef layer():\n    return nn.RMSNorm(8, eps=1e-5)\n' > mine.py; \
	../env/bin/bnproof verify santurkar_4_1 --scale smoke; \
	../env/bin/bnproof check-layer mine:layer >/dev/null; \
	../env/bin/bnproof spectrum --factors 2 --size 20; \
	../env/bin/bnproof experiment list >/dev/null; \
	../env/bin/python -m bnproof --version; \
	../env/bin/python -P -m pytest -n auto --dist loadgroup --installed -q \
	    -c $(CURDIR)/pyproject.toml --rootdir $(CURDIR) -m "not slow and not sources" \
	    $(addprefix $(CURDIR)/tests/,$(WHEEL_TESTS))

# Tests with the oldest dependencies allowed by pyproject.toml, in a separate environment.  Old versions
# issue warnings about features that have changed since.
LOWEST := build/lowest
LOWEST_TESTS := $(addprefix tests/,theory/exact theory/proving simulate/layer_checks \
    simulate/random_matrices simulate/samplers empirical/data empirical/metrics empirical/networks \
    bnproof/commands bnproof/report bnproof/test_api.py bnproof/test_cli.py)
test-lowest: $(LOWEST)/ready
	OMP_NUM_THREADS=1 $(LOWEST)/bin/python -m pytest -n auto --dist loadgroup -m "not slow" \
	    -o filterwarnings=default $(LOWEST_TESTS)

$(LOWEST)/ready: pyproject.toml Makefile | checkout
	rm -rf $(LOWEST)
	$(PYTHON) -m venv $(LOWEST)
	$(LOWEST)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt uv
	$(UV) --resolution lowest-direct -e ".[data,parquet,weights,tb]"
	$(UV) hypothesis pytest pytest-xdist
	@touch $@
UV = $(LOWEST)/bin/uv pip install --quiet --python $(LOWEST)/bin/python \
    $(if $(TORCH_INDEX),--index $(TORCH_INDEX) --index-strategy unsafe-best-match)

asv-check: $(VENV)/dev
	$(ASV) machine --yes >/dev/null
	$(ASV) check --python=same

# Runs all benchmarks on the current commit, or on COMMITS.
bench: $(VENV)/dev
	$(BIN)/python benchmarks/record.py --machine $(MACHINE) $(COMMITS)

# Times the checked-out tree and BASE in turn, in one process.
bench-compare: $(VENV)/dev
	$(BIN)/python benchmarks/paired.py $(BASE) --bench '$(BENCH)'

# Trains with the checked-out tree and with BASE in turn, one thread and one process each.
bench-training: $(VENV)/dev
	$(BIN)/python benchmarks/training_pair.py $(BASE) --mode $(MODE)

# Shows the results over the commits as an offline page; its scripts are installed by npm.
dashboard: $(VENV)/dev
	$(BIN)/python benchmarks/dashboard.py

# Runs all comparisons with other packages and baselines (ten minutes) and updates README.md.
compare: $(VENV)/dev
	$(PIP) -e ".[peers]"
	$(BIN)/python benchmarks/compare.py --readme

# Measures what is claimed of GPUs, on a machine that has one (18 minutes by estimate, at most 25), and
# writes a record to benchmarks/results/gpu.
gpu-record: $(VENV)/dev
	$(BIN)/python benchmarks/gpu_record.py --estimate
	$(PIP) -e ".[peers]"
	$(BIN)/python benchmarks/gpu_record.py $(if $(DATA),--data $(DATA))

# Builds offline, with warnings as errors; figures are cached in docs/drawn.
docs: $(VENV)/dev
	OMP_NUM_THREADS=1 $(BIN)/python -m sphinx -W --keep-going -q -j auto -b html docs build/docs
	@echo "$(CURDIR)/build/docs/index.html"

readme: $(VENV)/run
	$(BIN)/python -m bnproof.readme README.md

clean:
	rm -rf $(VENV) .asv build dist bnproof-report docs/drawn docs/science

# In a copy of the tree, the links in src/bnproof may be missing or replaced by text files or folders,
# for example if it was made without support for symbolic links.
LINKS := theory simulate empirical
PYVERSION := -c "import sys; print(sys.version_info[:2])"
checkout:
	@restored=; for name in $(LINKS); do \
	    link=src/bnproof/$$name; \
	    [ "$$(readlink $$link)" != ../../$$name ] || continue; \
	    if [ -d $$link ] && [ ! -L $$link ] && ! diff -rq -x __pycache__ $$link $$name >/dev/null; then \
	        echo "$$link should be a link but is a folder that differs from $$name:" \
	            "move your changes to $$name and delete $$link" >&2; exit 1; \
	    fi; \
	    rm -rf $$link; ln -s ../../$$name $$link || { \
	        echo "$$link cannot be linked to $$name here: copy the tree to a file system with" \
	            "symbolic links, or install it: pip install ." >&2; exit 1; }; \
	    restored="$$restored $$link"; \
	done; [ -z "$$restored" ] || echo "restored links that this copy had lost:$$restored"
	@[ "$(origin PYTHON)" = file ] || [ ! -x $(BIN)/python ] || \
	    [ "$$($(PYTHON) $(PYVERSION))" = "$$($(BIN)/python $(PYVERSION))" ] || { \
	        echo "$(VENV) has another version of Python than $(PYTHON);" \
	            "name another folder: make VENV=.venv-other PYTHON=$(PYTHON)" >&2; exit 1; }

$(VENV)/python: Makefile | checkout
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo "bnproof needs Python 3.11 or later; name one: make PYTHON=python3.11" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/torch: $(VENV)/python constraints.txt
	@echo "installing (a few minutes the first time)"
	$(PIP) $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) "$(TORCH)"
	@touch $@

$(VENV)/run: $(VENV)/torch pyproject.toml
	$(PIP) -e ".[data,parquet,weights]"
	@touch $@

$(VENV)/dev: $(VENV)/run
	$(PIP) -e ".[data,parquet,weights,tb,browser,docs,dev]"
	@touch $@

# Ray is large, and its tests are slow.
$(VENV)/all: $(VENV)/dev
	$(PIP) -e ".[ray]"
	@touch $@
