// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* fuse-uring: options, mount, FUSE_INIT, and what does not come through the rings. */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "peer.h"

static const char usage[] =
	"usage: fuse-uring [-o OPTION[,OPTION]...] DIR\n"
	"Serves DIR over io_uring from the background, until it is unmounted.\n"
	"Options: attr_timeout=SECONDS entry_timeout=SECONDS allow_other\n";

static int fail(const char *what, int err)
{
	fprintf(stderr, "fuse-uring: %s: %s\n", what, strerror(err));
	return 1;
}

static bool parse_lifetime(const char *str, struct lifetime *t)
{
	char *end;
	double v = str ? strtod(str, &end) : -1;

	if (!str || end == str || *end || v < 0 || v > 1e9)
		return false;
	t->s = (uint64_t)v;
	t->ns = (uint32_t)((v - (double)t->s) * 1e9);
	return true;
}

static bool parse(char *str, struct peer *peer)
{
	static char *const names[] = { "attr_timeout", "entry_timeout", "allow_other", NULL };
	char *value;

	while (*str) {
		switch (getsubopt(&str, names, &value)) {
		case 0:
			if (!parse_lifetime(value, &peer->attr))
				return false;
			break;
		case 1:
			if (!parse_lifetime(value, &peer->entry))
				return false;
			break;
		case 2:
			break;
		default:
			return false;
		}
	}
	return true;
}

/* No server is offered a ring unless the administrator wants it; here he does. */
static int enable(void)
{
	int fd = open("/sys/module/fuse/parameters/enable_uring", O_WRONLY | O_CLOEXEC);
	int err = 0;

	if (fd < 0)
		return errno;
	if (write(fd, "Y", 1) != 1)
		err = errno;
	close(fd);
	return err;
}

/* The first request, and the last that is read and answered by read() and write(). */
static int negotiate(const struct peer *peer, char *buf, size_t size)
{
	struct {
		struct fuse_out_header head;
		struct fuse_init_out init;
	} out = {
		.head.len = sizeof(out),
		.init = {
			.major = FUSE_KERNEL_VERSION,
			.minor = FUSE_KERNEL_MINOR_VERSION,
			.flags = FUSE_INIT_EXT | FUSE_MAX_PAGES | FUSE_BIG_WRITES,
			.flags2 = (uint32_t)(FUSE_OVER_IO_URING >> 32),
			.max_readahead = MAX_DATA,
			.max_write = MAX_DATA,
			.max_pages = MAX_DATA / 4096,
			.max_background = 16,
			.congestion_threshold = 12,
			.time_gran = 1,
		},
	};
	const struct fuse_in_header *in = (const void *)buf;
	const struct fuse_init_in *init = (const void *)(in + 1);
	int err;

	if (read(peer->fd, buf, size) < (ssize_t)(sizeof(*in) + sizeof(*init)))
		return EPROTO;
	if (in->opcode != FUSE_INIT || !(init->flags2 & out.init.flags2))
		return EOPNOTSUPP;
	out.head.unique = in->unique;
	if (write(peer->fd, &out, sizeof(out)) != sizeof(out))
		return errno;
	err = rings_start(peer);
	return -err;
}

/* FORGETs and INTERRUPTs still come here, and want no answer. */
static int serve(const struct peer *peer, int ready)
{
	static char buf[MAX_DATA + 65536];
	int err = negotiate(peer, buf, sizeof(buf));

	if (write(ready, &err, sizeof(err)) != sizeof(err) || err)
		return 1;
	close(ready);
	while (read(peer->fd, buf, sizeof(buf)) >= 0 || errno == EINTR || errno == ENOENT)
		;
	return 0;
}

/* Return: in the parent, when the server serves or has failed. */
static int background(const struct peer *peer)
{
	int ready[2], err;
	pid_t pid;

	if (pipe(ready))
		return errno;
	pid = fork();
	if (pid < 0)
		return errno;
	if (!pid) {
		close(ready[0]);
		setsid();
		_exit(serve(peer, ready[1]));
	}
	close(ready[1]);
	return read(ready[0], &err, sizeof(err)) == sizeof(err) ? err : EIO;
}

int main(int argc, char **argv)
{
	struct peer peer = { .attr.s = 1, .entry.s = 1 };
	char options[128];
	const char *dir;
	int err, opt;

	while ((opt = getopt(argc, argv, "o:")) != -1) {
		if (opt != 'o' || !parse(optarg, &peer)) {
			fputs(usage, stderr);
			return 2;
		}
	}
	if (optind + 1 != argc) {
		fputs(usage, stderr);
		return 2;
	}
	dir = argv[optind];
	err = enable();
	if (err)
		return fail("FUSE's parameter enable_uring", err);
	peer.fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	if (peer.fd < 0)
		return fail("/dev/fuse", errno);
	snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other",
		 peer.fd);
	if (mount("fuse-uring", dir, "fuse", MS_NOSUID | MS_NODEV, options))
		return fail(dir, errno);
	err = background(&peer);
	if (err) {
		umount2(dir, MNT_DETACH);
		return fail("io_uring", err);
	}
	return 0;
}
