// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Answers that make no sense. The client is told EIO, the server EINVAL or ENOENT,
 * and the mount goes on.
 */
#include <dirent.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "rogue.h"

/* What the lie of the moment answers, to which opcode. */
static uint32_t lie_opcode;
static struct answer lie_answer;
/* The errno that the kernel says to it; -1: any */
static int lie_refusal;
/* Whether the lie is about names of "mnt" other than the three */
static const char *lie_name;

static bool is_about(const struct request *req)
{
	return req->head.opcode == lie_opcode && (!lie_name || !strcmp(req->arg, lie_name));
}

static bool tell_lie(struct rogue *r, const struct request *req)
{
	int err;

	if (!is_about(req))
		return false;
	err = rogue_answer(r, req, &lie_answer);
	if (lie_refusal >= 0)
		CHECK_EQ(err, lie_refusal);
	return true;
}

/*
 * @op fails with @should when @opcode is answered by @answer, while the kernel refuses
 * that answer with @refusal; and an honest server's mount works before and after.
 */
static void lie_to(enum style style, int (*op)(void), int should, uint32_t opcode,
		   struct answer answer, int refusal)
{
	struct rogue r;
	int is;

	lie_opcode = opcode;
	lie_answer = answer;
	lie_refusal = refusal;
	r = rogue_start(style, tell_lie);
	is = rogue_try(op, 10);
	if (should >= 0 && is != should)
		claim_fail(__FILE__, __LINE__, "opcode %u, error %d, %zu+%zu bytes: client got %s, "
			   "should be %s", opcode, answer.error, answer.structs_len,
			   answer.data_len, is ? strerror(is) : "success",
			   should ? strerror(should) : "success");
	rogue_await(&r, 1);
	/* The mount is alive: a request that nobody lies about. */
	CHECK_EQ(rogue_try(opcode == FUSE_STATFS ? op_stat_file : op_statfs, 10), 0);
	rogue_end(&r);
}

static void wrong_lengths(enum style style)
{
	struct fuse_entry_out entry = rogue_entry(FILE_NODE);
	char longer[300] = { 0 };

	lie_to(style, op_stat_file, EIO, FUSE_LOOKUP,
	       (struct answer){ .structs = &entry, .structs_len = 8 }, EINVAL);
	lie_to(style, op_stat_file, EIO, FUSE_LOOKUP,
	       (struct answer){ .structs = &entry, .structs_len = 0 }, EINVAL);
	lie_to(style, op_stat_file, EIO, FUSE_LOOKUP,
	       (struct answer){ .structs = longer, .structs_len = 300 }, EINVAL);
	lie_to(style, op_open_file, EIO, FUSE_OPEN,
	       (struct answer){ .structs = longer, .structs_len = 17 }, EINVAL);
	lie_to(style, op_statfs, EIO, FUSE_STATFS,
	       (struct answer){ .structs = longer, .structs_len = 24 }, EINVAL);
}
IN_BOTH_STYLES(wrong_lengths)

static void wrong_errors(enum style style)
{
	static const int errors[] = { 1, 5, 512, -4096, -100000, (int)0x80000000, 0x7fffffff };
	size_t i;

	for (i = 0; i < COUNT(errors); i++)
		lie_to(style, op_stat_file, EIO, FUSE_LOOKUP,
		       (struct answer){ .error = errors[i] }, EINVAL);
}
IN_BOTH_STYLES(wrong_errors)

static void error_with_structs(enum style style)
{
	struct fuse_entry_out entry = rogue_entry(FILE_NODE);

	lie_to(style, op_stat_file, EIO, FUSE_LOOKUP,
	       (struct answer){ .error = -EPERM, .structs = &entry,
				.structs_len = sizeof(entry) }, EINVAL);
}
IN_BOTH_STYLES(error_with_structs)

/* rw: out_header.len and the write's length differ. */
static bool lie_about_length(struct rogue *r, const struct request *req)
{
	struct fuse_entry_out entry = rogue_entry(FILE_NODE);
	struct answer a = { .structs = &entry, .structs_len = sizeof(entry) };

	if (req->head.opcode != FUSE_LOOKUP)
		return false;
	a.claim_len = 1;
	CHECK_EQ(rogue_answer(r, req, &a), EINVAL);
	a.claim_len = -1;
	CHECK_EQ(rogue_answer(r, req, &a), EINVAL);
	rogue_be_honest(r, req);
	return true;
}

