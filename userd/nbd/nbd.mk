# SPDX-License-Identifier: GPL-2.0-only OR MIT
# nbd is a client of a server of the Network Block Device: a backend for user space alone.

NBD_SOURCES := $(patsubst %,userd/nbd/%.c,nbd conn safe)

$(B)/backends/nbd.so: $(NBD_SOURCES:%.c=$(B)/%.o)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(LDFLAGS) -shared -pthread -o $@ $^ -lnbd

# Without libnbd all but this is there.
user: $(if $(shell pkg-config --exists libnbd && echo yes),$(B)/backends/nbd.so)
