# SPDX-License-Identifier: GPL-2.0-only OR MIT
# Backends as shared objects, build/backends/NAME.so, which ferryd loads. What they
# call, ferry_*(), is libferry's and is found when they are loaded.

UFLAGS_backends := -DFERRY_BACKEND_BUILD

BACKEND_OBJECTS := $(patsubst %,$(B)/backends/%.so,$(FERRY_BACKENDS))

define backend_so
$(B)/backends/$(1).so: $(patsubst %,$(B)/backends/%.o,$(FERRY_SOURCES_$(1)))
	$$(CC) $$(CFLAGS) $$(LDFLAGS) -shared -pthread -o $$@ $$^
endef
$(foreach b,$(FERRY_BACKENDS),$(eval $(call backend_so,$(b))))

user: $(BACKEND_OBJECTS)

include userd/mirror/mirror.mk
include userd/nbd/nbd.mk
include selftests/unit/backends.mk