static void header_length(void)
{
	struct rogue r = rogue_start(RW, lie_about_length);

	CHECK_EQ(rogue_try(op_stat_file, 10), 0);
	rogue_await(&r, 1);
	rogue_end(&r);
}

static bool answer_others(struct rogue *r, const struct request *req)
{
	struct fuse_entry_out entry = rogue_entry(FILE_NODE);
	struct answer a = { .structs = &entry, .structs_len = sizeof(entry) };
	struct request other = *req;

	if (req->head.opcode != FUSE_LOOKUP)
		return false;
	if (r->style == RW) {
		other.head.unique += 1000;
		CHECK_EQ(rogue_answer(r, &other, &a), ENOENT);
		other.head.unique = ~0ull - 1;
		CHECK_EQ(rogue_answer(r, &other, &a), ENOENT);
		/* Notifications are not spoken. */
		other.head.unique = 0;
		CHECK_EQ(rogue_answer(r, &other, &a), EINVAL);
	} else {
		other.tag = (req->tag + 1) % r->geo.depth;
		CHECK_EQ(rogue_answer(r, &other, &a), ENOENT);
		CHECK_ERR(ioctl(r->fd, FERRY_IOC_SYNC, FERRY_SYNC_REPLY | r->geo.depth), EINVAL);
		CHECK_ERR(ioctl(r->fd, FERRY_IOC_SYNC, FERRY_SYNC_REPLY | 0xffffff), EINVAL);
	}
	rogue_be_honest(r, req);
	return true;
}

static void unknown_request(enum style style)
{
	struct rogue r = rogue_start(style, answer_others);

	CHECK_EQ(rogue_try(op_stat_file, 10), 0);
	rogue_await(&r, 1);
	rogue_end(&r);
}
IN_BOTH_STYLES(unknown_request)

static bool answer_twice(struct rogue *r, const struct request *req)
{
	int i;

	if (req->head.opcode == FUSE_FORGET || req->head.opcode == FUSE_BATCH_FORGET)
		return false;
	rogue_be_honest(r, req);
	for (i = 0; i < 3; i++) {
		int err = rogue_answer(r, req, &(struct answer){ .error = -EPERM });

		/* After DESTROY the channel may be gone already. */
		CHECK(err == ENOENT || err == ENODEV);
	}
	return true;
}

static void twice(enum style style)
{
	struct rogue r = rogue_start(style, answer_twice);

	CHECK_EQ(rogue_try(op_stat_file, 10), 0);
	CHECK_EQ(rogue_try(op_read_file, 10), 0);
	CHECK_EQ(rogue_try(op_list, 10), 0);
	rogue_await(&r, 1);
	rogue_end(&r);
}
IN_BOTH_STYLES(twice)

static void lie_about_entry(enum style style, struct fuse_entry_out entry, int should)
{
	lie_to(style, op_stat_file, should, FUSE_LOOKUP,
	       (struct answer){ .structs = &entry, .structs_len = sizeof(entry) }, 0);
}

static void wild_entries(enum style style)
{
	struct fuse_entry_out e;

	e = rogue_entry(FILE_NODE);
	e.attr.size = 1ull << 63;
	lie_about_entry(style, e, EIO);
	e.attr.size = ~0ull;
	lie_about_entry(style, e, EIO);

	e = rogue_entry(FILE_NODE);
	e.attr.mode = 0644;
	lie_about_entry(style, e, EIO);
	e.attr.mode = 0170000;
	lie_about_entry(style, e, EIO);

	/* A name that leads to the root */
	e = rogue_entry(ROOT);
	lie_about_entry(style, e, EIO);
	e.attr.mode = S_IFREG;
	lie_about_entry(style, e, EIO);

	/* Odd, but nobody's harm */
	e = rogue_entry(FILE_NODE);
	e.entry_valid = e.attr_valid = ~0ull;
	e.entry_valid_nsec = e.attr_valid_nsec = ~0u;
	e.attr.atimensec = e.attr.mtimensec = e.attr.ctimensec = ~0u;
	e.attr.blocks = ~0ull;
	e.attr.blksize = ~0u;
	e.attr.uid = e.attr.gid = ~0u;
	lie_about_entry(style, e, -1);
	/* No node: no such name */
	e = rogue_entry(0);
	lie_about_entry(style, e, ENOENT);
}
IN_BOTH_STYLES(wild_entries)

