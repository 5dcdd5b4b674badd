// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* env.h for user space; pages are in page.c, the log in log.c. */
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

#include <ferry/session.h>

void *ferry_alloc(size_t size)
{
	return calloc(1, size);
}

void ferry_free(void *p)
{
	free(p);
}

void ferry_now(struct ferry_time *t)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME_COARSE, &ts);
	t->sec = ts.tv_sec;
	t->nsec = ts.tv_nsec;
}

void ferry_sleep(u64 us)
{
	struct timespec t = { .tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000 };

	while (nanosleep(&t, &t) && errno == EINTR)
		;
}

void ferry_random(void *buf, size_t len)
{
	char *p = buf;

	while (len) {
		ssize_t n = getrandom(p, len, 0);

		if (n < 0)
			continue;	/* a signal before the pool was ready */
		p += n;
		len -= n;
	}
}
