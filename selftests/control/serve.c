// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * usage: serve [DIR [QUEUES]]. Opens /dev/ferry, makes a channel "selftest" and prints its
 * number, tries to mount it on DIR, if that is not empty; stays until its input ends. What
 * cannot be done is printed as the call and the error's name.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/ferry.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct ferry_setup setup = {
		.size = sizeof(setup),
		.abi = FERRY_ABI,
		.class = FERRY_CLASS_FS,
		.state_fd = -1,
		.name = "selftest",
	};
	char options[32], c;
	int fd;

	if (argc > 2)
		setup.geo.nr_queues = (unsigned int)atoi(argv[2]);
	fd = open("/dev/ferry", O_RDWR | O_CLOEXEC);
	if (fd < 0) {
		printf("open %s\n", strerrorname_np(errno));
		return 1;
	}
	if (ioctl(fd, FERRY_IOC_CREATE, &setup)) {
		printf("create %s\n", strerrorname_np(errno));
		return 1;
	}
	printf("%u\n", setup.id);
	snprintf(options, sizeof(options), "fd=%d", fd);
	if (argc > 1 && *argv[1] && mount("selftest", argv[1], "ferry", 0, options))
		printf("mount %s\n", strerrorname_np(errno));
	fflush(stdout);
	while (read(STDIN_FILENO, &c, 1) > 0)
		;
	return 0;
}