static void wild_attributes(enum style style)
{
	struct fuse_attr_out out = { .attr = rogue_attr(FILE_NODE) };

	out.attr.size = 1ull << 63;
	lie_to(style, op_stat_file, EIO, FUSE_GETATTR,
	       (struct answer){ .structs = &out, .structs_len = sizeof(out) }, 0);
	/* A file does not become a directory, nor anything else */
	out.attr = rogue_attr(DIR_NODE);
	lie_to(style, op_stat_file, EIO, FUSE_GETATTR,
	       (struct answer){ .structs = &out, .structs_len = sizeof(out) }, 0);
	out.attr.mode = 0;
	lie_to(style, op_stat_file, EIO, FUSE_GETATTR,
	       (struct answer){ .structs = &out, .structs_len = sizeof(out) }, 0);
}
IN_BOTH_STYLES(wild_attributes)

static int op_enter_dir(void)
{
	struct stat st;

	return stat("mnt/dir/dir", &st);
}

/* Directories in themselves, and in each other. */
static bool tangle(struct rogue *r, const struct request *req)
{
	struct fuse_entry_out out;

	if (req->head.opcode != FUSE_LOOKUP)
		return false;
	out = rogue_entry(DIR_NODE);
	rogue_reply(r, req, &out, sizeof(out));
	return true;
}

static void directory_in_itself(enum style style)
{
	struct rogue r = rogue_start(style, tangle);
	int err = rogue_try(op_enter_dir, 10);

	CHECK(err == ELOOP || err == EIO || err == ESTALE);
	rogue_end(&r);
}
IN_BOTH_STYLES(directory_in_itself)

static int op_create(void)
{
	return open("mnt/new", O_CREAT | O_EXCL | O_RDWR, 0644) < 0 ? -1 : 0;
}

static int op_symlink(void)
{
	return symlink("target", "mnt/new");
}

static int op_link(void)
{
	return link("mnt/file", "mnt/new");
}

static void wrong_creations(enum style style)
{
	struct { struct fuse_entry_out entry; struct fuse_open_out open; } c = { .open = { 0 } };
	struct answer a = { .structs = &c, .structs_len = sizeof(c.entry) };

	/* Another kind than was asked for */
	c.entry = rogue_entry(FILE_NODE);
	lie_to(style, op_mkdir, EIO, FUSE_MKDIR, a, 0);
	lie_to(style, op_symlink, EIO, FUSE_SYMLINK, a, 0);
	c.entry = rogue_entry(DIR_NODE);
	lie_to(style, op_link, EIO, FUSE_LINK, a, 0);
	/* No node, or the root */
	c.entry = rogue_entry(0);
	lie_to(style, op_mkdir, EIO, FUSE_MKDIR, a, 0);
	c.entry = rogue_entry(ROOT);
	lie_to(style, op_mkdir, EIO, FUSE_MKDIR, a, 0);
	a.structs_len = sizeof(c);
	c.entry = rogue_entry(DIR_NODE);
	lie_to(style, op_create, EIO, FUSE_CREATE, a, 0);
	c.entry = rogue_entry(0);
	lie_to(style, op_create, EIO, FUSE_CREATE, a, 0);
}
IN_BOTH_STYLES(wrong_creations)

static void too_much_data(enum style style)
{
	static char data[65536];

	lie_to(style, op_read_direct, EIO, FUSE_READ,
	       (struct answer){ .data = data, .data_len = FILE_SIZE + 4096 }, EINVAL);
	lie_to(style, op_list_dir, EIO, FUSE_READDIR,
	       (struct answer){ .data = data, .data_len = 65536 }, EINVAL);
}
IN_BOTH_STYLES(too_much_data)

