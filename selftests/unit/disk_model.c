// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * A disk is what was written to it: a backend, the dispatcher, a host in memory, and
 * thousands of random requests next to an array of bytes. Built for ramdisk and file.
 */
#include <fcntl.h>
#include <linux/ferry_blk.h>
#include <sys/stat.h>
#include <unistd.h>

#include <ferry/block.h>
#include <ferry/req.h>

#include "../claim.h"
#include "memory.h"

#define SIZE	(8U << 20)	/* that a disk may have at most */
#define DATA	(1U << 20)

extern const struct ferry_backend ferry_backend;

static struct memory_req call = { .end = ~0ULL };
static char *data;

static unsigned int logged;

void ferry_sleep(u64 us)
{
}

void ferry_log(enum ferry_log_level level, const char *fmt, ...)
{
	logged++;
}

void *ferry_alloc(size_t size)
{
	return calloc(1, size);
}

void ferry_free(void *p)
{
	free(p);
}

void *ferry_page_alloc(void)
{
	return calloc(1, FERRY_PAGE_SIZE);
}

void *ferry_page_alloc_raw(void)
{
	return memset(malloc(FERRY_PAGE_SIZE), 0xa5, FERRY_PAGE_SIZE);
}

static unsigned int pages_freed;

void ferry_page_free(void *page)
{
	pages_freed += !!page;
	free(page);
}

/* 0 or -errno; @out: NULL or @out_len bytes of the reply's struct. */
static int ask(struct ferry_server *server, u32 opcode, const void *in, u32 in_len,
	       void *out, u32 out_len, u32 data_len)
{
	call.req = (struct ferry_req) {
		.host = &memory_host,
		.server = server,
		.class = FERRY_CLASS_BLOCK,
		.opcode = opcode,
		.in[0] = { in, in_len },
		.nr_in = in_len ? 1 : 0,
		.out[0] = { out, out_len },
		.nr_out = out ? 1 : 0,
		.data_len = data_len,
		.data_in = opcode == FERRY_BLK_WRITE,
	};
	call.answers = 0;
	ferry_dispatch(&call.req);
	CHECK_EQ(call.answers, 1);
	if (!call.req.error && out)
		CHECK_EQ(call.req.out_len, out_len);
	return call.req.error;
}

static int io(struct ferry_server *server, u32 opcode, u64 off, u64 len, u32 flags)
{
	const struct ferry_blk_io arg = { .offset = off, .length = len, .flags = flags };
	bool moves = opcode == FERRY_BLK_READ || opcode == FERRY_BLK_WRITE;
	int err = ask(server, opcode, &arg, sizeof(arg), NULL, 0, moves ? (u32)len : 0);

	if (!err && opcode == FERRY_BLK_READ)
		CHECK_EQ(call.req.pushed, len);
	return err;
}

/* As a client does: where zeros that keep their room cannot be had they are written. */
static int zero(struct ferry_server *server, u32 opcode, u64 off, u64 len, u32 flags)
{
	int err = io(server, opcode, off, len, flags);

	if (err != -EOPNOTSUPP || strcmp(ferry_backend.name, "file") || !(flags & FERRY_BLK_KEEP))
		return err;
	memset(call.data, 0, DATA);
	for (err = 0; len && !err; len -= min(len, (u64)DATA)) {
		err = io(server, FERRY_BLK_WRITE, off, min(len, (u64)DATA), 0);
		off += min(len, (u64)DATA);
	}
	return err;
}

static struct ferry_server *start(const char *more)
{
	static struct ferry_server server;
	char args[4200] = "size=4M,max=8M", dir[4096];

	if (!strcmp(ferry_backend.name, "file")) {
		int fd = DO(open("disk", O_RDWR | O_CREAT, 0600));

		DO(ftruncate(fd, SIZE / 2));
		close(fd);
		CHECK(getcwd(dir, sizeof(dir)));
		snprintf(args, sizeof(args), "path=%s/disk", dir);
	}
	strcat(args, more);
	memset(&server, 0, sizeof(server));
	data = data ? data : xmalloc(DATA);
	call.data = data;
	CHECK_EQ(ferry_server_init(&server, &ferry_backend, FERRY_CLASS_BLOCK, args), 0);
	return &server;
}

static void stop(struct ferry_server *server)
{
	ferry_server_destroy(server, FERRY_CLASS_BLOCK);
}

static int resize(struct ferry_server *server, u64 size)
{
	struct ferry_blk_resize in = { size }, out;

	if (!strcmp(ferry_backend.name, "file"))
		DO(truncate("disk", size));
	return ask(server, FERRY_BLK_RESIZE, &in, sizeof(in), &out, sizeof(out), 0);
}

