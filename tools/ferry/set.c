// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* ferry set: change settings of a channel. */
#include "channel.h"
#include "ferry.h"
#include "flags.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char usage[] =
	"Usage: ferry set NAME KEY=VALUE ...\n"
	"\n"
	"Change settings of a channel. NAME is its number, mount point, disk or backend.\n"
	"\n"
	"  latency=on|off  take the time of each request, for ferry stat and ferry top\n"
	"  spin_us=N       microseconds that a client looks for its answer before it sleeps,\n"
	"                  where the server polls\n"
	"  on_death=HOW    what becomes of requests when the server dies: reissue, kernel, fail\n"
	"  grace=SECONDS   that they wait for another server\n"
	"  timeout=SECONDS after which a request fails that was not answered; 0: never\n"
	"  stall=SECONDS   after which such a request is told of as stalled; 0: never\n"
	"\n"
	"  -h, --help      show this help\n";

static const char *const on_off[] = { "off", "on", NULL };

static const char *const deaths[] = { "fail", "reissue", "kernel", NULL };

/* words: what its numbers are called; NULL: they are numbers. */
static const struct key {
	const char *name;
	int attr;
	uint32_t min;
	uint32_t max;
	const char *const *words;
} keys[] = {
	{ "latency", FERRY_A_LATENCY, 0, 1, on_off },
	{ "spin_us", FERRY_A_SPIN_US, 0, FERRY_SPIN_US_MAX, NULL },
	{ "on_death", FERRY_A_ON_DEATH, 0, FERRY_DEATH_KERNEL, deaths },
	{ "grace", FERRY_A_GRACE, 1, FERRY_GRACE_MAX, NULL },
	{ "timeout", FERRY_A_TIMEOUT, 0, FERRY_TIMEOUT_MAX, NULL },
	{ "stall", FERRY_A_STALL, 0, FERRY_TIMEOUT_MAX, NULL },
};

struct change {
	const struct key *key;
	uint32_t value;
};

static const struct key *find_key(const char *name, size_t len)
{
	size_t i;

	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (strlen(keys[i].name) == len && !strncmp(keys[i].name, name, len))
			return &keys[i];
	}
	return NULL;
}

static bool find_value(const struct key *key, const char *text, uint32_t *value)
{
	unsigned long long n;
	char *end;

	for (*value = 0; key->words && key->words[*value]; ++*value) {
		if (!strcmp(key->words[*value], text))
			return true;
	}
	if (key->words || *text < '0' || *text > '9')
		return false;
	errno = 0;
	n = strtoull(text, &end, 10);
	*value = (uint32_t)n;
	return !errno && !*end && n >= key->min && n <= key->max;
}

/* Return: the exit status */
static int parse_change(const char *text, struct change *change)
{
	size_t len = strcspn(text, "=");

	change->key = find_key(text, len);
	if (!text[len])
		return bad_usage("set", "%s: KEY=VALUE is needed", text);
	if (!change->key)
		return bad_usage("set", "%.*s: there is no such setting", (int)len, text);
	if (find_value(change->key, text + len + 1, &change->value))
		return EXIT_SUCCESS;
	if (change->key->words == on_off)
		return bad_usage("set", "%s: on or off is needed", text);
	if (change->key->words)
		return bad_usage("set", "%s: reissue, kernel or fail is needed", text);
	return bad_usage("set", "%s: a number from %u to %u is needed", text, change->key->min,
			 change->key->max);
}

/* on_death=kernel fails in ways of its own; NULL: not in one of those. */
static const char *why_not_in_kernel(int err)
{
	if (err == -ENOENT)
		return "the kernel has no such backend";
	if (err == -EPERM && !geteuid())
		return "only what root alone has served goes on in the kernel";
	return NULL;
}

static int apply(const struct channel *channel, const struct change *change)
{
	int err = channel_set(channel->id, change->key->attr, change->value);
	const char *why = NULL;
	char what[96];

	if (!err)
		return EXIT_SUCCESS;
	snprintf(what, sizeof(what), "set %s of channel %u (%s)", change->key->name, channel->id,
		 channel->name);
	if (change->key->attr == FERRY_A_ON_DEATH && change->value == FERRY_DEATH_KERNEL)
		why = why_not_in_kernel(err);
	if (why)
		complain("cannot %s: %s", what, why);
	else
		channel_complain(err, what);
	return EXIT_FAILURE;
}

int cmd_set(int argc, char **argv)
{
	const struct flag flags[] = { { 0 } };
	int i, status = flags_parse(argc, argv, usage, flags);
	struct channel channel;
	struct change change = { 0 };

	if (status != FLAGS_OK)
		return status;
	if (argc - optind < 2)
		return bad_usage("set", "the NAME of a channel and KEY=VALUE are needed");
	/* All is looked at before anything is changed. */
	for (i = optind + 1; i < argc; i++) {
		status = parse_change(argv[i], &change);
		if (status)
			return status;
	}
	if (channel_find(argv[optind], &channel))
		return EXIT_FAILURE;
	for (i = optind + 1; i < argc; i++) {
		parse_change(argv[i], &change);
		status = apply(&channel, &change);
		if (status)
			return status;
	}
	return EXIT_SUCCESS;
}