static void too_little_data(enum style style)
{
	/* Less than the size says: short, zeros, or EIO, but it ends. */
	lie_to(style, op_read_file, -1, FUSE_READ, (struct answer){ 0 }, 0);
	lie_to(style, op_read_direct, 0, FUSE_READ, (struct answer){ 0 }, 0);
}
IN_BOTH_STYLES(too_little_data)

/* What is left in its slot behind what it answers is nobody's. */
static bool answer_little(struct rogue *r, const struct request *req)
{
	static char data[100];

	if (req->head.opcode != FUSE_READ)
		return false;
	memset(rogue_slot(r, req->tag) + r->geo.data_off, 'x', r->geo.data_size);
	memset(data, 'y', sizeof(data));
	CHECK_EQ(rogue_answer(r, req, &(struct answer){ .data = data, .data_len = sizeof(data) }), 0);
	return true;
}

/* EPROTO: there is something else than what was answered, once or for each page, and zeros. */
static int read_little(int flags)
{
	char *buf = xmalloc(FILE_SIZE);
	int fd = DO(open("mnt/file", O_RDONLY | flags)), n, i;

	memset(buf, 'z', FILE_SIZE);
	n = DO(read(fd, buf, FILE_SIZE));
	errno = EPROTO;
	for (i = 0; i < FILE_SIZE; i++) {
		bool answered = i < 100 || (buf[i] && i % 4096 < 100);

		if (buf[i] != (i >= n ? 'z' : answered ? 'y' : 0))
			return -1;
	}
	return n < 100 ? -1 : 0;
}

static int op_read_little(void)
{
	return read_little(0);
}

static int op_read_little_direct(void)
{
	return read_little(O_DIRECT);
}

static void nothing_behind(enum style style)
{
	struct rogue r = rogue_start(style, answer_little);

	CHECK_EQ(rogue_try(op_read_little, 10), 0);
	CHECK_EQ(rogue_try(op_read_little_direct, 10), 0);
	rogue_end(&r);
}
IN_EACH_MAPPED(nothing_behind)

static void wrong_write_counts(enum style style)
{
	struct fuse_write_out out = { .size = 4097 };

	lie_to(style, op_write_direct, EIO, FUSE_WRITE,
	       (struct answer){ .structs = &out, .structs_len = sizeof(out) }, 0);
	out.size = ~0u;
	lie_to(style, op_write_direct, EIO, FUSE_WRITE,
	       (struct answer){ .structs = &out, .structs_len = sizeof(out) }, 0);
	out.size = 0;
	lie_to(style, op_write_direct, -1, FUSE_WRITE,
	       (struct answer){ .structs = &out, .structs_len = sizeof(out) }, 0);
}
IN_BOTH_STYLES(wrong_write_counts)

static void wild_targets(enum style style)
{
	static char longer[8192];

	memset(longer, 'a', sizeof(longer));
	lie_to(style, op_readlink, EIO, FUSE_READLINK, (struct answer){ .data_len = 0 }, 0);
	lie_to(style, op_readlink, EIO, FUSE_READLINK,
	       (struct answer){ .data = "ab\0cd", .data_len = 5 }, 0);
	lie_to(style, op_readlink, EIO, FUSE_READLINK,
	       (struct answer){ .data = longer, .data_len = 4096 }, EINVAL);
}
IN_BOTH_STYLES(wild_targets)

struct entry {
	struct fuse_dirent d;
	char name[400];
};

static void lie_about_name(enum style style, const char *name, uint32_t namelen, size_t cut,
			   int should)
{
	struct entry e = { .d = { .ino = 9, .off = 1, .namelen = namelen, .type = DT_REG } };
	size_t len = FUSE_DIRENT_SIZE(&e.d);

	strcpy(e.name, name);
	if (cut)
		len = cut;
	lie_to(style, op_list_dir, should, FUSE_READDIR,
	       (struct answer){ .data = &e, .data_len = len }, 0);
}

static void wild_names(enum style style)
{
	char longer[300];

	memset(longer, 'n', 299);
	longer[299] = 0;
	lie_about_name(style, "a/b", 3, 0, EIO);
	lie_about_name(style, "/", 1, 0, EIO);
	lie_about_name(style, "", 0, 0, EIO);
	lie_about_name(style, longer, 256, 0, EIO);
	lie_about_name(style, longer, 299, 0, EIO);
	/* Bigger than the listing is: cut off, or refused */
	lie_about_name(style, "abc", 0xffffffff, 32, -1);
	lie_about_name(style, "abc", 250, 32, -1);
	lie_about_name(style, "abc", 3, 7, -1);
	lie_about_name(style, "abc", 3, 25, -1);
}
IN_BOTH_STYLES(wild_names)

