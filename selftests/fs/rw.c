// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* Buffered reading and writing. */
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../claim.h"

static void sizes_and_places(void)
{
	static const struct { off_t off; size_t len; } at[] = {
		{ 0, 1 }, { 1, 1 }, { 4095, 1 }, { 4095, 2 }, { 4096, 4096 }, { 4000, 5000 },
		{ 1, 8191 }, { 12287, 8194 }, { 65535, 131074 }, { 300001, 77777 },
	};
	char *buf = xmalloc(1 << 19), *model = xmalloc(1 << 19);
	size_t i, size = 0;
	int fd = DO(open("f", O_CREAT | O_RDWR, 0644));

	for (i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
		fill_pattern(model + at[i].off, at[i].len, at[i].off, i);
		pwrite_all(fd, model + at[i].off, at[i].len, at[i].off);
		if (size < at[i].off + at[i].len)
			size = at[i].off + at[i].len;
		CHECK_EQ(stat_of("f").st_size, size);
		CHECK_EQ(pread_all(fd, buf, 1 << 19, 0), size);
		CHECK(!memcmp(buf, model, size));
	}
	drop_caches();
	CHECK_EQ(pread_all(fd, buf, 1 << 19, 0), size);
	CHECK(!memcmp(buf, model, size));
}

static void big_transfers(void)
{
	size_t size = 16 << 20, odd = 1000003, off;
	char *buf = xmalloc(size);
	int fd = DO(open("f", O_CREAT | O_RDWR, 0644));

	fill_pattern(buf, size, 0, 9);
	write_all(fd, buf, size);
	memset(buf, 0, size);
	DO(lseek(fd, 0, SEEK_SET));
	CHECK_EQ(read_all(fd, buf, size), size);
	CHECK_EQ(find_difference(buf, size, 0, 9), -1);
	drop_caches();
	for (off = 0; off < size; off += odd) {
		size_t n = size - off < odd ? size - off : odd;

		CHECK_EQ(pread_all(fd, buf, n, off), n);
		CHECK_EQ(find_difference(buf, n, off, 9), -1);
	}
}

static void backwards(void)
{
	size_t size = 1 << 20, piece = 10000;
	char buf[10000];
	off_t off;
	int fd;

	make_file("f", size, 5);
	drop_caches();
	fd = DO(open("f", O_RDONLY));
	for (off = size - piece; off >= 0; off -= piece) {
		CHECK_EQ(pread(fd, buf, piece, off), piece);
		CHECK_EQ(find_difference(buf, piece, off, 5), -1);
	}
}

static void at_the_end(void)
{
	char buf[100];
	int fd;

	make_file("f", 4100, 1);
	fd = DO(open("f", O_RDWR));
	CHECK_EQ(pread(fd, buf, 100, 4090), 10);
	CHECK_EQ(pread(fd, buf, 100, 4100), 0);
	CHECK_EQ(pread(fd, buf, 100, 1LL << 40), 0);
	CHECK_ERR(pread(fd, buf, 100, -1), EINVAL);
	CHECK_EQ(lseek(fd, 0, SEEK_END), 4100);
	CHECK_EQ(read(fd, buf, 100), 0);
	CHECK_EQ(write(fd, buf, 0), 0);
	CHECK_ERR(lseek(fd, -4101, SEEK_END), EINVAL);
	CHECK_EQ(lseek(fd, 10, SEEK_END), 4110);
	CHECK_EQ(stat_of("f").st_size, 4100);
}

static void gap_is_zero(void)
{
	char buf[20000], zero[20000] = { 0 };
	int fd = DO(open("f", O_CREAT | O_RDWR, 0644));

	pwrite_all(fd, "a", 1, 0);
	pwrite_all(fd, "z", 1, 19999);
	CHECK_EQ(pread_all(fd, buf, 20000, 0), 20000);
	CHECK(buf[0] == 'a' && buf[19999] == 'z');
	CHECK(!memcmp(buf + 1, zero, 19998));
	drop_caches();
	CHECK_EQ(pread_all(fd, buf, 20000, 0), 20000);
	CHECK(!memcmp(buf + 1, zero, 19998));
}

static void offsets(void)
{
	char buf[10];
	int fd, fd2;

	make_file("f", 1000, 2);
	fd = DO(open("f", O_RDWR));
	CHECK_EQ(read(fd, buf, 10), 10);
	CHECK_EQ(pread(fd, buf, 10, 500), 10);
	CHECK_EQ(find_difference(buf, 10, 500, 2), -1);
	CHECK_EQ(pwrite(fd, buf, 10, 500), 10);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 10);
	fd2 = DO(dup(fd));
	CHECK_EQ(read(fd2, buf, 10), 10);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 20);
	fd2 = DO(open("f", O_RDONLY));
	CHECK_EQ(lseek(fd2, 0, SEEK_CUR), 0);
}

