# The two commands of a fresh Debian 12 are `make demo` and `make test`; everything else is below.
.DEFAULT_GOAL := help
SHELL := /bin/bash
JOBS ?= 2
BIN := build/release/bin

.PHONY: help packages build demo test quality torture sanitize fuzz bench bench-peers format clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

packages: ## Install the Debian packages of deploy/packages.txt
	@deploy/install-packages.sh

build: packages ## Build everything into build/release; programs in build/release/bin
	@cmake --preset release --log-level=WARNING
	@cmake --build --preset release -j $(JOBS)

demo: build ## Start the daemon, push the sample articles, show the results, stop
	@deploy/demo.sh $(BIN)

test: build ## Run every test that belongs in CI
	@ctest --test-dir build/release --output-on-failure -j $(JOBS)

DATA ?= ../shared/data
quality: build ## Measure the stages on public sets beside their musts; SHORT=1: no figures of speed
	@cmake --build --preset release -j $(JOBS) --target quality_programs
	@tests/quality/quality.py build/release --data $(DATA) $(if $(SHORT),--short)

torture: build ## Kill it, fill its disk, turn its clock: hours; SHORT=1: as in CI; ONLY=kill,reload: some
	@PYTHONPATH=build/release/share/wiremill/python PYTHONDONTWRITEBYTECODE=1 \
	  /usr/bin/python3 tests/fault/torture.py build/release $(if $(SHORT),--short) $(if $(ONLY),--only $(ONLY))

sanitize: packages ## Run the tests under ASan+UBSan, and those of threads under TSan
	@cmake --preset asan --log-level=WARNING
	@cmake --build --preset asan -j $(JOBS)
	@ctest --test-dir build/asan --output-on-failure -j $(JOBS) -LE slow
	@cmake --preset tsan --log-level=WARNING
	@cmake --build --preset tsan -j $(JOBS) --target thread_tests
	@TSAN_OPTIONS="suppressions=$(CURDIR)/tests/tsan.supp halt_on_error=1" \
	  ctest --test-dir build/tsan --output-on-failure -j $(JOBS) -L threads

FUZZ_SECONDS ?= $(if $(SHORT),20,3600)
fuzz: packages ## Fuzz each parser for an hour (FUZZ_SECONDS=3600); SHORT=1: 20 seconds
	@cmake --preset fuzz --log-level=WARNING
	@cmake --build --preset fuzz -j $(JOBS) --target fuzz_targets
	@tests/fuzz/run.py build/fuzz/fuzz build/fuzz-corpus --jobs $(JOBS) --seconds $(FUZZ_SECONDS) \
	  $(if $(SHORT),,--merge)

bench: build ## Measure throughput beside raw ZeroMQ, recovery, stages; SHORT=1 only tries it
	@$(BIN)/throughput $(if $(SHORT),--short) --articles tests/data/articles
	@$(BIN)/isolation $(if $(SHORT),--short) --articles tests/data/articles
	@$(BIN)/recovery $(if $(SHORT),--short)
	@$(BIN)/stages $(if $(SHORT),--short) --articles tests/data/articles --data $(DATA)/clean

bench-peers: build ## Install other tools in build/peers and measure them beside the stages; SHORT=1 only tries it
	@cmake --build --preset release -j $(JOBS) --target quality_programs
	@bench/peers/run.sh build/release $(DATA) $(if $(SHORT),--short)

format: ## Format the sources with clang-format 14
	@git ls-files '*.cpp' '*.hpp' '*.h' '*.c' | xargs clang-format-14 -i

clean: ## Remove build/
	@rm -rf build
