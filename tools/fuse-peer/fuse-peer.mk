# SPDX-License-Identifier: GPL-2.0-only OR MIT
# build/bin/fuse-peer, what `ferry bench` compares with. Only where libfuse 3 is
# installed (apt-get install libfuse3-dev); the rest of ferry does not need it.
FUSE_PEER_OBJS := $(patsubst %.c,$(B)/%.o,$(wildcard tools/fuse-peer/*.c))

ifeq ($(shell pkg-config --exists 'fuse3 >= 3.12' && echo yes),yes)
user: $(B)/bin/fuse-peer
endif

$(FUSE_PEER_OBJS): CFLAGS += $(shell pkg-config --cflags fuse3)

$(B)/bin/fuse-peer: $(FUSE_PEER_OBJS)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(LDFLAGS) -pthread -o $@ $^ $(shell pkg-config --libs fuse3)
