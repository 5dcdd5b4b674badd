// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* Command lines of verbs whose options are words without argument. */
#include "flags.h"
#include "ferry.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#define FLAGS_MAX	4
#define FIRST_FLAG	0x100	/* no letter */

int flags_parse(int argc, char **argv, const char *usage, const struct flag *flags)
{
	struct option longs[FLAGS_MAX + 2] = { { "help", no_argument, NULL, 'h' } };
	int opt, i;

	for (i = 0; i < FLAGS_MAX && flags[i].name; i++)
		longs[i + 1] = (struct option) { flags[i].name, no_argument, NULL, FIRST_FLAG + i };
	while ((opt = getopt_long(argc, argv, "h", longs, NULL)) != -1) {
		if (opt == 'h') {
			fputs(usage, stdout);
			return EXIT_SUCCESS;
		}
		if (opt < FIRST_FLAG)
			return EXIT_USAGE;
		*flags[opt - FIRST_FLAG].value = true;
	}
	return FLAGS_OK;
}
