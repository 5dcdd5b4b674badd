# SPDX-License-Identifier: GPL-2.0-only OR MIT
# build/bin/fuse-uring, what `ferry bench` compares with: only where the kernel's headers
# have FUSE over io_uring (6.14) and liburing is installed.
FUSE_URING_OBJS := $(patsubst %.c,$(B)/%.o,$(wildcard tools/fuse-uring/*.c))

ifeq ($(shell pkg-config --exists 'liburing >= 2.3' && \
	echo 'enum fuse_uring_cmd c = FUSE_IO_URING_CMD_REGISTER;' | \
	$(CC) -include linux/fuse.h -fsyntax-only -x c - 2>/dev/null && echo yes),yes)
user: $(B)/bin/fuse-uring
endif

$(B)/bin/fuse-uring: $(FUSE_URING_OBJS)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(LDFLAGS) -pthread -o $@ $^ $(shell pkg-config --libs liburing)
