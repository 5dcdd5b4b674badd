# SPDX-License-Identifier: GPL-2.0-only OR MIT
# Unit tests of backends: one backend, the dispatcher, and a client in place of a
# host. The threads' test is built for ThreadSanitizer as well.

# In the tables of tests what is left out is 0.
UFLAGS_selftests := -Wno-missing-field-initializers

# "none": the test has one of its own
backend_sources = $(if $(filter none,$(1)),,$(or $(FERRY_SOURCES_$(1):%=backends/%.c),$(MIRROR_SOURCES)))
backend_test_sources = selftests/unit/$(2).c selftests/unit/fsclient.c selftests/claim.c \
	$(LIB_DISPATCH:%=lib/dispatch/%.c) $(LIB_STATE:%=lib/%.c) $(call backend_sources,$(1))

# $(call backend_test,BACKEND,SOURCE,NAME,SANITIZER)
define backend_test
UNIT_TESTS += $(B)/test/$(3)
$(B)/test/$(3): $(patsubst %.c,$(B)/$(4)/%.o,$(call backend_test_sources,$(1),$(2)))
	@mkdir -p $$(@D)
	$$(CC) $$($(if $(filter tsan,$(4)),TSAN,ASAN)_FLAGS) -pthread -o $$@ $$^
endef

TSAN_FLAGS := -fsanitize=thread -fno-omit-frame-pointer -O1 -g

$(B)/tsan/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(UFLAGS) $(UFLAGS_$(firstword $(subst /, ,$<))) $(TSAN_FLAGS) -c -o $@ $<

$(eval $(call backend_test,memfs,memfs,memfs,asan))
$(eval $(call backend_test,memfs,memfs_threads,memfs_threads,asan))
$(eval $(call backend_test,memfs,memfs_threads,memfs_races,tsan))
$(eval $(call backend_test,memfs,fs_model,memfs_model,asan))
$(eval $(call backend_test,mirror,fs_model,mirror_model,asan))
$(eval $(call backend_test,mirror,mirror,mirror,asan))
$(eval $(call backend_test,null,null,null,asan))
$(eval $(call backend_test,template,template,template,asan))

# Servers that die before any of their stores: compiled for a sanitizer, linked with
# kill_points.c in place of one.
KILL_FLAGS := -fsanitize=thread -O1 -g

$(B)/kill/lib/%.o $(B)/kill/backends/%.o $(B)/kill/userd/%.o: KILLED := $(KILL_FLAGS)
$(B)/kill/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(UFLAGS) $(UFLAGS_$(firstword $(subst /, ,$<))) $(CFLAGS) $(KILLED) -c -o $@ $<

kill_sources = $(call backend_test_sources,$(1),$(2)) lib/ring.c lib/loop_sync.c \
	lib/fd.c lib/file.c lib/later.c \
	selftests/unit/mortal.c selftests/unit/kill_points.c

UNIT_TESTS += $(addprefix $(B)/test/,memfs_kill mirror_kill disk_kill state_kill state)
$(B)/test/memfs_kill: $(patsubst %.c,$(B)/kill/%.o,$(call kill_sources,memfs,fs_kill))
$(B)/test/mirror_kill: $(patsubst %.c,$(B)/kill/%.o,$(call kill_sources,mirror,fs_kill))
$(B)/test/disk_kill: $(patsubst %.c,$(B)/kill/%.o,$(call kill_sources,ramdisk,disk_kill))
$(B)/test/state_kill: $(patsubst %.c,$(B)/kill/%.o,$(call kill_sources,none,state_kill))
$(B)/test/memfs_kill $(B)/test/mirror_kill $(B)/test/disk_kill $(B)/test/state_kill:
	@mkdir -p $(@D)
	$(CC) -pthread -Wl,--wrap=ioctl -o $@ $^

$(B)/test/state: $(B)/asan/selftests/unit/state.o $(UNIT_OBJECTS) \
		$(patsubst %,$(B)/asan/lib/%.o,env log page $(LIB_STATE))
	@mkdir -p $(@D)
	$(CC) $(ASAN_FLAGS) -pthread -o $@ $^

# A disk's client is in the test itself.
define disk_test
UNIT_TESTS += $(B)/test/$(1)_model
$(B)/test/$(1)_model: $(patsubst %,$(B)/asan/%.o,selftests/unit/disk_model selftests/claim lib/file \
		lib/dispatch/file backends/$(1)) $(patsubst %,$(B)/asan/lib/%.o,$(LIB_STATE)) \
		$(patsubst %,$(B)/asan/lib/dispatch/%.o,$(LIB_DISPATCH))
	@mkdir -p $$(@D)
	$$(CC) $$(ASAN_FLAGS) -pthread -o $$@ $$^
endef
$(eval $(call disk_test,ramdisk))
$(eval $(call disk_test,file))
