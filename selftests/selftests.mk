# SPDX-License-Identifier: GPL-2.0-only OR MIT
# Tests, as people call them. The scripts are in kselftest layout; see selftests/Makefile.
.PHONY: selftests unit-tests check demo

selftests: $(B)/example-disk ## the test programs: build/selftests
	@$(MAKE) --no-print-directory -C selftests OUTPUT=$(CURDIR)/$(B)/selftests

$(B)/example-disk: $(B)/Documentation/example-disk.o $(B)/lib/libferry.so
	$(CC) $(LDFLAGS) -pthread -o $@ $< -L$(B)/lib -Wl,-rpath,'$$ORIGIN/lib' -lferry

UNIT_TESTS += $(addprefix $(B)/test/,$(UNIT_DISPATCH) loop options)

# In a make of their own: what deps installs is asked for when the makefiles are read.
check: ## the whole test-suite; TESTS=PATTERN for some, HOST=1 in the running kernel
	@tools/deps
	@$(MAKE) --no-print-directory -s all selftests unit-tests
	@HOST='$(HOST)' selftests/check '$(TESTS)'

demo: ## memfs in a daemon and in the kernel, with a real tree; HOST=1 in the running kernel
	@tools/deps
	@$(MAKE) --no-print-directory -s all
	@HOST='$(HOST)' tools/demo

unit-tests: $(UNIT_TESTS)
