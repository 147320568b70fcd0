# Shortcuts for people. Each target does one thing; the servers behind them are deploy/dev/stack's.
#
# DATABASE_URL and AMQP_URL, when set, are used instead of a private Postgres or RabbitMQ.

.DEFAULT_GOAL := help
.PHONY: help check-toolchain build test faults torture torture-small torture-mutants bench bench-large bench-pure demo api-check fmt lint sqlx sqlx-check deny clean-dev
# One build at a time: cargo uses all cores by itself, and two would wait for one another's lock.
.NOTPARALLEL:

STACK := deploy/dev/stack
FIRST_BUILD := the first build compiles some 300 crates: 3 to 10 minutes, later ones seconds

help: ## list the targets
	@echo 'make <target>:'
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "%-18s %s\n", $$1, $$2 }'

check-toolchain: ## compare the installed Rust with the one that Cargo.toml asks for
	@wanted=$$(sed -n 's/^rust-version *= *"\(.*\)"/\1/p' Cargo.toml); \
	found=$$(rustc --version 2>/dev/null | cut -d' ' -f2); \
	if [ -z "$$found" ]; then \
		echo "no rustc in PATH: Rust $$wanted or later is needed (https://rustup.rs)" >&2; exit 1; \
	fi; \
	oldest=$$(printf '%s\n%s\n' "$$wanted" "$${found%%-*}" | sort -V | head -n 1); \
	if [ "$$oldest" != "$$wanted" ]; then \
		echo "rustc $$found is too old: Rust $$wanted or later is needed (rustup update stable)" >&2; exit 1; \
	fi; \
	if ! command -v cc >/dev/null 2>&1; then echo 'no C compiler in PATH: install gcc' >&2; exit 1; fi

build: check-toolchain ## compile the command and all tests
	@echo 'building; $(FIRST_BUILD)'
	cargo build --locked --workspace --all-targets

# Tests wait more than they compute: for receipts, leases, servers that come back.
TEST_THREADS := $$(( $$(nproc) * 2 ))

test: check-toolchain ## every test, against a private Postgres and RabbitMQ
	@echo 'testing; $(FIRST_BUILD)'
	@RUST_TEST_THREADS=$${RUST_TEST_THREADS:-$(TEST_THREADS)} $(STACK) run cargo test --locked --workspace

# More after `make torture TORTURE='--seed 7 --requests 20000'`; `-- --help` names everything.
TORTURE ?= --requests 100000 --kills 200 --each 5

faults: check-toolchain ## the long part of the fault catalogue (tests/FAULTS.md)
	@$(STACK) run cargo test --locked --test long

torture: check-toolchain ## everything fails at once, for some 10 to 30 minutes; then every job must be accounted for
	@echo 'torturing, with an optimised build; $(FIRST_BUILD)'
	cargo test --locked --profile torture --test torture -- $(TORTURE)

torture-small: check-toolchain ## the same with 2,000 jobs and 12 kills, in one to three minutes
	cargo test --locked --test torture

torture-mutants: check-toolchain ## take the guards out one by one: the torture must notice
	@$(STACK) run deploy/dev/mutants

# Less of it: make bench BENCH='--parts throughput --rows limit,postrider --medium sms'; growth, some 20 minutes:
# make bench BENCH='--parts growth'. `BENCH=--help` names everything.
BENCH ?=

bench: check-toolchain ## compare Postrider with what this machine allows and with other workers, in some 40 minutes; writes benches/RESULTS.md
	@echo 'benching, with an optimised build; $(FIRST_BUILD)'
	cargo build --locked --release -p postrider -p postrider-benches --bins
	cargo bench --locked -p postrider-benches --bench bench -- $(BENCH)

# One part alone: make bench-pure PURE=parse, or PURE=split for the table of an email's CPU.
PURE ?=

bench-pure: check-toolchain ## what the parts without I/O cost, each alone, and where an email's CPU goes; one minute
	@echo 'benching, with an optimised build; $(FIRST_BUILD)'
	cargo bench --locked -p postrider-benches --bench pure -- $(PURE)

bench-large: check-toolchain ## the growing ledger with up to 10,000,000 requests waiting; takes 30 GB and an hour
	@$(MAKE) --no-print-directory bench BENCH='--parts growth --growth waiting,claims \
		--growth-sizes 0,1000000,10000000 --results benches/large $(BENCH)'

demo: check-toolchain ## Postrider at work with simulated providers, in the terminal
	@echo 'starting the demo; $(FIRST_BUILD)'
	@$(STACK) run cargo run --locked -p postrider-demo

# Options of schemathesis: make api-check API_CHECK='--include-path /v1/requests --max-examples 500'.
API_CHECK ?=

api-check: check-toolchain ## schemathesis against a live server: no 5xx, no undocumented answer; needs python3
	@$(STACK) run deploy/dev/api-check $(API_CHECK)

fmt: ## format the code
	cargo fmt --all

lint: check-toolchain ## formatting, and clippy with warnings as errors
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	cargo clippy -p postrider --test long --locked -- -D warnings

sqlx: check-toolchain ## describe the SQL queries anew in .sqlx, from the migrations
	@$(STACK) run deploy/dev/queries refresh

sqlx-check: check-toolchain ## fail when .sqlx is not what the code and the migrations say
	@$(STACK) run deploy/dev/queries check

deny: ## advisories, bans, licences and sources of all dependencies
	@deploy/dev/deny

clean-dev: ## stop the private servers and remove their data
	@$(STACK) clean
