# SPDX-License-Identifier: MIT OR Apache-2.0

.PHONY: test long fuzz soak faults bench programs

# What CI runs.
test:
	./scripts/test

# What takes longer than CI may: every fuzz target for a minute, and the end-to-end tests at full length
# (200 kills instead of a few, for one).
long: fuzz
	SAMPAN_LONG=1 E2E_TIMEOUT=2h ./scripts/test e2e

# A thousand random schedules of faults against pushes before a real registry, half an hour of mostly waiting;
# SOAK="-soak 1 -seed 7" plays one of them. The same against a registry in memory and a clock that does not wait:
# go test ./internal/output -run TestSoak -soak 1000
SOAK ?= -soak 1000 -seed 1
soak:
	go run ./test/faults $(SOAK)

# The tables of docs/faults.md, Sampan beside other clients.
faults:
	./scripts/setup --peers
	go run ./test/faults

fuzz:
	./scripts/fuzz 60s

# The table of bench/README.md, on an idle machine.
bench:
	./scripts/setup --peers
	go run ./bench

# The table of the fifteen programs; an hour or more with nothing cached. PROGRAMS="-only just" for less of it.
programs:
	./scripts/setup
	go run ./test/programs $(PROGRAMS)
