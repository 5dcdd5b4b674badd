// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* env.h for user space; pages are in page.c. */
#include <stdarg.h>
#include <stdlib.h>
#include <sys/random.h>
#include <syslog.h>
#include <time.h>

#include <ferry/session.h>

static enum ferry_log_level log_max = FERRY_LOG_INFO;
static bool log_to_syslog;

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

void ferry_log_open(enum ferry_log_level max, bool to_syslog)
{
	log_max = max;
	log_to_syslog = to_syslog;
	if (to_syslog)
		openlog(program_invocation_short_name, LOG_PID, LOG_DAEMON);
}

void ferry_log(enum ferry_log_level level, const char *fmt, ...)
{
	static const int priority[] = {
		[FERRY_LOG_ERR] = LOG_ERR,
		[FERRY_LOG_WARN] = LOG_WARNING,
		[FERRY_LOG_INFO] = LOG_INFO,
		[FERRY_LOG_DEBUG] = LOG_DEBUG,
	};
	char line[1024];
	va_list ap;

	if (level > log_max)
		return;
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (log_to_syslog)
		syslog(priority[level], "%s", line);
	else
		fprintf(stderr, "%s: %s\n", program_invocation_short_name, line);
}
