# The everyday commands. `make check` and `make test` work as the first command in a fresh clone: they install what GMP's build
# needs (make, m4) where it is missing.

.PHONY: bench check test setup setup-python format lint docs unit python readme soundness confirm check-optax check-candle check-torch

# Grades the built-in kernels: the main job, on ourselves.
check: setup
	cargo run --release --quiet -- check

# Everything that CI demands.
test: setup-python format lint docs unit readme python
	@echo "make test: all held"

setup:
	@scripts/setup.sh m4

setup-python:
	@scripts/setup.sh m4 python3 python3-venv

format:
	cargo fmt --check

lint: setup
	cargo clippy --quiet --all-targets --features proptest,quickcheck -- -D warnings
	cargo clippy --quiet --no-default-features -- -D warnings

docs: setup
	RUSTDOCFLAGS="-D warnings" cargo doc --quiet --no-deps --features proptest,quickcheck

unit: setup
	cargo test --features proptest,quickcheck

# Every command of the README, on the program as a user builds it.
readme: setup
	cargo build --release --quiet
	scripts/readme-commands.sh

# The Python side of the adapter protocol; NumPy is all that it needs.
python: setup-python target/venv/done
	cd adapters/python && ../../target/venv/bin/python -m unittest -q

target/venv/done:
	python3 -m venv target/venv
	target/venv/bin/pip install --quiet --disable-pip-version-check numpy ml_dtypes
	touch $@

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
