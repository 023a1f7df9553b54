# Every target makes its own .venv first: with uv where it is, else with python3 and pip. Nothing else is needed.
.DEFAULT_GOAL := help
.PHONY: help demo test test-long test-majors test-oldest test-docker plants canaries differential differential-majors check lint bench bench-throttle sim mutations finish-kills failure-modes chaos lock clean

# Tests start commands by the hundred: without kept bytecode each compiles all that it imports, which is half its time.
unexport PYTHONDONTWRITEBYTECODE

PYTHON ?= python3
UV := $(shell command -v uv 2>/dev/null)
BIN := .venv/bin
ROWS ?= 300000
TAG ?= 17
OLDEST := catalog/test_table monitor/test_read_signals session/test_connection state/test_checkpoint state/test_locks state/test_schema \
	work/test_batch work/test_rejected work/test_session_contract work/test_vacuum work/test_verify
ROUNDS ?= 200
CASES ?= 2000
SEED ?= 1
# Tests on servers wait for them now and then, so four of them keep two cores busy; the long ones may come last.
AT_ONCE := -n 4 --dist worksteal
STAMPS := .venv/.stamps
SOURCES := pyproject.toml uv.lock requirements.lock requirements-dev.lock

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-19s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(STAMPS)/demo ## a real backfill of a replicated table, throttled, killed and resumed (ROWS=300000)
	@$(BIN)/backfill demo --rows $(ROWS)

test: $(STAMPS)/dev ## all tests, on servers that they make themselves
	@$(BIN)/python -m tests.majors --if-possible >/dev/null
	$(BIN)/python -m pytest -q -n 2 tests/unit tests/sim
	$(BIN)/python -m pytest -q $(AT_ONCE) -m "not alone and not long" tests/integration tests/differential tests/acceptance
	$(BIN)/python -m pytest -q -m alone tests/acceptance

test-long: $(STAMPS)/dev ## what make test leaves out: it takes long, and other tests show most of it
	$(BIN)/python -m pytest -q $(AT_ONCE) -m long tests/integration tests/acceptance

test-majors: $(STAMPS)/dev ## integration and acceptance tests on PostgreSQL 14 to 18 in turn (MAJORS="14 17")
	@$(call on-majors,$(or $(MAJORS),--if-possible),tests/integration,-m "not alone" tests/acceptance,-m alone tests/acceptance)

test-oldest: $(STAMPS)/dev ## the same on PostgreSQL 14, as far as it differs by server
	@$(call on-majors,--if-possible 14,$(OLDEST:%=tests/integration/%.py),-m "oldest and not alone and not long" tests/acceptance,-m "oldest and alone" tests/acceptance)

test-docker: $(STAMPS)/dev ## what is marked docker, on servers in containers of postgres:TAG (TAG=17)
	$(BIN)/python -m pytest -q -n 2 --dist worksteal --pg docker:$(TAG) tests/integration tests/acceptance

check: lint ## lint, types, direction of imports, unit tests, simulation
	$(BIN)/python -m pytest -q -n 2 tests/unit tests/sim

lint: $(STAMPS)/dev ## lint, types, direction of imports, the size of the rooms
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache --no-logo
	$(BIN)/python -m tests.house

bench: $(STAMPS)/dev ## the engine against others, hours (ROWS=300000); QUICK=--quick: small tables, 2 minutes
	$(BIN)/python -m bench.engine --rows $(ROWS) $(or $(QUICK),--svg docs/engine.svg)

bench-throttle: $(STAMPS)/dev ## the throttle against the laws of others, half an hour; QUICK=--quick: 4 minutes
	$(BIN)/python -m bench.throttle $(QUICK) --svg docs/throttle.svg

sim: $(STAMPS)/dev ## the throttle in simulated worlds: docs/sim/scenarios.svg anew, and a table (a minute or three)
	@$(BIN)/python -m tests.sim.pictures