/* The same names again and again: the client may read for ever, but not for good. */
static void endless_listing(enum style style)
{
	struct entry e = { .d = { .ino = 9, .off = 0, .namelen = 3, .type = DT_REG }, .name = "abc" };

	lie_to(style, op_list_dir, -1, FUSE_READDIR,
	       (struct answer){ .data = &e, .data_len = FUSE_DIRENT_SIZE(&e.d) }, 0);
}
IN_BOTH_STYLES(endless_listing)

static void wild_statfs(enum style style)
{
	struct fuse_statfs_out out;
	struct answer a = { .structs = &out, .structs_len = sizeof(out) };

	memset(&out, 0xff, sizeof(out));
	lie_to(style, op_statfs, -1, FUSE_STATFS, a, 0);
	memset(&out, 0, sizeof(out));
	lie_to(style, op_statfs, -1, FUSE_STATFS, a, 0);
}
IN_BOTH_STYLES(wild_statfs)

static void wild_open(enum style style)
{
	struct fuse_open_out out;

	memset(&out, 0xff, sizeof(out));
	lie_to(style, op_read_file, -1, FUSE_OPEN,
	       (struct answer){ .structs = &out, .structs_len = sizeof(out) }, 0);
	lie_to(style, op_list, -1, FUSE_OPENDIR,
	       (struct answer){ .structs = &out, .structs_len = sizeof(out) }, 0);
}
IN_BOTH_STYLES(wild_open)

static int op_seek_hole(void)
{
	int fd = open("mnt/file", O_RDONLY);
	off_t at = lseek(fd, 100, SEEK_HOLE);

	if (fd < 0 || at < 0)
		return -1;
	errno = EPROTO;
	return at >= 100 ? 0 : -1;
}

static void wild_seek(enum style style)
{
	struct fuse_lseek_out out = { .offset = 1ull << 63 };
	struct answer a = { .structs = &out, .structs_len = sizeof(out) };
	static const uint64_t offsets[] = { 1ull << 63, ~0ull, 99, 0 };
	size_t i;

	for (i = 0; i < COUNT(offsets); i++) {
		out.offset = offsets[i];
		lie_opcode = FUSE_LSEEK;
		lie_answer = a;
		lie_refusal = 0;
		{
			struct rogue r = rogue_start(style, tell_lie);
			int err = rogue_try(op_seek_hole, 10);

			CHECK(err == EIO || err == EINVAL || err == ENXIO || err == EOVERFLOW);
			rogue_end(&r);
		}
	}
}
IN_BOTH_STYLES(wild_seek)

/* Everything random, always: nothing is claimed of the answers, but of the kernel. */
static uint64_t noise_state;

static bool noise(struct rogue *r, const struct request *req)
{
	static char junk[70000];
	struct answer a = { .structs = junk, .data = junk };
	size_t i;

	if (req->head.opcode == FUSE_INIT || next_random(&noise_state) % 3 == 0)
		return false;
	if (r->style == SYNC) {
		/* All over the mapping, descriptors included */
		for (i = 0; i < 200; i++)
			r->map[next_random(&noise_state) % r->geo.queue_size] =
				next_random(&noise_state);
	}
	for (i = 0; i < 400; i += 4) {
		uint32_t x = next_random(&noise_state);

		memcpy(junk + i, &x, 4);
	}
	a.error = next_random(&noise_state) % 4 ? 0 : (int)next_random(&noise_state) % 600;
	a.structs_len = next_random(&noise_state) % 200;
	if (next_random(&noise_state) % 2) {
		a.data_len = next_random(&noise_state) % 70000;
		if (next_random(&noise_state) % 2)
			a.structs_len = 0;
	}
	if (rogue_answer(r, req, &a) == EINVAL && next_random(&noise_state) % 2)
		rogue_answer(r, req, &(struct answer){ .error = -EIO });
	return true;
}

