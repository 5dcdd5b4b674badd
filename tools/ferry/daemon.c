// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* ferryd: where it is. */
#include "daemon.h"
#include "ferry.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* In the build tree as where we are installed. */
const char *ferryd_find(char *buf, size_t size)
{
	ssize_t len = readlink("/proc/self/exe", buf, size - sizeof("ferryd"));
	char *base;

	if (len < 0)
		return "ferryd";
	buf[len] = '\0';
	base = strrchr(buf, '/');
	if (!base)
		return "ferryd";
	strcpy(base + 1, "ferryd");
	return access(buf, X_OK) ? "ferryd" : buf;
}

int ferryd_complain(const char *ferryd)
{
	int err = errno;

	complain("%s: %s%s", ferryd, strerror(err),
		 err == ENOENT ? "; it is needed to serve from user space" : "");
	return -err;
}
