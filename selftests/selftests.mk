# SPDX-License-Identifier: GPL-2.0-only OR MIT
# Tests, as people call them. The scripts are in kselftest layout; see selftests/Makefile.
.PHONY: selftests check demo

selftests: ## the test programs: build/selftests
	@$(MAKE) --no-print-directory -C selftests OUTPUT=$(CURDIR)/$(B)/selftests

check: all selftests ## the whole test-suite; TESTS=PATTERN for some, HOST=1 in the running kernel
	@HOST='$(HOST)' selftests/check '$(TESTS)'

demo: all ## memfs in a daemon and in the kernel, with a real tree; HOST=1 in the running kernel
	@HOST='$(HOST)' tools/demo