plants: $(STAMPS)/dev ## the throttle before all 2,000 random plants, of which the tests take a quarter
	ALL_PLANTS=1 $(BIN)/python -m pytest -q -n 2 tests/sim/test_any_plant.py

canaries: $(STAMPS)/dev ## 10,000 malformed DSNs, none of which may show its password (a minute)
	CANARIES=10000 $(BIN)/python -m pytest -q -n 2 tests/unit/postgres/session/test_conninfo.py

differential: $(STAMPS)/dev ## made jobs against the plain UPDATE each stands for, and faults put back (CASES=2000 SEED=1)
	CASES=$(CASES) SEED=$(SEED) $(BIN)/python -m pytest -q $(AT_ONCE) tests/differential

differential-majors: $(STAMPS)/dev ## the fixed cases of these on PostgreSQL 14 to 18 in turn (MAJORS="14 17")
	@majors=$$($(BIN)/python -m tests.majors $(or $(MAJORS),--if-possible)) || exit 1; \
	failed=; for major in $$majors; do \
		$(BIN)/python -m pytest -q $(AT_ONCE) --major $$major tests/differential/test_corpus.py || failed=1; \
	done; [ -z "$$failed" ]

mutations: $(STAMPS)/dev ## break the throttle on purpose; a test has to notice each (a minute or two)
	@$(BIN)/python -m tests.sim.mutations

finish-kills: $(STAMPS)/dev ## SIGKILL behind each statement of finish, on PostgreSQL 14 and 18 (ten minutes)
	FINISH_KILLS=1 $(BIN)/python -m pytest -q -n 2 tests/integration/change/test_finish_killed.py

failure-modes: $(STAMPS)/dev ## take each protection away; the test that is named for it has to fail (six minutes)
	@$(BIN)/python -m tests.failure_modes

chaos: $(STAMPS)/dev ## whatever can happen to a worker, drawn from a seed (ROUNDS=200 SEED=1; FLAGS=--mutants)
	@$(BIN)/python -m tests.chaos --rounds $(ROUNDS) --seed $(SEED) $(FLAGS)

lock: ## resolve the pinned versions anew (needs uv)
	uv lock
	uv export -q --frozen --no-emit-project --no-annotate --no-header -o requirements.lock
	uv export -q --frozen --no-hashes --no-emit-project --no-annotate --no-header --all-extras -o requirements-dev.lock

clean: ## remove what make made
	rm -rf .venv dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis

# The stamps are made last, so that an interrupted installation is done again.
$(STAMPS)/demo: $(SOURCES)
	@$(call install,sandbox)
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/dev: $(SOURCES)
	@$(call install,sandbox$(comma)dev)
	@mkdir -p $(STAMPS) && touch $@ $(STAMPS)/demo

# Tests of integration $(2), of acceptance $(3) and those that want to be alone $(4) on each major that $(1) asks for; a
# failure keeps no other from its turn. pytest says 5 where there is no such test.
define on-majors
majors=$$($(BIN)/python -m tests.majors $(1)) || exit 1; \
failed=; \
for major in $$majors; do \
	echo "PostgreSQL $$major"; \
	$(BIN)/python -m pytest -q $(AT_ONCE) --major $$major $(2) || failed="$$failed $$major"; \
	$(BIN)/python -m pytest -q $(AT_ONCE) --major $$major $(3) || failed="$$failed $$major"; \
	$(BIN)/python -m pytest -q --major $$major $(4) || [ $$? = 5 ] || failed="$$failed $$major"; \
done; \
if [ -n "$$failed" ]; then echo "failed on PostgreSQL:$$failed" >&2; exit 1; fi
endef

comma := ,
ifdef UV
install = echo "installing into .venv with uv" && $(UV) sync -q --frozen --compile-bytecode --python "$(PYTHON)" $(patsubst %,--extra %,$(subst $(comma), ,$(1)))
else
install = echo "installing into .venv with pip" && $(PYTHON) -m venv .venv \
	&& $(BIN)/python -m pip install -q --disable-pip-version-check -c requirements-dev.lock -e '.[$(1)]'
endif
