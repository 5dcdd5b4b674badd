# SPDX-License-Identifier: GPL-2.0-only OR MIT
# The ferry command; under the name mount.ferry it is mount(8)'s helper.
TOOL_PKGS := libnl-genl-3.0 json-c mount

UFLAGS_tools := $(shell pkg-config --cflags $(TOOL_PKGS) 2>/dev/null)
TOOL_OBJS := $(patsubst %.c,$(B)/%.o,$(wildcard tools/ferry/*.c))

user: $(B)/bin/ferry $(B)/bin/mount.ferry

$(B)/bin/ferry: $(TOOL_OBJS) $(B)/lib/libferry.so
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(LDFLAGS) -pthread -o $@ $(TOOL_OBJS) $(shell pkg-config --libs $(TOOL_PKGS)) \
		-L$(B)/lib -Wl,-rpath,'$$ORIGIN/../lib' -lferry -lm

$(B)/bin/mount.ferry: $(B)/bin/ferry
	ln -sf ferry $@

$(B)/test/table: $(patsubst %,$(B)/asan/%.o,selftests/unit/table selftests/claim tools/ferry/table)
	@mkdir -p $(@D)
	$(CC) $(ASAN_FLAGS) -o $@ $^

# The version comes from there.
$(B)/tools/ferry/version.o $(B)/tools/ferry/bench_json.o: Makefile

include $(wildcard tools/*/*.mk)
