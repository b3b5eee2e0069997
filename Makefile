# make verify   verify every claim on the embedded data; ends with the path of the report
# make test     run the tests (make test-all: the slow ones too; make test-portable: those that
#               compute, as an older processor would)
# make docs     build the documentation; ends with the path of its first page
# make bench    measure the current commit; make dashboard: the results over the commits
#
# PYTHON       the interpreter, 3.11 or later
# TORCH        the requirement that is installed for PyTorch
# TORCH_INDEX  where its wheels come from, for a CPU-only or another CUDA build: the address that
#              pytorch.org/get-started shows for your platform; empty means pip's own default
# SCALE, DATA  passed to `bnproof verify`
# MACHINE, COMMITS  of `make bench`: the name to keep results under, and what to measure

PYTHON ?= python3
TORCH ?= torch==2.13.0
TORCH_INDEX ?=
SCALE ?= quick
DATA ?=
MACHINE ?= this-machine
COMMITS ?=

BIN := .venv/bin
# One process a core with one thread each; tests of one xdist_group stay together.
TEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadgroup
ASV := cd benchmarks && ../$(BIN)/asv
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: verify test test-all test-portable lint wheel-test asv-check bench dashboard compare docs readme clean

verify: .venv/run
	$(BIN)/bnproof verify --scale $(SCALE) $(if $(DATA),--data $(DATA))

test: .venv/dev
	$(TEST) -m "not slow"

test-all: .venv/all
	$(TEST)

# Whatever depends on the processor shows here: PyTorch, oneDNN and OpenBLAS compute as on a processor
# without AVX-512, and PyTorch's own kernels as on one without AVX.  Where they do not know the names,
# on ARM say, they compute as always.
PORTABLE := ATEN_CPU_CAPABILITY=default ONEDNN_MAX_CPU_ISA=AVX2 OPENBLAS_CORETYPE=Haswell
test-portable: .venv/dev
	$(PORTABLE) $(TEST) -m "not slow" tests/simulate tests/empirical tests/bnproof/results

lint: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The fast tests against the built wheel, less those that kill and fuzz, which packaging cannot touch.
# Its environment takes the dependencies over from .venv, but not the link to the sources, which a
# .pth file does not hand on.
WHEEL := build/wheel/venv/bin/python
SITE := -c "import site; print(site.getsitepackages()[0])"
wheel-test: .venv/dev
	rm -rf build/wheel && mkdir -p build/wheel
	$(BIN)/python -m build --wheel --outdir build/wheel/dist
	$(BIN)/python -m venv --without-pip build/wheel/venv
	$(BIN)/python $(SITE) > "$$($(WHEEL) $(SITE))/dependencies.pth"
	$(PIP) --no-deps --target "$$($(WHEEL) $(SITE))" build/wheel/dist/*.whl
	cd build/wheel && OMP_NUM_THREADS=1 venv/bin/python -P -m pytest -n auto --dist loadgroup \
	    -c ../../pyproject.toml --rootdir ../.. -m "not slow and not sources" -q ../../tests \
	    --ignore=../../tests/hardening

asv-check: .venv/dev
	$(ASV) machine --yes >/dev/null
	$(ASV) check --python=same

# Every benchmark on the current commit, or on the commits that COMMITS names.
bench: .venv/dev
	$(BIN)/python benchmarks/record.py --machine $(MACHINE) $(COMMITS)

# The results over the commits as a page that needs no network; npm brings its scripts.
dashboard: .venv/dev
	$(BIN)/python benchmarks/dashboard.py

# Every comparison with a peer or a baseline; takes ten minutes and writes the table of README.md.
compare: .venv/dev
	$(PIP) -e ".[peers]"
	$(BIN)/python benchmarks/compare.py --readme

# Offline, warnings are errors; what is drawn once stays in docs/drawn.
docs: .venv/dev
	OMP_NUM_THREADS=1 $(BIN)/python -m sphinx -W --keep-going -q -j auto -b html docs build/docs
	@echo "$(CURDIR)/build/docs/index.html"

readme: .venv/run
	$(BIN)/python -m bnproof.readme README.md

clean:
	rm -rf .venv .asv build dist bnproof-report docs/drawn docs/science

.venv/python: Makefile
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo "bnproof needs Python 3.11 or later; name one: make PYTHON=python3.11" >&2; exit 1; }
	$(PYTHON) -m venv .venv
	@touch $@

.venv/torch: .venv/python constraints.txt
	@echo "installing (a few minutes the first time)"
	$(PIP) $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) "$(TORCH)"
	@touch $@

.venv/run: .venv/torch pyproject.toml
	$(PIP) -e ".[parquet,weights]"
	@touch $@

.venv/dev: .venv/run
	$(PIP) -e ".[parquet,weights,tb,browser,docs,dev]"
	@touch $@

# Ray is large, and its tests are slow ones.
.venv/all: .venv/dev
	$(PIP) -e ".[ray]"
	@touch $@
