# Every target sets up what it needs by itself, and is quick the second time.
#
#   make demo            the tour, then everything stays up; ONCE=1 ends after the tour
#   make test            every test on real parts, the Kubernetes API server among them; ARGS=core/policy for some of them
#   make e2e             every test on a real cluster: a node of its own (needs root); E2E_CLUSTER=kind or current for another
#   make soak            fault tests of the operator in full: every fault point, every outage as long as promised; about half an hour
#   make check           types, lint and format, import arrows, generated files, the protocol's promises
#   make setup           only the setting up

.PHONY: setup demo test e2e soak check
.DEFAULT_GOAL := test

setup:
	@setup/prerequisites.sh
	@setup/packages.sh
	@setup/envoy.sh

demo: setup
	@npm run --silent demo -- $(if $(ONCE),--once)

test: setup
	@setup/kube.sh
	@npm run --silent test -- $(ARGS)

e2e: setup
	@setup/kube.sh
	@setup/cluster.sh
	@npm run --silent e2e -- $(ARGS)

soak: setup
	@setup/kube.sh
	@HEAUTH_SOAK=1 npm run --silent test -- --runInBand $(or $(ARGS),e2e/kube/operator-)

check: setup
	@setup/step.sh "types" types
	@setup/step.sh "lint and format" lint
	@setup/step.sh "import arrows" arrows
	@setup/step.sh "generated files" generated
	@setup/step.sh "protocol's contract" contract
