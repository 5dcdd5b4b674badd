// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * usage: need MEGABYTES. Writes to that much memory, and finds in it what was written.
 * All pages are different, so that none can be shared.
 */
#include <stdio.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

#define PAGE	4096UL
#define WORDS	(PAGE / sizeof(uint64_t))

static uint64_t value(uint64_t page, uint64_t word, uint64_t round)
{
	return (page * WORDS + word + round) * 0x9e3779b97f4a7c15ull;
}

static void write_page(uint64_t *p, uint64_t page, uint64_t round)
{
	uint64_t i;

	for (i = 0; i < WORDS; i++)
		p[i] = value(page, i, round);
}

static int check_page(const uint64_t *p, uint64_t page, uint64_t round)
{
	uint64_t i;

	for (i = 0; i < WORDS; i++) {
		if (p[i] != value(page, i, round)) {
			printf("page %lu, word %lu is wrong in round %lu\n", (unsigned long)page,
			       (unsigned long)i, (unsigned long)round);
			return 1;
		}
	}
	return 0;
}

int main(int argc, char **argv)
{
	size_t len = (argc == 2 ? strtoul(argv[1], NULL, 10) : 0) << 20;
	uint64_t page, round, *p;

	p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
		 -1, 0);
	if (p == MAP_FAILED) {
		perror("need");
		return 2;
	}
	for (round = 0; round < 1; round++) {
		for (page = 0; page < len / PAGE; page++)
			write_page(p + page * WORDS, page, round);
		for (page = 0; page < len / PAGE; page++)
			if (check_page(p + page * WORDS, page, round))
				return 1;
	}
	return 0;
}
