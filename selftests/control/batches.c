// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * usage: batches DIR NR LENGTH. Asks for DIR's attributes LENGTH times in a row, NR times over, and
 * prints of each batch how often this process gave the processor away, or had it taken.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>

int main(int argc, char **argv)
{
	struct rusage before, after;
	struct stat st;
	int i, k, fd;

	if (argc != 4)
		return 2;
	fd = open(argv[1], O_PATH | O_DIRECTORY);
	for (i = 0; i < atoi(argv[2]); i++) {
		getrusage(RUSAGE_SELF, &before);
		for (k = 0; k < atoi(argv[3]); k++) {
			if (fstat(fd, &st)) {
				perror(argv[1]);
				return 1;
			}
		}
		getrusage(RUSAGE_SELF, &after);
		printf("%ld\n", after.ru_nvcsw - before.ru_nvcsw + after.ru_nivcsw - before.ru_nivcsw);
	}
	return 0;
}
