# SPDX-License-Identifier: GPL-2.0-only OR MIT
# ferryd, the daemon. Backends find the functions they call in its libferry.so.

user: $(B)/bin/ferryd

$(B)/bin/ferryd: $(B)/userd/ferryd.o $(B)/userd/supervise.o $(B)/lib/libferry.so
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -pthread -o $@ $(filter %.o,$^) -L$(B)/lib -Wl,-rpath,'$$ORIGIN/../lib' -lferry

# No pause takes its time, and processes are to be had or not.
$(B)/test/supervise: $(patsubst %,$(B)/asan/%.o,selftests/unit/supervise selftests/claim userd/supervise lib/log)
	@mkdir -p $(@D)
	$(CC) $(ASAN_FLAGS) -pthread -Wl,--wrap=pipe2 -Wl,--wrap=syscall -Wl,--wrap=clock_gettime \
		-Wl,--wrap=poll -Wl,--wrap=waitpid -Wl,--wrap=kill -o $@ $^