static void is_what_was_written(void)
{
	struct ferry_server *server = start("");
	uint64_t random = test_seed();
	u64 size = SIZE / 2;
	char *model = xmalloc(SIZE);
	unsigned int i;

	for (i = 0; i < test_scale(6000); i++) {
		u32 what = next_random(&random) % 20;
		u64 off = next_random(&random) % (size / 512) * 512;
		u64 len = (next_random(&random) % (what % 3 ? 32 : DATA / 512) + 1) * 512;

		len = min(len, size - off);
		if (what < 8) {
			fill_pattern(data, len, off, i);
			memcpy(model + off, data, len);
			CHECK_EQ(io(server, FERRY_BLK_WRITE, off, len,
				    what ? 0 : FERRY_BLK_FUA), 0);
		} else if (what < 16) {
			memset(data, 0x55, len);
			CHECK_EQ(io(server, FERRY_BLK_READ, off, len, 0), 0);
			CHECK(!memcmp(data, model + off, len));
		} else if (what < 19) {
			memset(model + off, 0, len);
			CHECK_EQ(zero(server, what < 18 ? FERRY_BLK_WRITE_ZEROES :
				      FERRY_BLK_DISCARD, off, len, what & 1 ? FERRY_BLK_KEEP : 0), 0);
		} else if (next_random(&random) % 20 == 0) {
			u64 old = size;

			size = (next_random(&random) % (SIZE / 512) + 1) * 512;
			CHECK_EQ(resize(server, size), 0);
			CHECK_EQ(server->block.size, size);
			if (size < old)
				memset(model + size, 0, old - size);
		} else {
			CHECK_EQ(ask(server, FERRY_BLK_FLUSH, NULL, 0, NULL, 0, 0), 0);
		}
	}
	stop(server);
}

static void refuses(void)
{
	struct ferry_server *server = start(",block=4096");
	const struct ferry_blk_io arg = { .length = 4096 };
	const u64 size = server->block.size;

	CHECK_EQ(io(server, FERRY_BLK_READ, 0, 4096, 0), 0);
	CHECK_EQ(io(server, FERRY_BLK_READ, 0, 0, 0), -EINVAL);
	CHECK_EQ(io(server, FERRY_BLK_READ, 512, 4096, 0), -EINVAL);
	CHECK_EQ(io(server, FERRY_BLK_READ, 0, 512, 0), -EINVAL);
	CHECK_EQ(io(server, FERRY_BLK_READ, size, 4096, 0), -EINVAL);
	CHECK_EQ(io(server, FERRY_BLK_WRITE, size - 4096, 8192, 0), -EINVAL);
	CHECK_EQ(io(server, FERRY_BLK_DISCARD, ~0ULL << 12, 8192, 0), -EINVAL);
	CHECK_EQ(io(server, FERRY_BLK_WRITE_ZEROES, 4096, ~0ULL << 12, 0), -EINVAL);
	CHECK_EQ(ask(server, FERRY_BLK_READ, &arg, sizeof(arg), NULL, 0, 512), -EINVAL);
	CHECK_EQ(ask(server, FERRY_BLK_READ, &arg, sizeof(arg) - 1, NULL, 0, 4096), -EINVAL);
	CHECK_EQ(ask(server, FERRY_BLK_WRITE, &arg, sizeof(arg), NULL, 0, 8192), -EINVAL);
	CHECK_EQ(ask(server, 77, &arg, sizeof(arg), NULL, 0, 0), -ENOSYS);
	server->block.read_only = true;
	CHECK_EQ(io(server, FERRY_BLK_WRITE, 0, 4096, 0), -EROFS);
	CHECK_EQ(io(server, FERRY_BLK_DISCARD, 0, 4096, 0), -EROFS);
	server->block.read_only = false;
	server->block.discard = false;
	CHECK_EQ(io(server, FERRY_BLK_DISCARD, 0, 4096, 0), -EOPNOTSUPP);
	stop(server);
}

static void short_data(void)
{
	struct ferry_server *server = start("");
	char *want = xmalloc(3 * FERRY_PAGE_SIZE);

	fill_pattern(want, 3 * FERRY_PAGE_SIZE, 0, 7);
	memcpy(data, want, 3 * FERRY_PAGE_SIZE);
	call.end = 1000;
	CHECK_EQ(io(server, FERRY_BLK_WRITE, 0, 3 * FERRY_PAGE_SIZE, 0), -EIO);
	call.end = ~0ULL;
	memset(data, 0xee, 3 * FERRY_PAGE_SIZE);
	CHECK_EQ(io(server, FERRY_BLK_READ, 0, 3 * FERRY_PAGE_SIZE, 0), 0);
	CHECK(!memcmp(data, want, 1000));
	free(want);
	stop(server);
}

/* Of the file that the disk is in, if it is in one */
static u64 blocks_of_file(void)
{
	struct stat st = { 0 };
	int fd = open("disk", O_RDONLY);

	if (fd < 0)
		return 0;
	DO(fsync(fd));
	DO(fstat(fd, &st));
	close(fd);
	return st.st_blocks;
}

