// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * ferry move, upgrade, recover: another server for a channel that is in use. The module
 * takes the state from the old one; who is to go on in user space is ferryd --attach,
 * which has that done when all else is ready: clients do not wait for its start.
 */
#include "channel.h"
#include "daemon.h"
#include "ferry.h"
#include "mounts.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <libmount.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ferry/options.h>

/* Seconds that clients wait, at least, while somebody finds out why no server comes up. */
#define MEND_S	3600

static const char move_usage[] =
	"Usage: ferry move NAME --to kernel|user [-o OPTION,...]\n"
	"\n"
	"Move the server of a channel across the line while its clients use it. They see a\n"
	"delay. NAME is the channel's number, mount point, disk or backend.\n"
	"\n"
	"  -t, --to SIDE        kernel or user\n"
	"  -o, --options LIST   for ferryd, where it serves next: wait=, spin_us=\n"
	"  -h, --help           show this help\n";

static const char upgrade_usage[] =
	"Usage: ferry upgrade NAME [-o OPTION,...]\n"
	"\n"
	"Replace the daemon that serves a channel by a new one, of the ferryd and the backend\n"
	"that are installed now, while its clients use it. They see a delay. NAME is the\n"
	"channel's number, mount point, disk or backend.\n"
	"\n"
	"  -o, --options LIST   for ferryd: wait=, spin_us=\n"
	"  -h, --help           show this help\n";

static const char recover_usage[] =
	"Usage: ferry recover NAME [ARGS] [--to SIDE] [-o OPTION,...]\n"
	"\n"
	"Start a daemon for a channel that has lost its own; 'ferry list' shows it as detached.\n"
	"NAME is its number, mount point, disk or backend. The backend gets the arguments that\n"
	"it had, or ARGS.\n"
	"\n"
	"  -t, --to SIDE        user, or kernel: the daemon answers what was left, and the backend\n"
	"                       inside the kernel goes on\n"
	"  -o, --options LIST   for ferryd: wait=, spin_us=\n"
	"  -h, --help           show this help\n";

/* What a verb was asked. */
struct request {
	const char *to;
	const char *options;
	const char *args;
	struct channel channel;
};

/* As ferryd would, but before anything is asked of the module. Return: the exit status */
static int check_options(const char *verb, const char *text)
{
	struct ferry_options options = { 0 };
	int status = ferry_options_parse(&options, text) ? EXIT_USAGE : EXIT_SUCCESS;
	const char *name = status ? NULL : ferry_options_settled(&options);

	if (name)
		status = bad_usage(verb, "-o takes wait= and spin_us=, not %s: 'ferry set' changes what a channel has",
				   name);
	ferry_options_free(&options);
	return status;
}

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
	const bool moves = usage == move_usage, upgrades = usage == upgrade_usage;
	const int most = moves || upgrades ? 1 : 2;
	char *all = NULL;
	int c, status;

	while ((c = getopt_long(argc, argv, upgrades ? "o:h" : "t:o:h", options + upgrades,
				NULL)) != -1) {
		switch (c) {
		case 't':
			req->to = optarg;
			break;
		case 'o':
			/* For the rest of our life. */
			mnt_optstr_append_option(&all, optarg, NULL);
			req->options = all;
			break;
		case 'h':
			fputs(usage, stdout);
			return EXIT_SUCCESS;
		default:
			return EXIT_USAGE;
		}
	}
	if (req->to ? strcmp(req->to, "kernel") && strcmp(req->to, "user") : moves)
		return bad_usage(verb, "--to kernel or --to user is needed");
	if (moves && req->options && !strcmp(req->to, "kernel"))
		return bad_usage(verb, "-o %s is for a daemon, and --to kernel leaves none",
				 req->options);
	if (optind == argc)
		return bad_usage(verb, "the NAME of a channel is needed");
	if (argc - optind > most)
		return bad_usage(verb, "unexpected argument %s", argv[optind + most]);
	status = check_options(verb, req->options);
	if (status)
		return status;
	req->args = argv[optind + 1];
	return channel_find(argv[optind], &req->channel) ? EXIT_FAILURE : -1;
}

/*
 * Become ferryd, which goes to the background when it serves. @how: what it is to do with
 * the channel but serve it, or NULL.
 */
