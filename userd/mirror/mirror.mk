# SPDX-License-Identifier: GPL-2.0-only OR MIT
# mirror serves a directory of the host: a backend for user space alone.

MIRROR_SOURCES := $(patsubst %,userd/mirror/%.c,mirror node name file ring dir xattr \
		  intent)

$(B)/backends/mirror.so: $(MIRROR_SOURCES:%.c=$(B)/%.o)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(LDFLAGS) -shared -pthread -o $@ $^

user: $(B)/backends/mirror.so
