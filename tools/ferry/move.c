// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * ferry move, upgrade, recover: another server for a channel that is in use. The module
 * takes the state from the old one; who is to go on in user space is ferryd --attach.
 */
#include "channel.h"
#include "daemon.h"
#include "ferry.h"
#include "mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <libmount.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static const char move_usage[] =
	"Usage: ferry move NAME --to kernel|user [-o OPTION,...]\n"
	"\n"
	"Move the server of a channel across the line while its clients use it. They see a\n"
	"delay. NAME is the channel's number, mount point, disk or backend.\n"
	"\n"
	"  -t, --to SIDE        kernel or user\n"
	"  -o, --options LIST   for ferryd, where it serves next: wait=, on_death= ...\n"
	"  -h, --help           show this help\n";

static const char upgrade_usage[] =
	"Usage: ferry upgrade NAME [-o OPTION,...]\n"
	"\n"
	"Replace the daemon that serves a channel by a new one, of the ferryd and the backend\n"
	"that are installed now, while its clients use it. They see a delay. NAME is the\n"
	"channel's number, mount point, disk or backend.\n"
	"\n"
	"  -o, --options LIST   for ferryd: wait=, on_death= ...\n"
	"  -h, --help           show this help\n";

static const char recover_usage[] =
	"Usage: ferry recover NAME [-o OPTION,...]\n"
	"\n"
	"Start a daemon for a channel that has lost its own; 'ferry list' shows it as detached.\n"
	"NAME is its number, mount point, disk or backend.\n"
	"\n"
	"  -o, --options LIST   for ferryd: wait=, on_death= ...\n"
	"  -h, --help           show this help\n";

/* What a verb was asked. */
struct request {
	const char *to;
	const char *options;
	struct channel channel;
};

/* FLAGS_OK's kin: -1: go on; else the exit status. */
static int parse(int argc, char **argv, const char *verb, const char *usage,
		 struct request *req)
{
	static const struct option options[] = {
		{ "to", required_argument, NULL, 't' },
		{ "options", required_argument, NULL, 'o' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	const bool moves = usage == move_usage;
	int c;

	while ((c = getopt_long(argc, argv, moves ? "t:o:h" : "o:h", options + !moves,
				NULL)) != -1) {
		switch (c) {
		case 't':
			req->to = optarg;
			break;
		case 'o':
			req->options = optarg;
			break;
		case 'h':
			fputs(usage, stdout);
			return EXIT_SUCCESS;
		default:
			return EXIT_USAGE;
		}
	}
	if (argc - optind != 1)
		return bad_usage(verb, "the NAME of a channel is needed");
	if (moves && (!req->to || (strcmp(req->to, "kernel") && strcmp(req->to, "user"))))
		return bad_usage(verb, "--to kernel or --to user is needed");
	return channel_find(argv[optind], &req->channel) ? EXIT_FAILURE : -1;
}

static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static const char *why(int err)
{
	switch (err) {
	case ENOENT:
		return "/dev/ferry is not there: run 'modprobe ferry' or 'make load'";
	case EPERM:
	case EACCES:
		return "only root may (CAP_SYS_ADMIN)";
	case EALREADY:
		return "it is in the kernel already";
	case EOPNOTSUPP:
		return "its backend cannot, or there is none of its name in the kernel, or it is served with wait=rw";
	case ENOTCONN:
		return "it has no server: see 'ferry recover'";
	case ETIMEDOUT:
		return "requests under way did not end in time; nothing has changed";
	default:
		return strerror(err);
	}
}

/* Have the module take the state from the server, for the next one. */
static int take_state(const struct request *req, enum ferry_move_to to)
{
	const struct channel *c = &req->channel;
	struct ferry_move move = { .size = sizeof(move), .to = to, .id = c->id };
	int dev = open("/dev/ferry", O_RDWR | O_CLOEXEC);
	int err = 0;

	move.fd = dev < 0 ? -1 : memfd_create("ferry-moved", MFD_CLOEXEC);
	if (dev < 0 || move.fd < 0 || ioctl(dev, FERRY_IOC_MOVE, &move))
		err = errno;
	if (err)
		complain("channel %u (%s) was not moved: %s", c->id, c->name, why(err));
	if (move.fd >= 0)
		close(move.fd);
	if (dev >= 0)
		close(dev);
	return -err;
}

/* Become ferryd, which goes to the background when it serves. */
static int exec_ferryd(const struct request *req)
{
	const struct channel *c = &req->channel;
	struct libmnt_table *table = mounts_read();
	char path[PATH_MAX], attach[32], place[PATH_MAX];
	const char *ferryd = ferryd_find(path, sizeof(path));
	const char *argv[8] = { "ferryd" };
	int n = 1;

	snprintf(attach, sizeof(attach), "--attach=%u", c->id);
	argv[n++] = attach;
	if (req->options) {
		argv[n++] = "-o";
		argv[n++] = req->options;
	}
	argv[n++] = c->name;
	if (table && *channel_place(table, c, place, sizeof(place)) == '/')
		argv[n++] = place;
	execvp(ferryd, (char *const *)argv);
	ferryd_complain(ferryd);
	return EXIT_FAILURE;
}

int cmd_move(int argc, char **argv)
{
	struct request req = { 0 };
	double begin = now_ms();
	int status = parse(argc, argv, "move", move_usage, &req);

	if (status >= 0)
		return status;
	if (!strcmp(req.to, "user")) {
		if (req.channel.placement == FERRY_PLACEMENT_USER) {
			complain("channel %u (%s) is in user space already: see 'ferry upgrade'",
				 req.channel.id, req.channel.name);
			return EXIT_FAILURE;
		}
		return take_state(&req, FERRY_MOVE_USER) ? EXIT_FAILURE : exec_ferryd(&req);
	}
	if (take_state(&req, FERRY_MOVE_KERNEL))
		return EXIT_FAILURE;
	printf("channel %u (%s) is in the kernel now, after %.0f ms\n", req.channel.id,
	       req.channel.name, now_ms() - begin);
	return EXIT_SUCCESS;
}

int cmd_upgrade(int argc, char **argv)
{
	struct request req = { 0 };
	int status = parse(argc, argv, "upgrade", upgrade_usage, &req);

	if (status >= 0)
		return status;
	if (req.channel.placement != FERRY_PLACEMENT_USER) {
		complain("channel %u (%s) is in the kernel: see 'ferry move'", req.channel.id,
			 req.channel.name);
		return EXIT_FAILURE;
	}
	return take_state(&req, FERRY_MOVE_USER) ? EXIT_FAILURE : exec_ferryd(&req);
}

int cmd_recover(int argc, char **argv)
{
	struct request req = { 0 };
	int status = parse(argc, argv, "recover", recover_usage, &req);

	if (status >= 0)
		return status;
	if (req.channel.state != FERRY_STATE_DETACHED) {
		complain("channel %u (%s) is %s: only a detached one can be recovered",
			 req.channel.id, req.channel.name, state_name(req.channel.state));
		return EXIT_FAILURE;
	}
	return exec_ferryd(&req);
}
