// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* A filesystem that is full. For a small one: it is filled to the last byte. */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "../claim.h"

static uint64_t free_bytes(void)
{
	struct statvfs sf;

	DO(statvfs(".", &sf));
	return sf.f_bavail * sf.f_frsize;
}

static void need_small(void)
{
	struct statvfs sf;

	DO(statvfs(".", &sf));
	if (sf.f_blocks * sf.f_frsize > 256 << 20)
		claim_skip("wants a filesystem below 256 MiB");
}

/* Writes until there is no room; the bytes that are in the file. */
static uint64_t fill(const char *name)
{
	int fd = DO(open(name, O_CREAT | O_WRONLY | O_APPEND, 0644));
	char *buf = xmalloc(65536);
	uint64_t off = 0;
	struct stat st;
	ssize_t n;

	for (;;) {
		fill_pattern(buf, 65536, off, 1);
		n = write(fd, buf, 65536);
		if (n <= 0)
			break;
		off += n;
	}
	CHECK(n == -1 && errno == ENOSPC);
	free(buf);
	/* With a write-back cache the server may say it only now. */
	if (fsync(fd))
		CHECK_EQ(errno, ENOSPC);
	close(fd);
	DO(stat(name, &st));
	return st.st_size;
}

/* Whoever removes something has its room at once: tmpfs, ext4 and others give it, too. */
static void room_at_once(void)
{
	char *buf = xmalloc(65536);
	int i, fd;

	need_small();
	fd = DO(open("g", O_CREAT | O_WRONLY, 0644));
	for (i = 0; i < 5; i++) {
		fill("f");
		DO(unlink("f"));
		CHECK_EQ(pwrite(fd, buf, 65536, 0), 65536);
		DO(ftruncate(fd, 0));
	}
	free(buf);
	close(fd);
}

static void fills_and_empties(void)
{
	uint64_t before, len;
	int i;

	need_small();
	before = free_bytes();
	len = fill("f");
	CHECK(len > before / 2);
	CHECK(free_bytes() < before / 10);
	check_file("f", len, 1);
	DO(unlink("f"));
	/* The last reference goes a moment later. */
	for (i = 0; i < 200 && free_bytes() + 65536 * 4 < before; i++)
		usleep(10000);
	CHECK(free_bytes() + 65536 * 4 >= before);
	make_file("g", before / 2, 2);
	check_file("g", before / 2, 2);
}

static void old_files_stay(void)
{
	uint64_t len;

	need_small();
	make_file("old", 100000, 5);
	len = fill("f");
	drop_caches();
	check_file("old", 100000, 5);
	check_file("f", len, 1);
	DO(truncate("f", len / 2));
	make_file("new", 100000, 6);
	drop_caches();
	check_file("new", 100000, 6);
	check_file("f", len / 2, 1);
}

static void fallocate_says(void)
{
	int fd;

	need_small();
	fd = DO(open("f", O_CREAT | O_RDWR, 0644));
	if (fallocate(fd, 0, 0, 4096))
		claim_skip("no fallocate here");
	CHECK_ERR(fallocate(fd, 0, 0, 1LL << 40), ENOSPC);
	DO(ftruncate(fd, 0));
	DO(ftruncate(fd, 1LL << 40));
}

static void overwrite_when_full(void)
{
	char buf[4096];
	int fd;

	need_small();
	make_file("old", 65536, 5);
	DO(fsync(DO(open("old", O_RDWR))));
	fill("f");
	fd = DO(open("old", O_RDWR));
	fill_pattern(buf, 4096, 8192, 5);
	pwrite_all(fd, buf, 4096, 8192);
	DO(fsync(fd));
	check_file("old", 65536, 5);
}

static const struct claim claims[] = {
	{ "a full filesystem is ENOSPC, and has room again after unlink", fills_and_empties },
	{ "what is removed leaves room to whoever writes next", room_at_once },
	{ "a full filesystem keeps every byte that it took", old_files_stay },
	{ "fallocate of what there is no room for is ENOSPC", fallocate_says },
	{ "old bytes are overwritten when nothing is free", overwrite_when_full },
};
CLAIMS_MAIN(claims)
