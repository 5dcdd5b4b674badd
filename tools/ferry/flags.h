/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* Command lines of verbs whose options are words without argument. */
#ifndef FERRY_FLAGS_H
#define FERRY_FLAGS_H

#include <stdbool.h>

/* flags_parse(): go on with the verb. */
#define FLAGS_OK	(-1)

struct flag {
	const char *name;
	bool *value;
};

/**
 * flags_parse() - take a verb's options
 * @usage: what --help and -h print
 * @flags: long options, set to true when they are given; ends with {0}
 * Return: FLAGS_OK, with optind at the first argument; else the exit status
 */
int flags_parse(int argc, char **argv, const char *usage, const struct flag *flags);

#endif
