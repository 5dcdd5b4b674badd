# SPDX-License-Identifier: GPL-2.0-only OR MIT
# Tests, as people call them. The scripts are in kselftest layout; see selftests/Makefile.
.PHONY: selftests unit-tests check check-all check-debug soak demo

selftests: $(B)/example-disk ## the test programs: build/selftests
	@$(MAKE) --no-print-directory -C selftests OUTPUT=$(CURDIR)/$(B)/selftests

$(B)/example-disk: $(B)/Documentation/example-disk.o $(B)/lib/libferry.so
	$(CC) $(LDFLAGS) -pthread -o $@ $< -L$(B)/lib -Wl,-rpath,'$$ORIGIN/lib' -lferry

UNIT_TESTS += $(addprefix $(B)/test/,$(UNIT_DISPATCH) loop channel log saved options supervise table)

# Modules for the kernel that tools/vm/run boots.
ifeq ($(strip $(HOST)),)
check soak demo: export HEADERS := newest
endif

all_cpus = $(if $(filter -j%,$(MAKEFLAGS)),,-j$(shell nproc))

# In a make of their own: what deps installs is asked for when the makefiles are read.
check: ## the whole test-suite; TESTS=PATTERN for some, DISTRO=NAME elsewhere, HOST=1 right here
	@tools/deps
	@test -n '$(DISTRO)' || $(MAKE) --no-print-directory -s $(all_cpus) all selftests unit-tests
	@HOST='$(HOST)' DISTRO='$(DISTRO)' selftests/check '$(TESTS)'

# $(call check_each,KERNEL...): on each, "here" is this machine's newest; each has a place for its TAP.
# What came of which is said once more at the end: by then it has scrolled away.
check_each = status=0; said=; for kernel in $(1); do \
		if FERRY_TAPS='$(CURDIR)/$(B)/check/'$$kernel $(MAKE) --no-print-directory -s check \
				DISTRO=$${kernel\#here} TESTS='$(TESTS)'; then \
			said="$$said $$kernel:passed"; \
		else \
			said="$$said $$kernel:FAILED" status=1; \
		fi; \
	done; \
	for kernel in $$said; do echo "check: $$kernel"; done; exit $$status

check-all: export FERRY_TEST_WHOLE := 1
check-all: ## the whole test-suite on each stock kernel
	@$(call check_each,here trixie trixie-backports)

soak: ## long: kills, moves, loads, a million mutations, little memory; hours
	@$(MAKE) --no-print-directory -s all selftests
	@SOAK=1 selftests/check '$(TESTS)'

check-debug: ## on a debug kernel (KASAN, lockdep, kmemleak), and a choice with two processors; hours
	@$(call check_each,uml debug)

demo: ## memfs in a daemon and in the kernel, with a real tree; HOST=1 in the running kernel
	@tools/deps
	@$(MAKE) --no-print-directory -s all
	@HOST='$(HOST)' tools/demo

unit-tests: $(UNIT_TESTS)
