# SPDX-License-Identifier: GPL-2.0-only OR MIT
# Tests, as people call them. The scripts are in kselftest layout; see selftests/Makefile.
.PHONY: selftests unit-tests check check-all check-debug soak demo

selftests: $(B)/example-disk ## the test programs: build/selftests
	@$(MAKE) --no-print-directory -C selftests OUTPUT=$(CURDIR)/$(B)/selftests

$(B)/example-disk: $(B)/Documentation/example-disk.o $(B)/lib/libferry.so
	$(CC) $(LDFLAGS) -pthread -o $@ $< -L$(B)/lib -Wl,-rpath,'$$ORIGIN/lib' -lferry

UNIT_TESTS += $(addprefix $(B)/test/,$(UNIT_DISPATCH) loop channel saved options supervise)

# Modules for the kernel that tools/vm/run boots.
ifeq ($(strip $(HOST)),)
check soak demo: export HEADERS := newest
endif

# In a make of their own: what deps installs is asked for when the makefiles are read.
check: ## the whole test-suite; TESTS=PATTERN for some, DISTRO=NAME elsewhere, HOST=1 right here
	@tools/deps
	@test -n '$(DISTRO)' || $(MAKE) --no-print-directory -s all selftests unit-tests
	@HOST='$(HOST)' DISTRO='$(DISTRO)' selftests/check '$(TESTS)'

check-all: export FERRY_TEST_WHOLE := 1
check-all: ## the whole test-suite on each stock kernel
	@status=0; for kernel in '' trixie trixie-backports; do \
		$(MAKE) --no-print-directory -s check DISTRO=$$kernel || status=1; \
	done; exit $$status

soak: ## long: kills, moves, loads, a million mutations, little memory; hours
	@$(MAKE) --no-print-directory -s all selftests
	@SOAK=1 selftests/check '$(TESTS)'

check-debug: ## on a debug kernel (KASAN, lockdep, kmemleak), and a choice with two processors; hours
	@status=0; for kernel in uml debug; do \
		$(MAKE) --no-print-directory -s check DISTRO=$$kernel TESTS='$(TESTS)' || status=1; \
	done; exit $$status

demo: ## memfs in a daemon and in the kernel, with a real tree; HOST=1 in the running kernel
	@tools/deps
	@$(MAKE) --no-print-directory -s all
	@HOST='$(HOST)' tools/demo

unit-tests: $(UNIT_TESTS)
