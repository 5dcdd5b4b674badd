# SPDX-License-Identifier: GPL-2.0-only OR MIT
# ferry: one Makefile for people; Kbuild has the modules, mk files the user side.
FERRY_VERSION := 0.1.0

# The running kernel's headers if they are installed, else the newest, unless KDIR says otherwise.
# HEADERS=newest: those at once, as tools/vm/run boots the newest kernel. HEADERS=RELEASE: no others.
KERNELS := /lib/modules
KDIRS    = $(patsubst %/Makefile,%,$(shell ls -d $(KERNELS)/*/build/Makefile 2>/dev/null | sort -V))
NEWEST   = $(lastword $(KDIRS))
ifeq ($(HEADERS),)
KDIR    ?= $(or $(filter $(KERNELS)/$(shell uname -r)/build,$(KDIRS)),$(NEWEST))
else
KDIR    ?= $(if $(filter newest,$(HEADERS)),$(NEWEST),$(KERNELS)/$(HEADERS)/build)
endif

CFLAGS  ?= -O2 -g
WARN    := -Wall -Wextra -Wno-unused-parameter -Wmissing-prototypes -Wstrict-prototypes -Wshadow
UFLAGS  := -std=gnu11 $(WARN) -Iinclude -Iinclude/uapi -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -fPIC \
	   -fvisibility=hidden -pthread -MMD -MP -DFERRY_VERSION='"$(FERRY_VERSION)"'
KMAKE    = $(MAKE) -C $(KDIR) M=$(CURDIR) W=1
# Headers come without the vmlinux that BTF is made by, and kbuild says so of each module.
KMAKE   += $(if $(wildcard $(KDIR)/vmlinux),,CONFIG_DEBUG_INFO_BTF_MODULES=)
B       := build

DESTDIR ?=
prefix  ?= /usr/local
bindir  := $(prefix)/bin
libdir  := $(prefix)/lib
incdir  := $(prefix)/include
mandir  := $(prefix)/share/man

.DEFAULT_GOAL := all
.PHONY: all user libraries modules load unload style deps clean help
all: user modules ## all of it, the default

include backends/sources.mk
include lib/lib.mk
include backends/backends.mk
include userd/userd.mk
include tools/tools.mk
include tools/install.mk
include selftests/selftests.mk

user: ## libferry, backends, ferryd, ferry: into build/

libraries:
	@tools/libraries liburing $(TOOL_PKGS)

modules: ## ferry.ko, ferryfs.ko, ferry-*.ko, against KDIR
	@tools/headers '$(KDIR)'
	+$(KMAKE) modules

# User objects: build/<source path>.o, never beside a source that kbuild compiles.
$(B)/%.o: %.c | libraries
	@mkdir -p $(@D)
	$(CC) $(UFLAGS) $(CFLAGS) $(UFLAGS_$(firstword $(subst /, ,$<))) -c -o $@ $<

-include $(shell find $(B) -name '*.d' 2>/dev/null)

load: ## put this tree's modules into the running kernel
	@tools/modules load

unload: ## take them out
	@tools/modules unload

style: ## sparse, W=1, clang-tidy, shellcheck, mandoc, the design's laws; silence means all is well
	@KDIR='$(KDIR)' tools/style

deps: ## install the Debian packages that are missing (tools/packages)
	@tools/deps

clean: ## remove all that was built
	rm -rf $(B)
	find . -name .git -prune -o \( -name '*.o' -o -name '*.ko' -o -name '*.mod' -o -name '*.mod.c' \
		-o -name '.*.cmd' -o -name '.*.d' -o -name modules.order -o -name Module.symvers \
		-o -name .tmp_versions -o -path './kmod/compat/have.h*' \) -exec rm -rf {} +

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1 /p' $(filter-out %.d,$(MAKEFILE_LIST)) | \
		while read -r target text; do printf '  make %-11s %s\n' $$target "$$text"; done
	@echo 'Variables: KDIR (kernel headers), HEADERS (whose: RELEASE or newest), prefix, DESTDIR, CC, CFLAGS'
