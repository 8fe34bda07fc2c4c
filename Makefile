# The commands of daily work; `make demo` is the place to start.
.PHONY: help setup setup-test demo test test-failed coverage check bench bench-nnunet bench-nnunet-kinds bench-cxr bench-seg bench-viewer bench-ingest bench-fhir bench-study fuzz-receive faults-receive conformance clean
BIN := .venv/bin
BENCHES := $(wildcard benchmarks/bench_*.py)

help:
	@sed -n 's/^# make /make /p' Makefile

# make setup: install what the node runs with, into the system (apt-get) and into .venv; quick when it is all there
setup:
	@scripts/setup

setup-test:
	@scripts/setup --test

# make demo: start Orthanc and the node, send a study, show what comes back; stays up until Ctrl-C (ONCE=1: ends by itself)
demo: setup
	@scripts/ohif || echo "going on without the OHIF viewer: Orthanc's own page shows the study, without the overlay"
	@$(BIN)/ainode demo $(if $(ONCE),--once)

# make test: run every test with its real peers; what failed beside others runs once more, alone
test: setup-test
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder || $(MAKE) --no-print-directory test-failed

test-failed:
	@echo "These failed; a test that now passes alone is flaky: mend it."
	$(BIN)/pytest --last-failed --last-failed-no-failures none

# make coverage: the same, a third slower, and print which lines no test reaches
coverage: setup-test
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder --cov --cov-report=term

# make check: style (ruff), types (mypy, strict) and the guards of the repository's layout
check: setup-test
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/pytest -q tests/test_repository.py

# make bench: run every benchmark; each prints a table and writes build/bench/NAME.json
bench: setup-test
	@set -e; for bench in $(BENCHES); do echo "$$bench"; PYTHONPATH=tests $(BIN)/python "$$bench"; done
	@$(MAKE) --no-print-directory bench-study

# make bench-nnunet: how fast are nnU-Nets on this CPU, beside nnunetv2's own predictor: build/bench/nnunet.json
bench-nnunet: setup-test
	@PYTHONPATH=tests $(BIN)/python benchmarks/bench_nnunet.py

# make bench-nnunet-kinds: anisotropic plans, cascades and regions beside nnunetv2, in fp32, bf16 and int8: build/bench/nnunet-kinds.json
bench-nnunet-kinds: setup-test
	@PYTHONPATH=tests $(BIN)/python benchmarks/bench_nnunet_kinds.py

# make bench-cxr: how fast is the chest X-ray ensemble on this CPU, net by net, beside torch: build/bench/cxr.json
bench-cxr: setup-test
	@PYTHONPATH=tests $(BIN)/python benchmarks/bench_cxr.py

# make bench-seg: 104 segments on 600 slices, resampled and written, beside dcmqi, highdicom and nnunetv2: build/bench/seg.json
bench-seg: setup-test
	@PYTHONPATH=tests $(BIN)/python benchmarks/bench_seg.py

# make bench-viewer: 104 segments on 600 slices, opened by OHIF in Chromium, BINARY and LABELMAP: build/bench/viewer.json
bench-viewer: setup-test
	@PYTHONPATH=tests $(BIN)/python benchmarks/bench_viewer.py

# make bench-ingest: how fast are CT slices received, beside Orthanc, dcmtk and a bare sink: build/bench/ingest.json
bench-ingest: setup-test
	@PYTHONPATH=tests $(BIN)/python benchmarks/bench_ingest.py

# make bench-fhir: searches among 100,000 reports (REPORTS=), on PostgreSQL and on SQLite: build/bench/fhir.json
bench-fhir: setup-test
	@PYTHONPATH=tests $(BIN)/python benchmarks/bench_fhir.py --reports $(or $(REPORTS),100000)

# make bench-study: from the last image of a study to SEG and SR in Orthanc, alone and 2, 4, 8 at once (ROUNDS=20): build/bench/study.json
bench-study: setup-test
	@$(BIN)/ainode bench study --rounds $(or $(ROUNDS),20) --out build/bench

# make fuzz-receive: 20,000 broken PDUs, command sets and data sets against a node (COUNT=, SEED=): build/fuzz-receive.json
fuzz-receive: setup-test
	@PYTHONPATH=tests $(BIN)/python benchmarks/fuzz_receive.py --count $(or $(COUNT),20000) --seed $(or $(SEED),1)

# make faults-receive: kill, fill up and cut off a receiving node (KILLS=200 SEED=1): build/faults-receive.json
faults-receive: setup-test
	@PYTHONPATH=tests $(BIN)/python benchmarks/faults_receive.py --kills $(or $(KILLS),200) --seed $(or $(SEED),1)

# make conformance: one result of every kind, held against every checker of others and ours, and 184 seeded defects
conformance: setup-test
	@scripts/install-system --conformance $(if $(ALLOW_MISSING),|| echo "going on without PixelMed")
	@PYTHONPATH=tests $(BIN)/python -m ainode_conformance --defects $(if $(ALLOW_MISSING),--allow-missing)

# make clean: remove what running, testing and building leave behind; .venv stays
clean:
	rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .coverage
	find . -name .venv -prune -o -name node_modules -prune -o -name __pycache__ -type d -exec rm -rf {} +