static int op_anything(void)
{
	static int (*const ops[])(void) = {
		op_stat_file, op_read_file, op_read_direct, op_write_direct, op_open_file,
		op_list, op_list_dir, op_readlink, op_statfs, op_mkdir, op_create,
		op_symlink, op_link, op_seek_hole,
	};
	uint64_t state = noise_state * 31 + 1;
	int i;

	for (i = 0; i < 30; i++)
		ops[next_random(&state) % COUNT(ops)]();
	return 0;
}

static void only_noise(enum style style)
{
	unsigned int i, rounds = test_scale(8);

	claim_note("seed %u", test_seed());
	for (i = 0; i < rounds; i++) {
		struct rogue r;

		noise_state = 0x9e3779b97f4a7c15ull * (test_seed() + i + 1);
		r = rogue_start(style, noise);
		rogue_try(op_anything, 30);
		rogue_await(&r, 1);
		rogue_end(&r);
	}
}
IN_BOTH_STYLES(only_noise)

/* Of how many nodes the server was told, in how many requests. */
static volatile int *forgotten;
static int evicted[2];

/* It is slow to answer the first FORGET: until all nodes have been evicted. */
static bool count_forgets(struct rogue *r, const struct request *req)
{
	char c;

	if (req->head.opcode != FUSE_FORGET && req->head.opcode != FUSE_BATCH_FORGET)
		return false;
	if (!forgotten[1]++)
		CHECK_EQ(read(evicted[0], &c, 1), 1);
	forgotten[0] += req->head.opcode == FUSE_FORGET ? 1 :
			((const struct fuse_batch_forget_in *)req->arg)->count;
	rogue_be_honest(r, req);
	return true;
}

static int op_stat_all(void)
{
	struct stat st;

	return stat("mnt/file", &st) || stat("mnt/dir", &st) || lstat("mnt/link", &st) ? -1 : 0;
}

static void forgets_are_batched(void)
{
	struct rogue r;

	forgotten = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(forgotten != MAP_FAILED);
	DO(pipe(evicted));
	r = rogue_start(SYNC, count_forgets);
	CHECK_EQ(rogue_try(op_stat_all, 10), 0);
	drop_caches();
	write_all(evicted[1], "", 1);
	CHECK_SOON(forgotten[0] >= 3, 10, "%d nodes are forgotten", forgotten[0]);
	CHECK_EQ(forgotten[0], 3);
	CHECK_EQ(forgotten[1], 2);
	rogue_end(&r);
}

static const struct claim claims[] = {
	BOTH("replies of a wrong length are EIO, and EINVAL for the server", wrong_lengths),
	BOTH("error codes that are none are EIO, and EINVAL for the server", wrong_errors),
	BOTH("an error with something behind it is EIO", error_with_structs),
	{ "rw: a header that lies about the length is EINVAL and answers nothing", header_length },
	BOTH("a reply to nothing is ENOENT and harms nobody", unknown_request),
	BOTH("a second reply is ENOENT and harms nobody", twice),
	BOTH("entries with impossible sizes, types and nodes are EIO", wild_entries),
	BOTH("attributes with impossible sizes and types are EIO", wild_attributes),
	BOTH("a directory inside itself is refused", directory_in_itself),
	BOTH("new files of a wrong kind or node are EIO", wrong_creations),
	BOTH("more data than was asked for is EIO, and EINVAL for the server", too_much_data),
	BOTH("less data than there should be does not hang", too_little_data),
	EACH_MAPPED("behind a short answer there are zeros", nothing_behind),
	BOTH("more written than was given is EIO", wrong_write_counts),
	BOTH("symlinks that are empty, too long or hold a NUL are EIO", wild_targets),
	BOTH("listings with names that are none are EIO", wild_names),
	BOTH("a listing without end does not hold the reader", endless_listing),
	BOTH("statfs of anything does not hurt", wild_statfs),
	BOTH("open flags that nobody knows do not hurt", wild_open),
	BOTH("seek answers before the place or beyond all files are refused", wild_seek),
	BOTH("a server that answers noise hurts nobody but its clients", only_noise),
	{ "what is to be forgotten while a FORGET is under way goes in one", forgets_are_batched },
};
CLAIMS_MAIN(claims)
