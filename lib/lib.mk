# SPDX-License-Identifier: GPL-2.0-only OR MIT
# libferry, shared and static, and the unit tests of what it is made of.

FERRY_SO        := libferry.so.0

LIB_DISPATCH    := dispatch fs fs_init fs_reply block opts stream
LIB_STATE       := state state_tx state_heap state_fd
LIB_SOURCES     := $(patsubst %,lib/dispatch/%.c,$(LIB_DISPATCH)) \
		   lib/dispatch/file.c lib/dispatch/filter.c lib/later.c lib/env.c lib/log.c lib/page.c lib/fd.c \
		   lib/file.c lib/load.c \
		   lib/mount.c lib/options.c lib/disk.c lib/channel.c lib/session.c lib/saved.c lib/ring.c lib/loop_sync.c \
		   lib/loop_poll.c lib/loop_uring.c lib/loop_rw.c \
		   $(patsubst %,lib/%.c,$(LIB_STATE))
LIB_OBJECTS     := $(LIB_SOURCES:%.c=$(B)/%.o)

# What is seen from outside is in libferry.map, which the linker obeys.
UFLAGS_lib      := -fvisibility=default -fno-semantic-interposition \
		   -DFERRY_BACKENDS_PATH='"$(libdir)/ferry/backends"'

user: $(B)/lib/libferry.so $(B)/lib/libferry.a $(B)/lib/pkgconfig/ferry.pc

$(B)/lib/libferry.so.$(FERRY_VERSION): $(LIB_OBJECTS) lib/libferry.map
	$(CC) -shared -pthread $(LDFLAGS) -Wl,-soname,$(FERRY_SO) \
		-Wl,--version-script=lib/libferry.map -Wl,-z,defs,-z,now,-Bsymbolic-functions -o $@ $(LIB_OBJECTS) -luring -ldl

$(B)/lib/$(FERRY_SO): $(B)/lib/libferry.so.$(FERRY_VERSION)
	ln -sf $(<F) $@

$(B)/lib/libferry.so: $(B)/lib/$(FERRY_SO)
	ln -sf $(<F) $@

$(B)/lib/libferry.a: $(LIB_OBJECTS)
	rm -f $@
	$(AR) rcs $@ $(LIB_OBJECTS)

$(B)/lib/pkgconfig/ferry.pc: lib/ferry.pc.in lib/lib.mk
	@mkdir -p $(@D)
	sed -e 's|@prefix@|$(prefix)|' -e 's|@libdir@|$(libdir)|' \
		-e 's|@includedir@|$(incdir)|' -e 's|@version@|$(FERRY_VERSION)|' $< > $@

# Unit tests: objects of their own, with the sanitizers in them.
ASAN_FLAGS      := -fsanitize=address,undefined -fno-sanitize-recover=undefined \
		   -fno-omit-frame-pointer -O1 -g

$(B)/asan/%.o: %.c | libraries
	@mkdir -p $(@D)
	$(CC) $(UFLAGS) $(UFLAGS_$(firstword $(subst /, ,$<))) $(ASAN_FLAGS) -c -o $@ $<

UNIT_DISPATCH   := dispatch dispatch_fuzz dispatch_opts
UNIT_OBJECTS    := $(patsubst %,$(B)/asan/lib/dispatch/%.o,$(LIB_DISPATCH)) \
		   $(B)/asan/selftests/claim.o

$(UNIT_DISPATCH:%=$(B)/test/%): $(B)/test/%: $(B)/asan/selftests/unit/%.o $(UNIT_OBJECTS) \
		$(B)/asan/selftests/unit/dispatch_host.o $(B)/asan/selftests/unit/dispatch_record.o
	@mkdir -p $(@D)
	$(CC) $(ASAN_FLAGS) -pthread -o $@ $^

$(B)/test/loop: $(B)/asan/selftests/unit/loop.o $(B)/asan/selftests/unit/loop_kernel.o \
		$(UNIT_OBJECTS) $(patsubst %,$(B)/asan/lib/%.o,env log fd file later ring loop_sync loop_rw \
		saved $(LIB_STATE) page)
	@mkdir -p $(@D)
	$(CC) $(ASAN_FLAGS) -pthread -Wl,--wrap=ioctl -o $@ $^

$(B)/test/saved: $(B)/asan/selftests/unit/saved.o $(B)/asan/lib/saved.o $(B)/asan/selftests/claim.o
	@mkdir -p $(@D)
	$(CC) $(ASAN_FLAGS) -pthread -Wl,--wrap=ioctl -o $@ $^

$(B)/test/log: $(patsubst %,$(B)/asan/%.o,selftests/unit/log selftests/claim lib/log)
	@mkdir -p $(@D)
	$(CC) $(ASAN_FLAGS) -pthread -o $@ $^

# A machine and a device that the test makes up.
$(B)/test/channel: $(B)/asan/selftests/unit/channel.o $(B)/asan/lib/channel.o $(B)/asan/selftests/claim.o
	@mkdir -p $(@D)
	$(CC) $(ASAN_FLAGS) -pthread -Wl,--wrap=ioctl -Wl,--wrap=open64 -Wl,--wrap=sysconf -o $@ $^

# A kernel that keeps what it is told of a mount.
$(B)/test/options: $(patsubst %,$(B)/asan/%.o,selftests/unit/options selftests/claim lib/options lib/mount \
		lib/dispatch/opts)
	@mkdir -p $(@D)
	$(CC) $(ASAN_FLAGS) -pthread -Wl,--wrap=fsopen -Wl,--wrap=fsconfig -Wl,--wrap=fsmount \
		-Wl,--wrap=move_mount -Wl,--wrap=mount -Wl,--wrap=read -Wl,--wrap=close -o $@ $^
