# SPDX-License-Identifier: GPL-2.0-only OR MIT
# ferry: one Makefile for people; Kbuild has the modules, mk files the user side.

FERRY_VERSION := 0.1.0

# The newest installed headers, unless KDIR says otherwise.
KDIR ?= $(lastword $(shell ls -d /lib/modules/*/build 2>/dev/null | sort -V))

CC      ?= gcc
AR      ?= ar
CFLAGS  ?= -O2 -g
WARN    := -Wall -Wextra -Wno-unused-parameter -Wmissing-prototypes -Wstrict-prototypes -Wshadow
UFLAGS  := -std=gnu11 $(WARN) -Iinclude -Iinclude/uapi -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -fPIC \
	   -fvisibility=hidden -pthread -MMD -MP -DFERRY_VERSION='"$(FERRY_VERSION)"'
prefix  ?= /usr/local
B       := build

.DEFAULT_GOAL := all
.PHONY: all user modules
all: user modules

include backends/sources.mk
include lib/lib.mk
include backends/backends.mk
include userd/userd.mk
include tools/tools.mk

user: ## libferry, backends, ferryd, ferry: into build/

modules: ## ferry.ko, ferryfs.ko, ferry-*.ko, against KDIR
	@test -n "$(KDIR)" -a -f "$(KDIR)/Makefile" || { \
		echo "make: no kernel headers$(if $(KDIR), in $(KDIR)); install them: apt-get install linux-headers-amd64, or set KDIR=" >&2; exit 2; }
	$(MAKE) -C $(KDIR) M=$(CURDIR) W=1 modules

# User objects: build/<source path>.o, never beside a source that kbuild compiles.
$(B)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(UFLAGS) $(CFLAGS) $(UFLAGS_$(firstword $(subst /, ,$<))) -c -o $@ $<

-include $(shell find $(B) -name '*.d' 2>/dev/null)
