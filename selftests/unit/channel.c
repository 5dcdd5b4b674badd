// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* The shape of the channel that is asked for, where nobody says what he wants. */
#include <stdarg.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "../claim.h"
#include "../../lib/internal.h"

/* A machine of so many processors, with a /dev/ferry that makes no channel, but has one. */
static long cpus;
static struct ferry_setup asked, left;

long __wrap_sysconf(int name);
long __wrap_sysconf(int name)
{
	return cpus;
}

int __wrap_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...)
{
	return dup(STDIN_FILENO);
}

int __wrap_ioctl(int fd, unsigned long cmd, ...);
int __wrap_ioctl(int fd, unsigned long cmd, ...)
{
	struct ferry_setup *setup;
	va_list ap;

	va_start(ap, cmd);
	setup = va_arg(ap, struct ferry_setup *);
	va_end(ap);
	if (cmd == FERRY_IOC_ATTACH) {
		*setup = left;
		return 0;
	}
	CHECK_EQ(cmd, FERRY_IOC_CREATE);
	asked = *setup;
	errno = ENOSPC;
	return -1;
}

static char logged[256];

void ferry_log(enum ferry_log_level level, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(logged, sizeof(logged), fmt, ap);
	va_end(ap);
}

u32 ferry_session_reissues(const struct ferry_backend *backend,
			   const struct ferry_session_options *options)
{
	return 0;
}

static void check_queues(u32 class, long have, u32 queues, u32 depth, u32 want)
{
	static const struct ferry_backend backend = { .name = "some" };
	struct ferry_session session = {
		.class = class, .loop = &ferry_loop_sync, .server.backend = &backend,
	};
	const struct ferry_session_options options = { .queues = queues, .depth = depth };

	cpus = have;
	CHECK_EQ(ferry_channel_open(&session, &options), -ENOSPC);
	CHECK_EQ(asked.geo.nr_queues, want);
	CHECK(asked.geo.nr_queues * asked.geo.depth <= FERRY_TAGS_MAX);
}

const struct ferry_loop_ops ferry_loop_sync = { .name = "sync" };

static void one_a_cpu(void)
{
	check_queues(FERRY_CLASS_FS, 3, 0, 0, 3);
	check_queues(FERRY_CLASS_FS, -1, 0, 0, 1);
	check_queues(FERRY_CLASS_FS, 3, 7, 0, 7);
	check_queues(FERRY_CLASS_BLOCK, 256, 0, 0, 256);
}

static void as_many_as_can_be(void)
{
	check_queues(FERRY_CLASS_FS, 384, 0, 0, 256);
	check_queues(FERRY_CLASS_FS, 384, 0, 1024, 64);
	check_queues(FERRY_CLASS_BLOCK, 384, 0, 0, 256);
	check_queues(FERRY_CLASS_BLOCK, 100, 0, 1024, 64);
}

static int attach_as(u32 class)
{
	static const struct ferry_backend backend = { .name = "some" };
	struct ferry_session session = {
		.class = class, .loop = &ferry_loop_sync, .server.backend = &backend,
	};
	const struct ferry_session_options options = { .attach = 3 };
	int err;

	err = ferry_channel_open(&session, &options);
	if (!err)
		ferry_channel_close(&session);
	return err;
}

/* A backend of both classes would attach, and answer nothing. */
static void class_is_compared(void)
{
	left = (struct ferry_setup){
		.id = 3, .class = FERRY_CLASS_BLOCK, .name = "some", .geo.nr_queues = 1,
	};
	CHECK_EQ(attach_as(FERRY_CLASS_BLOCK), 0);
	CHECK_EQ(attach_as(FERRY_CLASS_FS), -EINVAL);
	CHECK(strstr(logged, "channel 3: is a disk's"));
	left.class = FERRY_CLASS_FS;
	CHECK_EQ(attach_as(FERRY_CLASS_FS), 0);
	CHECK_EQ(attach_as(FERRY_CLASS_BLOCK), -EINVAL);
	CHECK(strstr(logged, "channel 3: is a mount's"));
}

static const struct claim claims[] = {
	{ "there is a queue for each CPU", one_a_cpu },
	{ "on a large machine there are as many as a channel can have", as_many_as_can_be },
	{ "nobody attaches to a channel of the other class", class_is_compared },
};
CLAIMS_MAIN(claims)