static int exec_ferryd(const struct request *req, const char *how)
{
	const struct channel *c = &req->channel;
	struct libmnt_table *table = mounts_read();
	char path[PATH_MAX], attach[32], place[PATH_MAX], *source;
	const char *ferryd = ferryd_find(path, sizeof(path));
	const char *argv[10] = { "ferryd" };
	int n = 1;

	snprintf(attach, sizeof(attach), "--attach=%u", c->id);
	argv[n++] = attach;
	if (how)
		argv[n++] = how;
	if (c->class == FERRY_CLASS_BLOCK)
		argv[n++] = "--disk";
	if (req->options) {
		argv[n++] = "-o";
		argv[n++] = req->options;
	}
	if (asprintf(&source, "%s%s%s", c->name, req->args ? ":" : "",
		     req->args ? req->args : "") < 0)
		return EXIT_FAILURE;
	argv[n++] = "--";
	argv[n++] = source;
	if (c->class == FERRY_CLASS_FS && table &&
	    *channel_place(table, c, place, sizeof(place)) == '/')
		argv[n++] = place;
	execvp(ferryd, (char *const *)argv);
	ferryd_complain(ferryd);
	return EXIT_FAILURE;
}

/* As exec_ferryd(), and be told when it serves: its exit status */
static int run_ferryd(const struct request *req, const char *how)
{
	pid_t pid = fork();
	int status;

	if (!pid)
		_exit(exec_ferryd(req, how));
	if (pid < 0) {
		complain("no process for ferryd: %s", strerror(errno));
		return EXIT_FAILURE;
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return EXIT_FAILURE;
	return WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_FAILURE;
}

/* Has it lost its server, and waits for another one? */
static bool is_detached(struct channel *c)
{
	struct channel *channels;
	bool detached = false;
	size_t nr, i;

	if (channels_get(&channels, &nr))
		return false;
	for (i = 0; i < nr; i++) {
		if (channels[i].id != c->id)
			continue;
		*c = channels[i];
		detached = c->state == FERRY_STATE_DETACHED;
	}
	free(channels);
	return detached;
}

/*
 * It was not moved. If that was found out when the old server had gone already, a daemon is
 * started that goes on with what that one saved; without @req's options, which may be what is
 * wrong. If that does not serve either somebody has to look into it: clients wait for him, but
 * not for ever.
 */
static int go_on(struct request *req)
{
	struct channel *c = &req->channel;

	if (!is_detached(c))
		return EXIT_FAILURE;
	complain("channel %u (%s) has no server now: starting a daemon%s%s", c->id, c->name,
		 req->options ? " without -o " : "", req->options ? req->options : "");
	req->options = NULL;
	if (!run_ferryd(req, NULL) || !is_detached(c))
		return EXIT_FAILURE;
	if (c->grace < MEND_S && !channel_set(c->id, FERRY_A_GRACE, MEND_S))
		c->grace = MEND_S;
	complain("channel %u (%s) waits %u s for a server: mend what is wrong, then 'ferry recover %u'",
		 c->id, c->name, c->grace, c->id);
	return EXIT_FAILURE;
}

/* A daemon of its own takes the place of the one that there is. */
static int replace(struct request *req)
{
	int status = run_ferryd(req, "--replace");

	return status == EXIT_FAILURE ? go_on(req) : status;
}

static int move_to_kernel(struct request *req)
{
	const struct channel *c = &req->channel;
	u64 held_ns;
	int err = ferry_channel_move(c->id, true, &held_ns);

	if (err == -EALREADY)
		complain("channel %u (%s) is in the kernel already", c->id, c->name);
	if (err)
		return go_on(req);
	printf("channel %u (%s) is in the kernel now, clients waited %.1f ms\n", c->id, c->name,
	       (double)held_ns / 1e6);
	return EXIT_SUCCESS;
}

int cmd_move(int argc, char **argv)
{
	struct request req = { 0 };
	int status = parse(argc, argv, "move", move_usage, &req);

	if (status >= 0)
		return status;
	if (!strcmp(req.to, "kernel"))
		return move_to_kernel(&req);
	if (req.channel.placement == FERRY_PLACEMENT_USER) {
		complain("channel %u (%s) is in user space already: see 'ferry upgrade'",
			 req.channel.id, req.channel.name);
		return EXIT_FAILURE;
	}
	return replace(&req);
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
	return replace(&req);
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
	return exec_ferryd(&req, req.to && !strcmp(req.to, "kernel") ? "--to-kernel" : NULL);
}
