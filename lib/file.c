// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* Files of the server's process, read and written as far as they go. */
#include <sys/ioctl.h>
#include <unistd.h>

#include "internal.h"

ssize_t ferry_file_read(int fd, void *p, size_t len, u64 pos)
{
	size_t done = 0;
	ssize_t n;

	while (done < len) {
		n = pread(fd, (char *)p + done, len - done, pos + done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && !done)
			return -errno;
		if (n <= 0)
			break;
		done += n;
	}
	return done;
}

ssize_t ferry_file_write(int fd, const void *p, size_t len, u64 pos)
{
	size_t done = 0;
	ssize_t n;

	while (done < len) {
		n = pwrite(fd, (const char *)p + done, len - done, pos + done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && !done)
			return -errno;
		if (n <= 0)
			break;
		done += n;
	}
	return done;
}

int ferry_file_back(int endpoint, int fd)
{
	struct ferry_backing backing = { .fd = fd };

	return ioctl(endpoint, FERRY_IOC_BACKING, &backing) < 0 ? -errno : backing.id;
}