static void vectors(void)
{
	enum { NR = 300 };
	struct iovec out[NR], in[3];
	static char pieces[NR][101], back[NR * 101];
	size_t total = 0;
	int i, fd = DO(open("f", O_CREAT | O_RDWR, 0644));

	for (i = 0; i < NR; i++) {
		out[i].iov_base = pieces[i];
		out[i].iov_len = i % 102;
		fill_pattern(pieces[i], out[i].iov_len, total, 3);
		total += out[i].iov_len;
	}
	CHECK_EQ(writev(fd, out, NR), total);
	in[0] = (struct iovec){ back, 7 };
	in[1] = (struct iovec){ back + 7, 0 };
	in[2] = (struct iovec){ back + 7, sizeof(back) - 7 };
	CHECK_EQ(preadv(fd, in, 3, 0), total);
	CHECK_EQ(find_difference(back, total, 0, 3), -1);
	CHECK_EQ(pwritev(fd, out, NR, 100000), total);
	memset(back, 0, sizeof(back));
	CHECK_EQ(pread_all(fd, back, sizeof(back), 100000), total);
	CHECK_EQ(find_difference(back, total, 0, 3), -1);
}

static void append_mode(void)
{
	char buf[4] = "";
	int fd = DO(open("f", O_CREAT | O_RDWR | O_APPEND, 0644));

	write_all(fd, "ab", 2);
	DO(lseek(fd, 0, SEEK_SET));
	write_all(fd, "c", 1);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 3);
	CHECK_EQ(pread(fd, buf, 3, 0), 3);
	CHECK(!strcmp(buf, "abc"));
	DO(truncate("f", 1));
	write_all(fd, "z", 1);
	CHECK_EQ(stat_of("f").st_size, 2);
}

struct record {
	uint32_t who, number;
	char text[92];
};

static void append_many(void)
{
	int procs = 4, each = test_scale(400), p, i, fd;
	uint32_t next[4] = { 0 };
	struct record r;
	pid_t pids[4];

	DO(close(DO(open("f", O_CREAT | O_WRONLY, 0644))));
	for (p = 0; p < procs; p++) {
		pids[p] = DO(fork());
		if (pids[p])
			continue;
		fd = DO(open("f", O_WRONLY | O_APPEND));
		for (i = 0; i < each; i++) {
			r = (struct record){ p, i, "" };
			memset(r.text, 'a' + p, sizeof(r.text));
			CHECK_EQ(write(fd, &r, sizeof(r)), sizeof(r));
		}
		_exit(0);
	}
	for (p = 0; p < procs; p++)
		wait_ok(pids[p]);
	CHECK_EQ(stat_of("f").st_size, procs * each * sizeof(r));
	fd = DO(open("f", O_RDONLY));
	for (i = 0; i < procs * each; i++) {
		CHECK_EQ(read_all(fd, &r, sizeof(r)), sizeof(r));
		CHECK(r.who < (uint32_t)procs);
		CHECK_EQ(r.number, next[r.who]++);
		CHECK(r.text[0] == (char)('a' + r.who) && r.text[91] == r.text[0]);
	}
}

/* Neighbouring parts of the same pages, by different processes. */
static void write_side_by_side(void)
{
	int procs = 4, rounds = test_scale(200), p, i, fd;
	size_t part = 1000, j;
	char buf[4000];
	pid_t pids[4];

	make_file("f", 4000 * 5, 0);
	for (p = 0; p < procs; p++) {
		pids[p] = DO(fork());
		if (pids[p])
			continue;
		fd = DO(open("f", O_RDWR));
		memset(buf, 'A' + p, part);
		for (i = 0; i < rounds; i++) {
			pwrite_all(fd, buf, part, 4000 * (i % 5) + p * part);
			if (i % 50 == 49)
				DO(fsync(fd));
		}
		_exit(0);
	}
	for (p = 0; p < procs; p++)
		wait_ok(pids[p]);
	drop_caches();
	fd = DO(open("f", O_RDONLY));
	for (i = 0; i < 5; i++) {
		CHECK_EQ(pread_all(fd, buf, 4000, i * 4000), 4000);
		for (j = 0; j < 4000; j++)
			CHECK(buf[j] == (char)('A' + j / part));
	}
}

