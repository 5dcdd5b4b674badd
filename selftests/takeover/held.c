// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * usage: held DIR MOUNT DIE FOLLOW. What a program has of MOUNT's files stays its own while all servers
 * die, as the command DIE sees to, and when others follow, as FOLLOW does.
 */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../claim.h"

#define PAGE	4096

static const char *mnt, *die, *follow;

static void run(const char *command)
{
	CHECK_EQ(system(command), 0);
}

/* A page of a file, as the server has it: what the pattern of @seed has at @off. */
static void check_page(const char *name, off_t off, unsigned int seed)
{
	char *buf = xmalloc(PAGE);
	int fd = DO(open(name, O_RDONLY | O_DIRECT));

	CHECK_EQ(pread(fd, buf, PAGE, off), PAGE);
	CHECK_EQ(find_difference(buf, PAGE, off, seed), -1);
	DO(close(fd));
}

static void held(void)
{
	char buf[PAGE], *map;
	int gone, cached, fd;
	struct stat st;

	DO(chdir(mnt));
	make_file("gone", PAGE, 1);
	make_file("cached", PAGE, 2);
	make_file("mapped", 2 * PAGE, 3);
	gone = DO(open("gone", O_RDWR));
	DO(unlink("gone"));
	cached = DO(open("cached", O_RDONLY));
	CHECK_EQ(pread(cached, buf, PAGE, 0), PAGE);
	fd = DO(open("mapped", O_RDWR));
	map = DO(mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
	DO(close(fd));
	fill_pattern(map, 2 * PAGE, 0, 4);

	run(die);
	/* Nobody serves: this is what the client has. */
	CHECK_EQ(pread(cached, buf, PAGE, 0), PAGE);
	CHECK_EQ(find_difference(buf, PAGE, 0, 2), -1);
	CHECK_EQ(find_difference(map, 2 * PAGE, 0, 4), -1);
	fill_pattern(map, PAGE, 0, 5);

	run(follow);
	DO(msync(map, 2 * PAGE, MS_SYNC));
	check_page("mapped", 0, 5);
	check_page("mapped", PAGE, 4);
	check_page("cached", 0, 2);
	DO(fstat(gone, &st));
	CHECK_EQ(st.st_nlink, 0);
	CHECK_EQ(pwrite(gone, "x", 1, PAGE), 1);
	CHECK_EQ(pread(gone, buf, PAGE, 0), PAGE);
	CHECK_EQ(find_difference(buf, PAGE, 0, 1), -1);
}

static const struct claim claims[] = {
	{ "an unlinked file, a cached page and a mapping outlive their server", held },
};

int main(int argc, char **argv)
{
	if (argc != 5)
		return 2;
	mnt = argv[2];
	die = argv[3];
	follow = argv[4];
	return claims_main(2, argv, claims, 1);
}
