// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* ublk-peer: serves a disk of ublk from the background, until it is told to end. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "peer.h"

static const char usage[] =
	"usage: ublk-peer null|ramdisk MEGABYTES\n"
	"Adds a disk of ublk, prints its name and serves it from the background until SIGTERM.\n";

static int fail(const char *what, int err)
{
	fprintf(stderr, "ublk-peer: %s: %s\n", what, strerror(-err));
	return 1;
}

/* The node of a new device may come a moment after it. */
static int open_char(uint32_t id)
{
	char path[32];
	int fd = -1;

	snprintf(path, sizeof(path), "/dev/ublkc%u", id);
	for (int i = 0; i < 100 && fd < 0; i++) {
		fd = open(path, O_RDWR | O_CLOEXEC);
		if (fd < 0)
			usleep(10000);
	}
	return fd < 0 ? -errno : fd;
}

static int serve(struct peer *peer, const char **what)
{
	int err;

	*what = "/dev/ublkc";
	peer->char_fd = open_char(peer->id);
	if (peer->char_fd < 0)
		return peer->char_fd;
	*what = "queues";
	err = queues_start(peer);
	if (err)
		return err;
	*what = "start";
	return control_start(peer);
}

static int end(const struct peer *peer)
{
	control_stop(peer);
	queues_end();
	if (peer->char_fd >= 0)
		close(peer->char_fd);
	return control_del(peer);
}

/* The starter gets a byte when the disk is there, and goes. Return: in the server, the pipe */
static int background(void)
{
	int fds[2];
	pid_t pid;
	char c;

	if (pipe2(fds, O_CLOEXEC))
		return -errno;
	pid = fork();
	if (pid < 0)
		return -errno;
	if (!pid) {
		close(fds[0]);
		return fds[1];
	}
	close(fds[1]);
	exit(read(fds[0], &c, 1) == 1 ? 0 : 1);
}

int main(int argc, char **argv)
{
	struct peer peer = { .nr_queues = (unsigned int)get_nprocs() };
	unsigned long mb = argc == 3 ? strtoul(argv[2], NULL, 10) : 0;
	const char *what = "";
	sigset_t set;
	int ready, err, sig;

	if (!mb || mb > 1024 || (strcmp(argv[1], "null") && strcmp(argv[1], "ramdisk"))) {
		fputs(usage, stderr);
		return 2;
	}
	peer.size = (uint64_t)mb << 20;
	if (!strcmp(argv[1], "ramdisk")) {
		peer.memory = mmap(NULL, peer.size, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
		if (peer.memory == MAP_FAILED)
			return fail("memory", -errno);
	}
	/* Of all threads, so that this one alone gets it. */
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	ready = background();
	if (ready < 0)
		return fail("background", ready);
	err = control_open();
	if (err)
		return fail("/dev/ublk-control", err);
	err = control_add(&peer);
	if (err)
		return fail("no device", err);
	peer.char_fd = -1;
	err = serve(&peer, &what);
	if (err) {
		end(&peer);
		return fail(what, err);
	}
	printf("/dev/ublkb%u\n", peer.id);
	fclose(stdout);
	if (write(ready, "", 1) != 1)
		err = -EPIPE;
	close(ready);
	if (!err)
		sigwait(&set, &sig);
	return end(&peer) ? 1 : 0;
}
