# SPDX-License-Identifier: GPL-2.0-only OR MIT
# build/bin/ublk-peer, what `ferry bench --class block` compares with: only where the
# kernel's headers have ublk with ioctl-encoded commands (6.4) and liburing is installed.
UBLK_PEER_OBJS := $(patsubst %.c,$(B)/%.o,$(wildcard tools/ublk-peer/*.c))

ifeq ($(shell pkg-config --exists 'liburing >= 2.3' && \
	echo 'unsigned int c = UBLK_U_CMD_ADD_DEV;' | \
	$(CC) -include sys/ioctl.h -include linux/ublk_cmd.h -fsyntax-only -x c - 2>/dev/null && echo yes),yes)
user: $(B)/bin/ublk-peer
endif

$(B)/bin/ublk-peer: $(UBLK_PEER_OBJS)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(LDFLAGS) -pthread -o $@ $^ $(shell pkg-config --libs liburing)