/* 4 MiB, so that whole leaves of a ramdisk's table are among it. */
static void keeps_room(void)
{
	struct ferry_server *server = start("");
	const u64 size = SIZE / 2;
	u64 off, blocks;

	memset(data, 0xee, DATA);
	for (off = 0; off < size; off += DATA)
		CHECK_EQ(io(server, FERRY_BLK_WRITE, off, DATA, 0), 0);
	pages_freed = 0;
	blocks = blocks_of_file();
	CHECK_EQ(zero(server, FERRY_BLK_WRITE_ZEROES, 512, size - 512, FERRY_BLK_KEEP), 0);
	CHECK_EQ(zero(server, FERRY_BLK_WRITE_ZEROES, 0, size, FERRY_BLK_KEEP), 0);
	if (strcmp(ferry_backend.name, "file"))
		CHECK_EQ(pages_freed, 0);
	CHECK_EQ(blocks_of_file(), blocks);
	for (off = 0; off < size; off += DATA) {
		CHECK_EQ(io(server, FERRY_BLK_READ, off, DATA, 0), 0);
		CHECK(!data[0] && !memcmp(data, data + 1, DATA - 1));
	}
	CHECK_EQ(io(server, FERRY_BLK_WRITE_ZEROES, 0, size, 0), 0);
	if (strcmp(ferry_backend.name, "file"))
		CHECK_EQ(pages_freed, size / FERRY_PAGE_SIZE);
	stop(server);
}

static void introduces_itself(void)
{
	struct ferry_server *server = start(",block=1024");
	struct ferry_blk_init_in in = { .version = 1, .max_transfer = 100000 };
	struct ferry_blk_init_out out;

	CHECK_EQ(ask(server, FERRY_BLK_INIT, &in, sizeof(in), &out, sizeof(out), 0), 0);
	CHECK_EQ(out.version, 1);
	CHECK_EQ(out.size, SIZE / 2);
	CHECK_EQ(out.logical_block, 1024);
	CHECK_EQ(out.physical_block, 4096);
	CHECK_EQ(out.io_min, 4096);
	CHECK_EQ(out.max_transfer, 98304);
	CHECK(out.flags & FERRY_BLK_HAS_DISCARD && out.flags & FERRY_BLK_HAS_ZEROES);
	in.version = 0;
	CHECK_EQ(ask(server, FERRY_BLK_INIT, &in, sizeof(in), &out, sizeof(out), 0), -EPROTO);
	stop(server);
}

/* What it may grow to is no whole number of blocks. */
static void grows_to_whole_blocks(void)
{
	struct ferry_blk_resize in = { 0 }, out;
	struct ferry_server server = { 0 };
	int fd;

	if (!strcmp(ferry_backend.name, "file")) {
		struct ferry_server *of_file = start(",block=4096");

		fd = DO(open("disk", O_RDWR));
		DO(ftruncate(fd, 3000001));
		close(fd);
		CHECK_EQ(ask(of_file, FERRY_BLK_RESIZE, &in, sizeof(in), &out, sizeof(out), 0), 0);
		CHECK_EQ(of_file->block.size, 2998272);
		stop(of_file);
		return;
	}
	CHECK_EQ(ferry_server_init(&server, &ferry_backend, FERRY_CLASS_BLOCK,
				   "size=1M,max=3000001,block=4096"), 0);
	CHECK_EQ(ask(&server, FERRY_BLK_RESIZE, &in, sizeof(in), &out, sizeof(out), 0), 0);
	CHECK_EQ(out.size, 2998272);
	CHECK_EQ(server.block.size, 2998272);
	stop(&server);
}

static void bad_arguments(void)
{
	static const char *const bad[] = {
		"size=1000", "size=0", "size=banana", "size=1M,max=512K", "block=513", "block=8192",
		"block=256", "nonsense", "path=relative", "path=/nonexistent/disk", "path=/",
	};
	struct ferry_server server;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		memset(&server, 0, sizeof(server));
		logged = 0;
		CHECK(ferry_server_init(&server, &ferry_backend, FERRY_CLASS_BLOCK, bad[i]) < 0);
		CHECK_EQ(logged, 1);
	}
	CHECK_EQ(ferry_server_init(&server, &ferry_backend, FERRY_CLASS_FS, NULL), -EOPNOTSUPP);
}

static const struct claim claims[] = {
	{ "it is what was written to it", is_what_was_written },
	{ "what lies beside the disk or is no whole block is refused", refuses },
	{ "what came of a write that was cut short is there, and it failed", short_data },
	{ "zeroes that are to keep their room do not give it back", keeps_room },
	{ "it says what it is like", introduces_itself },
	{ "all that there is are whole blocks", grows_to_whole_blocks },
	{ "bad arguments are refused with one line", bad_arguments },
};
CLAIMS_MAIN(claims)
