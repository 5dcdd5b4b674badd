// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * The log. A line for syslog(3)'s socket is never waited for: who reads there may wait for what we
 * serve, as where the log is kept on our disk. One that finds no room is lost, and counted.
 */
#include <stdarg.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include <ferry/session.h>

#define LINE_MAX_LEN	1024

static enum ferry_log_level log_max = FERRY_LOG_INFO;
static bool log_to_syslog;
static unsigned int nr_lost;

void ferry_log_open(enum ferry_log_level max, bool to_syslog)
{
	log_max = max;
	log_to_syslog = to_syslog;
}

/* Whoever reads there, or -errno. */
static int connect_to_log(int type)
{
	const struct sockaddr_un log = { .sun_family = AF_UNIX, .sun_path = "/dev/log" };
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int err;

	if (fd < 0)
		return -errno;
	if (!connect(fd, (const struct sockaddr *)&log, sizeof(log)))
		return fd;
	err = -errno;
	close(fd);
	return err;
}

/*
 * By a socket of its own each: one that stays open would be in the table that a supervisor and who
 * serves share, for one of them to close and the other to use.
 */
static bool send_line(int priority, const char *text)
{
	char when[32], line[LINE_MAX_LEN + 128];
	const time_t now = time(NULL);
	bool stream, sent;
	struct tm tm;
	int fd, len;

	strftime(when, sizeof(when), "%b %e %T", localtime_r(&now, &tm));
	len = snprintf(line, sizeof(line), "<%d>%s %.64s[%d]: %s", LOG_DAEMON | priority, when,
		       program_invocation_short_name, (int)getpid(), text);
	fd = connect_to_log(SOCK_DGRAM);
	stream = fd == -EPROTOTYPE;
	if (stream)
		fd = connect_to_log(SOCK_STREAM);
	if (fd < 0)
		return false;
	/* In a stream a NUL ends each. */
	sent = send(fd, line, (size_t)len + stream, MSG_NOSIGNAL) == len + stream;
	close(fd);
	return sent;
}

static void to_syslog(int priority, const char *text)
{
	char line[80];
	unsigned int lost;

	if (!send_line(priority, text)) {
		__atomic_add_fetch(&nr_lost, 1, __ATOMIC_RELAXED);
		return;
	}
	lost = __atomic_exchange_n(&nr_lost, 0, __ATOMIC_RELAXED);
	snprintf(line, sizeof(line), "%u lines before that one are lost: there was no room", lost);
	if (lost && !send_line(LOG_WARNING, line))
		__atomic_add_fetch(&nr_lost, lost, __ATOMIC_RELAXED);
}

void ferry_log(enum ferry_log_level level, const char *fmt, ...)
{
	static const int priority[] = {
		[FERRY_LOG_ERR] = LOG_ERR,
		[FERRY_LOG_WARN] = LOG_WARNING,
		[FERRY_LOG_INFO] = LOG_INFO,
		[FERRY_LOG_DEBUG] = LOG_DEBUG,
	};
	char line[LINE_MAX_LEN];
	va_list ap;

	if (level > log_max)
		return;
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (log_to_syslog)
		to_syslog(priority[level], line);
	else
		fprintf(stderr, "%s: %s\n", program_invocation_short_name, line);
}
