.PHONY: setup run demo test check bench lock campaigns image image-base image-test clean
# The distribution's own Python where it can serve: it is built with profile-guided optimisation, which not every other is
# (measured here: 10 to 20 % less time in our hot path).
PYTHON ?= $(shell /usr/bin/python3 -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
  && echo /usr/bin/python3 || echo python3)
BIN := .venv/bin

setup: .venv/ready

.venv/ready: requirements-dev.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --require-hashes -r requirements-dev.lock
	$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

run: setup
	$(BIN)/python config/example.py config
	exec $(BIN)/pentrap serve --config config/pentrap.toml

# The whole story in a minute; KEEP=1 keeps the collector running afterwards.
demo: setup
	exec $(BIN)/python loadtest/demo.py $(if $(KEEP),--keep)

test: setup
	$(BIN)/python -m pytest -n auto --dist worksteal

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# The long runs, a day in all, most of it the exports; results go to loadtest/results/. Some want root (tmpfs, strace, loop mounts).
campaigns: setup
	$(BIN)/python loadtest/replay.py
	$(BIN)/python loadtest/roundtrip.py --count 200000 --rate 3000
	$(BIN)/python loadtest/crash.py --kills 100 --durability write
	$(BIN)/python loadtest/crash.py --kills 100 --durability sync
	$(BIN)/python loadtest/crash.py --every-call
	$(BIN)/python loadtest/disk.py
	$(BIN)/python loadtest/memory.py
	$(BIN)/python loadtest/slow.py
	$(BIN)/python loadtest/size.py
	$(BIN)/python loadtest/segment_size.py
	$(BIN)/python loadtest/order_end.py
	$(BIN)/python loadtest/changes.py
	$(BIN)/python loadtest/acts.py
	$(BIN)/python loadtest/mutation.py
	$(BIN)/python loadtest/scrape_cost.py
	$(BIN)/python loadtest/three_in_the_morning.py
	$(BIN)/python loadtest/coverage.py
	$(BIN)/python loadtest/pull_cuts.py
	$(BIN)/python loadtest/readers.py
	$(BIN)/python loadtest/export_kills.py
	$(BIN)/python loadtest/export_kills.py --act withdraw
	$(BIN)/python loadtest/export.py --events 2000000
	$(BIN)/python loadtest/export.py --events 20000000
	$(BIN)/python loadtest/export.py --events 144000000 --only-ours --rounds 1

bench: setup
	$(BIN)/python loadtest/bench.py

# The container image; what it takes stands in deploy/image/build.sh. `image-base` makes a base where no registry can be reached:
#   make image-base && make image BASE=localhost/debian:bookworm
IMAGE ?= localhost/pentrap:$(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
image:
	BASE=$(BASE) deploy/image/build.sh $(IMAGE)

image-base:
	deploy/image/base.sh localhost/debian:bookworm

# Build, run read-only without root or capabilities, load, scrape, stop under load, restart, reconcile. Wants root, buildah, podman, runc, prometheus.
image-test: setup
	$(BIN)/python loadtest/image.py

lock: setup
	$(BIN)/pip install --quiet pip-tools
	$(BIN)/pip-compile --quiet --generate-hashes --strip-extras --no-emit-index-url --no-emit-trusted-host \
	  --no-emit-find-links --no-emit-options --output-file requirements.lock pyproject.toml
	$(BIN)/pip-compile --quiet --generate-hashes --strip-extras --allow-unsafe --extra dev --no-emit-index-url \
	  --no-emit-trusted-host --no-emit-find-links --no-emit-options --output-file requirements-dev.lock pyproject.toml
	$(BIN)/pip-compile --quiet --generate-hashes --strip-extras --allow-unsafe --no-emit-index-url --no-emit-trusted-host \
	  --no-emit-find-links --no-emit-options --output-file deploy/image/requirements.lock deploy/image/requirements.in

clean:
	rm -rf .venv build dist *.egg-info