static void bad_memory(void)
{
	char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fd;

	CHECK(page != MAP_FAILED);
	DO(mprotect(page + 4096, 4096, PROT_NONE));
	make_file("f", 10000, 1);
	fd = DO(open("f", O_RDWR));
	CHECK_ERR(pread(fd, page + 4096, 100, 0), EFAULT);
	CHECK_ERR(pwrite(fd, page + 4096, 100, 0), EFAULT);
	check_file("f", 10000, 1);
	/* Half good: a part or an error, and nothing else in the file. */
	fill_pattern(page, 4096, 0, 1);
	CHECK(pwrite(fd, page, 5000, 0) <= 4096);
	check_file("f", 10000, 1);
}

static void wrong_modes(void)
{
	char c = 0;
	int fd;

	make_file("f", 10, 1);
	fd = DO(open("f", O_RDONLY));
	CHECK_ERR(write(fd, &c, 1), EBADF);
	fd = DO(open("f", O_WRONLY));
	CHECK_ERR(read(fd, &c, 1), EBADF);
	CHECK_ERR(write(-1, &c, 1), EBADF);
}

static void size_limit(void)
{
	struct rlimit lim = { 5000, 5000 };
	char buf[4000];
	int fd = DO(open("f", O_CREAT | O_RDWR, 0644));

	signal(SIGXFSZ, SIG_IGN);
	DO(setrlimit(RLIMIT_FSIZE, &lim));
	CHECK_EQ(write(fd, buf, 4000), 4000);
	CHECK_EQ(write(fd, buf, 4000), 1000);
	CHECK_ERR(write(fd, buf, 1), EFBIG);
	CHECK_ERR(ftruncate(fd, 6000), EFBIG);
	CHECK_EQ(stat_of("f").st_size, 5000);
}

static void copies_in_kernel(void)
{
	size_t size = 300000;
	off_t off = 0;
	int in, out, p[2];
	ssize_t n;

	make_file("f", size, 8);
	in = DO(open("f", O_RDONLY));
	out = DO(open("g", O_CREAT | O_WRONLY, 0644));
	while ((n = DO(sendfile(out, in, &off, size))) > 0)
		;
	DO(close(out));
	check_file("g", size, 8);

	out = DO(open("h", O_CREAT | O_WRONLY, 0644));
	DO(lseek(in, 0, SEEK_SET));
	while ((n = DO(copy_file_range(in, NULL, out, NULL, size, 0))) > 0)
		;
	DO(close(out));
	check_file("h", size, 8);

	out = DO(open("i", O_CREAT | O_WRONLY, 0644));
	DO(lseek(in, 0, SEEK_SET));
	DO(pipe(p));
	while ((n = DO(splice(in, NULL, p[1], NULL, 65536, 0))) > 0)
		while (n > 0)
			n -= DO(splice(p[0], NULL, out, NULL, n, 0));
	DO(close(out));
	check_file("i", size, 8);
}

static void seen_by_others(void)
{
	int fd = DO(open("f", O_CREAT | O_RDWR, 0644)), i, to[2], from[2];
	char c;

	DO(pipe(to));
	DO(pipe(from));
	if (!DO(fork())) {
		int mine = DO(open("f", O_RDONLY));

		for (i = 0; i < 50; i++) {
			CHECK_EQ(read(to[0], &c, 1), 1);
			CHECK_EQ(pread(mine, &c, 1, i * 100), 1);
			CHECK_EQ(c, 'a' + i % 26);
			write_all(from[1], "", 1);
		}
		_exit(0);
	}
	close(from[1]);
	for (i = 0; i < 50; i++) {
		c = 'a' + i % 26;
		pwrite_all(fd, &c, 1, i * 100);
		write_all(to[1], "", 1);
		CHECK_EQ(read(from[0], &c, 1), 1);
	}
}

static const struct claim claims[] = {
	{ "writes of any size and place come back, also from the server", sizes_and_places },
	{ "16 MiB in one write come back in one read and in odd pieces", big_transfers },
	{ "a file read backwards is right", backwards },
	{ "reads stop at the end of the file", at_the_end },
	{ "the gap before a write is zeros", gap_is_zero },
	{ "pread and pwrite leave the offset, dup shares it", offsets },
	{ "readv and writev scatter and gather", vectors },
	{ "O_APPEND writes at the end, wherever that is now", append_mode },
	{ "several processes append and lose no record", append_many },
	{ "several processes write side by side in the same pages", write_side_by_side },
	{ "bad memory is EFAULT and leaves the file whole", bad_memory },
	{ "a descriptor does only what it was opened for", wrong_modes },
	{ "RLIMIT_FSIZE stops a file", size_limit },
	{ "sendfile, copy_file_range and splice copy right", copies_in_kernel },
	{ "a write is seen by another process at once", seen_by_others },
};
CLAIMS_MAIN(claims)
