# Pyralog. `make help` lists the targets.
# Always the whole workspace: another selection of packages would build the dependencies again with other features.
# One build directory outside the checkout keeps the dependencies warm for a second clone; override CARGO_TARGET_DIR to move it.
export CARGO_TARGET_DIR ?= $(HOME)/.cache/pyralog/target
CARGO    ?= cargo
DEBUG    := $(CARGO_TARGET_DIR)/debug
BINS     := pyralogd pyralog pyralog-testnet
NEXTEST  := $(shell $(CARGO) nextest --version >/dev/null 2>&1 && echo yes)
# Cargo asks modification times whether a crate is fresh, which a second checkout in the same build directory defeats.
CHECKOUT := $(CARGO_TARGET_DIR)/checkout

.DEFAULT_GOAL := help
.PHONY: help setup build testnet test unit verify fix bench sim fuzz interop audit

help: ## List the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z]+:.*## / {printf "  \033[1m%-9s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## Install what the RocksDB build needs (apt) or print the line to type; drop what another checkout built
	@sh .config/setup.sh
	@[ "$$(cat "$(CHECKOUT)" 2>/dev/null)" = "$(CURDIR)" ] || { mkdir -p "$(CARGO_TARGET_DIR)" && \
	$(CARGO) clean --workspace --quiet && echo "$(CURDIR)" > "$(CHECKOUT)"; }

build: setup ## Build the three programs and link them into ./bin
	@$(CARGO) build --workspace --bins
	@mkdir -p bin
	@for b in $(BINS); do ln -sf "$(DEBUG)/$$b" "bin/$$b"; done

testnet: build ## Start four local validators in the foreground (state in ./.localnet, Ctrl-C stops)
	@bin/pyralog-testnet up --validators 4 --dir .localnet

test: build ## Everything: unit, property, simulation, corpus replay, end to end with real processes
ifeq ($(NEXTEST),yes)
	$(CARGO) nextest run --workspace
else
	$(CARGO) test --workspace --lib --bins --tests
endif
	$(CARGO) test --workspace --doc --quiet

verify: setup ## Formatting, lints, layering, licences; writes nothing
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	$(CARGO) test --quiet --workspace --lib house::
	@if $(CARGO) deny --version >/dev/null 2>&1; then $(CARGO) deny --log-level error check bans licenses sources; \
	else echo "cargo-deny is not installed: bans, licences and sources were not checked (cargo install --locked cargo-deny)"; fi

fix: ## Format and apply the lints' machine fixes
	$(CARGO) fmt --all
	$(CARGO) clippy --workspace --all-targets --fix --allow-dirty --allow-staged

SEED  ?=
SEEDS ?= 2000
sim: build ## Seeded whole-network simulation: SEEDS=2000 many, or SEED=42 to replay one
	@bin/pyralog-testnet sim $(if $(SEED),--seed $(SEED),--seeds $(SEEDS))

bench: setup ## Benchmarks in the release profile, ratios in one run (co-located: all processes on this machine)
	$(CARGO) build --workspace --bins --release
	$(CARGO_TARGET_DIR)/release/pyralog-testnet bench

fuzz: ## Coverage-guided fuzzing of every decoder for TIME seconds each (needs cargo-fuzz)
	@sh .config/fuzz.sh $(TIME)

interop: build ## CosmJS from npm against a running local network (skipped by name without npm)
	@sh testnet/interop/run.sh

audit: ## Advisories of all dependencies (fetches the advisory database)
	$(CARGO) deny check advisories
