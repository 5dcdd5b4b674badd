// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* ferry abort: end a channel whatever its two sides do. */
#include "channel.h"
#include "ferry.h"
#include "flags.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

static const char usage[] =
	"Usage: ferry abort NAME\n"
	"\n"
	"End a channel: its requests fail, now and from now on, and its server is sent home.\n"
	"A mount stays until it is unmounted, a disk is removed. NAME is the channel's number,\n"
	"mount point, disk or backend.\n"
	"\n"
	"  -h, --help  show this help\n";

int cmd_abort(int argc, char **argv)
{
	const struct flag flags[] = { { 0 } };
	int err, status = flags_parse(argc, argv, usage, flags);
	struct channel channel;
	char what[64];

	if (status != FLAGS_OK)
		return status;
	if (optind == argc)
		return bad_usage("abort", "the NAME of a channel is needed");
	if (argc - optind > 1)
		return bad_usage("abort", "unexpected argument %s", argv[optind + 1]);
	if (channel_find(argv[optind], &channel))
		return EXIT_FAILURE;
	err = channel_abort(channel.id);
	if (!err)
		return EXIT_SUCCESS;
	snprintf(what, sizeof(what), "abort channel %u (%s)", channel.id, channel.name);
	channel_complain(err, what);
	return EXIT_FAILURE;
}
