# SPDX-License-Identifier: MIT OR Apache-2.0

.PHONY: test long fuzz soak bench programs

# What CI runs.
test:
	./scripts/test

# What takes longer than CI may: every fuzz target for a minute, and the end-to-end tests at full length
# (200 kills instead of a few, for one).
long: fuzz
	SAMPAN_LONG=1 E2E_TIMEOUT=2h ./scripts/test e2e

# A thousand random schedules of faults against a push; SOAK="-soak.seed 7 -soak 1" plays one of them.
SOAK ?= -soak 1000
soak:
	go test ./internal/output -run TestSoak -v -timeout 30m $(SOAK)

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
