// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* Lines for syslog, with a /dev/log of our own. */
#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <ferry/session.h>

#include "../claim.h"

static int reader;

static void have_reader(int type)
{
	const struct sockaddr_un log = { .sun_family = AF_UNIX, .sun_path = "/dev/log" };

	need_root();
	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("dev", "/dev", "tmpfs", 0, NULL))
		claim_skip("no mount namespace: %s", strerror(errno));
	reader = DO(socket(AF_UNIX, type, 0));
	DO(bind(reader, (const struct sockaddr *)&log, sizeof(log)));
	ferry_log_open(FERRY_LOG_INFO, true);
}

/* The next line ends with @end, and is of @priority. */
static void check_line(int fd, int priority, const char *end)
{
	char line[2048], begin[8], me[32];
	ssize_t len = DO(recv(fd, line, sizeof(line) - 1, MSG_DONTWAIT));

	line[len] = 0;
	snprintf(begin, sizeof(begin), "<%d>", priority);
	snprintf(me, sizeof(me), " log[%d]: ", getpid());
	if (strncmp(line, begin, strlen(begin)) || !strstr(line, me) ||
	    strcmp(strstr(line, me) + strlen(me), end))
		claim_fail(__FILE__, __LINE__, "'%s' is no line of <%d>: '%s'", line, priority, end);
}

static void lines_arrive(void)
{
	have_reader(SOCK_DGRAM);
	ferry_log(FERRY_LOG_ERR, "one %d", 1);
	ferry_log(FERRY_LOG_DEBUG, "none");
	ferry_log(FERRY_LOG_INFO, "two");
	check_line(reader, 27, "one 1");
	check_line(reader, 30, "two");
	CHECK_ERR(recv(reader, &(char){ 0 }, 1, MSG_DONTWAIT), EAGAIN);
}

static void by_stream(void)
{
	int fd;

	have_reader(SOCK_STREAM);
	DO(listen(reader, 1));
	ferry_log(FERRY_LOG_WARN, "one");
	fd = DO(accept(reader, NULL, NULL));
	check_line(fd, 28, "one");
}

/* No more than a socket keeps: those that come then are counted. */
static void nobody_waits(void)
{
	unsigned int i, there = 0;
	char end[80];

	have_reader(SOCK_DGRAM);
	for (i = 0; i < 5000; i++)
		ferry_log(FERRY_LOG_INFO, "line");
	while (recv(reader, end, sizeof(end), MSG_DONTWAIT) > 0)
		there++;
	CHECK(there > 0 && there < 5000);
	ferry_log(FERRY_LOG_INFO, "one more");
	check_line(reader, 30, "one more");
	snprintf(end, sizeof(end), "%u lines before that one are lost: there was no room", 5000 - there);
	check_line(reader, 28, end);
}

static void nobody_reads(void)
{
	have_reader(SOCK_DGRAM);
	DO(close(reader));
	ferry_log(FERRY_LOG_INFO, "line");
	DO(unlink("/dev/log"));
	ferry_log(FERRY_LOG_INFO, "line");
}

static const struct claim claims[] = {
	{ "lines arrive as they are to be", lines_arrive },
	{ "so they do by a stream", by_stream },
	{ "nobody waits for a reader who does not read", nobody_waits, 10 },
	{ "nor for one who is not there", nobody_reads },
};
CLAIMS_MAIN(claims)
