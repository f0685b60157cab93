# The everyday commands. `make check` and `make test` work as the first command in a fresh clone: they install what GMP's build
# needs (make, m4) where it is missing.

.PHONY: check test setup setup-python format lint docs unit program python readme soundness bench confirm check-optax check-candle check-torch
.PHONY: golden golden-drift golden-quick golden-verify golden-full golden-bench without-c kernel-crate

# The golden files that tests look at: the committed ones, or, where there are none, those of two losses, written for
# the tests.
GOLDEN := $(if $(wildcard golden/MANIFEST.json),golden,target/golden)

# What `make test` builds and tests, in one profile, so that nothing is built twice: the code that is released, with the
# checks of a debug build (Cargo.toml).
TESTED := --profile ci --features proptest,quickcheck
PROGRAM := target/ci/lossproof

# Grades the built-in kernels: the main job, on ourselves.
check: setup
	cargo run --release --quiet -- check

# Everything that CI demands. Building GMP, which the lint waits for, leaves processors idle: what needs no GMP runs beside it.
test: setup-python format
	@$(MAKE) --no-print-directory -j2 --output-sync=target lint without-c kernel-crate python
	@$(MAKE) --no-print-directory docs unit readme golden-quick
	@echo "make test: all held"

setup:
	@scripts/setup.sh m4

setup-python:
	@scripts/setup.sh m4 python3 python3-venv

format:
	cargo fmt --check

lint: setup
	cargo clippy --quiet --all-targets $(TESTED) -- -D warnings
	cargo clippy --quiet --profile ci --no-default-features -- -D warnings

docs: setup
	RUSTDOCFLAGS="-D warnings" cargo doc --quiet --no-deps $(TESTED)

unit: setup
	cargo test $(TESTED)

# The program that the tests run, with the features that its dependencies have for them.
program: setup
	cargo test --quiet $(TESTED) --no-run --test bad_input

# Every command of the README.
readme: program
	scripts/readme-commands.sh $(dir $(PROGRAM))

# The Python side: the adapter protocol, and golden files under pytest. NumPy is all that it needs; pytest and jsonschema are
# for the tests.
python: setup-python target/venv/golden $(GOLDEN)/MANIFEST.json
	cd adapters/python && ../../target/venv/bin/python -m unittest -q
	cd adapters/python && LOSSPROOF_GOLDEN=../../$(GOLDEN) ../../target/venv/bin/python -m pytest -q -p lossproof.plugin golden_test.py

target/venv/golden:
	python3 -m venv target/venv
	target/venv/bin/pip install --quiet --disable-pip-version-check numpy ml_dtypes pytest jsonschema
	touch $@

# Writes the committed set of golden files anew.
golden: setup
	cargo run --release --quiet -- golden generate golden
	rm -f golden/none-yet.txt

# Whether the committed set is what `make golden` writes; the tests look at a few of its files.
golden-drift: setup
	rm -rf target/golden-again
	cargo run --release --quiet -- golden generate target/golden-again
	diff -rq golden target/golden-again

target/golden/MANIFEST.json: | setup
	cargo run --release --quiet -- golden generate target/golden --loss mse,bce_with_logits

# Schema, hashes, and a replay of all files against our own kernels.
golden-quick: program $(GOLDEN)/MANIFEST.json
	$(PROGRAM) golden verify --quick $(GOLDEN)
	$(PROGRAM) check --golden $(GOLDEN)

# Proves every stored digit again.
golden-verify: setup $(GOLDEN)/MANIFEST.json
	cargo run --release --quiet -- golden verify $(GOLDEN)

# The large set: 128 Ki classes, thousands of cases, JSON and safetensors; gigabytes, so never committed.
golden-full: setup
	cargo run --release --quiet -- golden generate target/golden-full --full

# Writes benches/GOLDEN.md: what generating, verifying and replaying the golden files costs.
golden-bench: setup
	cargo build --release --quiet
	benches/golden.sh

# What a kernel crate builds: no oracle, and no C compiler, which the command that stands in for one would give away. In a
# kernel crate's own profile, and where the tests of one go on from.
without-c:
	CC=false CXX=false cargo build --quiet --tests --manifest-path examples/kernel-crate/Cargo.toml --target-dir target/kernel-crate

# A crate with kernels of its own that takes the golden files into its tests.
kernel-crate: setup $(GOLDEN)/MANIFEST.json
	cargo clippy --quiet --all-targets --manifest-path examples/kernel-crate/Cargo.toml --target-dir target/kernel-crate -- -D warnings
	CC=false LOSSPROOF_GOLDEN=$(CURDIR)/$(GOLDEN) cargo test --quiet --manifest-path examples/kernel-crate/Cargo.toml --target-dir target/kernel-crate

# Containment of every ball operation, 10^7 of them; `make test` does 10^5.
soundness: setup
	LOSSPROOF_SOUNDNESS=10000000 cargo test --release --test ball_soundness --test tiers_agree -- --nocapture

# The catalogue's formulas in mpmath against the oracle, both ways; minutes, so not part of `make test`. CASES is per loss,
# format and regime.
CASES ?= 6
confirm: setup-python target/confirm/done
	cargo build --release --quiet
	target/confirm/bin/python -m unittest discover -q -s adapters
	target/confirm/bin/python adapters/agree.py --cases $(CASES)

target/confirm/done:
	python3 -m venv target/confirm
	target/confirm/bin/pip install --quiet --disable-pip-version-check mpmath gmpy2
	touch $@

# What a proof costs beside other libraries, as ratios, into benches/RESULTS.md. Its Python packages are not part of `make test`.
bench: setup-python target/bench-python/done
	LOSSPROOF_BENCH_PYTHON=target/bench-python/bin/python cargo bench --quiet --bench proving -- --write

target/bench-python/done:
	python3 -m venv target/bench-python
	target/bench-python/bin/pip install --quiet --disable-pip-version-check python-flint mpmath gmpy2
	touch $@

# Grades the released candle-nn; a package of its own, which builds for minutes, so not part of `make test`.
check-candle: setup
	cargo build --release --quiet
	cargo test --release --quiet --locked --manifest-path adapters/candle/Cargo.toml --target-dir target/candle
	cargo build --release --quiet --locked --manifest-path adapters/candle/Cargo.toml --target-dir target/candle
	target/release/lossproof check --adapter target/candle/release/lossproof-candle

# Grades the released optax; large Python packages, so not part of `make test`.
check-optax: setup-python target/optax/done
	cargo build --release --quiet
	target/release/lossproof check --adapter 'target/optax/bin/python adapters/optax/adapter.py'

target/optax/done: adapters/optax/requirements.txt
	python3 -m venv target/optax
	target/optax/bin/pip install --quiet --disable-pip-version-check -r adapters/optax/requirements.txt
	touch $@

# Grades the released PyTorch, on DEVICE, `cpu` or `cuda`; some GB of Python packages, so not part of `make test`.
DEVICE ?= cpu
check-torch: setup-python target/torch/done
	cargo build --release --quiet
	target/release/lossproof check --adapter 'target/torch/bin/python adapters/torch/adapter.py $(DEVICE)'

target/torch/done: adapters/torch/requirements.txt
	python3 -m venv target/torch
	target/torch/bin/pip install --quiet --disable-pip-version-check -r adapters/torch/requirements.txt
	touch $@
