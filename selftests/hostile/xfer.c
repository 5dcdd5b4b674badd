// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* Data that does not go through the slot, or not all of it: geo.inline_max, FERRY_IOC_XFER. */
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "rogue.h"

enum { INLINE_MAX = 4096, FIRST = 5000, LONG = 1 << 17 };

static struct rogue start(lie_fn lie)
{
	struct ferry_setup setup = rogue_setup(SYNC);

	setup.geo.inline_max = INLINE_MAX;
	return rogue_start_as(setup, SYNC, lie);
}

static int op_read_pattern(void)
{
	char *buf = xmalloc(FILE_SIZE);
	int fd = DO(open("mnt/file", O_RDONLY | O_DIRECT));

	if (read(fd, buf, FILE_SIZE) != FILE_SIZE)
		return -1;
	CHECK_EQ(find_difference(buf, FILE_SIZE, 0, 3), -1);
	return 0;
}

/* The first bytes by XFER, then @more from the slot. */
static bool read_both_ways(struct rogue *r, const struct request *req, size_t more, int err)
{
	char *data = xmalloc(FILE_SIZE);

	if (req->head.opcode != FUSE_READ)
		return false;
	fill_pattern(data, FILE_SIZE, 0, 3);
	CHECK_EQ(rogue_xfer(r, req, FERRY_XFER_PUSH, 0, data, FIRST), FIRST);
	CHECK_EQ(rogue_answer(r, req, &(struct answer){ .data = data + FILE_SIZE - more,
							.data_len = more }), err);
	free(data);
	++*r->told;
	return true;
}

static bool rest_in_slot(struct rogue *r, const struct request *req)
{
	return read_both_ways(r, req, FILE_SIZE - FIRST, 0);
}

static void reply_goes_both_ways(void)
{
	struct rogue r = start(rest_in_slot);

	CHECK_EQ(rogue_try(op_read_pattern, 10), 0);
	rogue_end(&r);
}

static bool too_much_in_slot(struct rogue *r, const struct request *req)
{
	return read_both_ways(r, req, FILE_SIZE - FIRST + 1, EINVAL);
}

static void reply_is_too_long_in_all(void)
{
	struct rogue r = start(too_much_in_slot);

	CHECK_EQ(rogue_try(op_read_pattern, 10), EIO);
	rogue_end(&r);
}

static bool look_where_data_is(struct rogue *r, const struct request *req)
{
	const struct fuse_write_in *in = (const void *)req->arg;
	struct fuse_write_out out = { .size = in->size };
	struct ferry_desc *d = rogue_desc(r, req->tag);
	char *data = xmalloc(FILE_SIZE);

	if (req->head.opcode != FUSE_WRITE)
		return false;
	CHECK_EQ(!!(d->flags & FERRY_DESC_IN_SLOT), in->size <= INLINE_MAX);
	if (in->size > INLINE_MAX)
		CHECK_EQ(rogue_xfer(r, req, FERRY_XFER_PULL, 0, data, FILE_SIZE), in->size);
	else
		memcpy(data, rogue_slot(r, req->tag) + r->geo.data_off, in->size);
	CHECK_EQ(find_difference(data, in->size, 0, 3), -1);
	free(data);
	CHECK_EQ(rogue_reply(r, req, &out, sizeof(out)), 0);
	++*r->told;
	return true;
}

static int op_write_short_and_long(void)
{
	char *buf = xmalloc(FILE_SIZE);
	int fd = DO(open("mnt/file", O_WRONLY | O_DIRECT));

	fill_pattern(buf, FILE_SIZE, 0, 3);
	CHECK_EQ(pwrite(fd, buf, INLINE_MAX, 0), INLINE_MAX);
	CHECK_EQ(pwrite(fd, buf, INLINE_MAX + 1, 0), INLINE_MAX + 1);
	return 0;
}

static void long_data_stays_out(void)
{
	struct rogue r = start(look_where_data_is);

	CHECK_EQ(rogue_try(op_write_short_and_long, 10), 0);
	rogue_await(&r, 2);
	rogue_end(&r);
}

/* --- a request that is over while its data is moved ---------------------------- */

static struct rogue *the_rogue;
static const struct request *the_request;
static int pull_result;

static void *pull_slowly(void *memory)
{
	pull_result = rogue_xfer(the_rogue, the_request, FERRY_XFER_PULL, 0, memory, LONG);
	if (pull_result < 0)
		pull_result = -errno;
	return NULL;
}

/* Memory whose second half is not there until @fd is told. */
static char *slow_memory(int *fd)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	char *p = mmap(NULL, LONG, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(p != MAP_FAILED);
	memset(p, 1, LONG / 2);
	*fd = DO(syscall(SYS_userfaultfd, O_CLOEXEC));
	DO(ioctl(*fd, UFFDIO_API, &api));
	reg.range.start = (uintptr_t)p + LONG / 2;
	reg.range.len = LONG / 2;
	DO(ioctl(*fd, UFFDIO_REGISTER, &reg));
	return p;
}

static bool answer_meanwhile(struct rogue *r, const struct request *req)
{
	static const struct fuse_init_out init = {
		.major = 7, .minor = 38, .max_write = LONG, .time_gran = 1,
	};
	const struct fuse_write_in *in = (const void *)req->arg;
	struct fuse_write_out out = { .size = in->size };
	struct uffdio_zeropage zero;
	struct request next;
	struct uffd_msg msg;
	pthread_t thread;
	char *memory;
	int fd;

	if (req->head.opcode == FUSE_INIT) {
		CHECK_EQ(rogue_reply(r, req, &init, sizeof(init)), 0);
		return true;
	}
	if (req->head.opcode != FUSE_WRITE)
		return false;
	memory = slow_memory(&fd);
	the_rogue = r;
	the_request = req;
	CHECK(!pthread_create(&thread, NULL, pull_slowly, memory));
	CHECK_EQ(read(fd, &msg, sizeof(msg)), sizeof(msg));
	CHECK_EQ(msg.event, UFFD_EVENT_PAGEFAULT);
	CHECK_EQ(rogue_answer(r, req, &(struct answer){ .error = -EIO }), 0);

	CHECK(rogue_fetch(r, &next));
	CHECK_EQ(next.head.opcode, FUSE_WRITE);
	CHECK_EQ(next.tag, req->tag);
	zero.range.start = (uintptr_t)memory + LONG / 2;
	zero.range.len = LONG / 2;
	zero.mode = 0;
	DO(ioctl(fd, UFFDIO_ZEROPAGE, &zero));
	CHECK(!pthread_join(thread, NULL));
	CHECK_EQ(pull_result, -ENOENT);
	CHECK_EQ(find_difference(memory, LONG / 2, 0, 4), -1);
	CHECK_EQ(memory[LONG / 2], 0);
	CHECK_EQ(memory[LONG - 1], 0);
	CHECK_EQ(rogue_reply(r, &next, &out, sizeof(out)), 0);
	DO(close(fd));
	++*r->told;
	return true;
}

static int op_write_twice(void)
{
	char *buf = xmalloc(LONG);
	int fd = DO(open("mnt/file", O_WRONLY | O_DIRECT));

	fill_pattern(buf, LONG, 0, 4);
	CHECK_EQ(pwrite(fd, buf, LONG, 0), -1);
	if (errno != EIO)
		return -1;
	free(buf);		/* the pages that the late copy must not touch */
	buf = xmalloc(LONG);
	return pwrite(fd, buf, LONG, 0) == LONG ? 0 : -1;
}

static void copy_ends_with_its_request(void)
{
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC);
	struct rogue r;

	if (fd < 0)
		claim_skip("this kernel gives no userfaultfd");
	DO(close(fd));
	r = start(answer_meanwhile);
	CHECK_EQ(rogue_try(op_write_twice, 20), 0);
	rogue_await(&r, 1);
	rogue_end(&r);
}

static const struct claim claims[] = {
	{ "a reply goes by XFER and then in the slot", reply_goes_both_ways },
	{ "a reply that is too long in all is EIO, and EINVAL for the server",
	  reply_is_too_long_in_all },
	{ "data beyond inline_max stays out of the slot", long_data_stays_out },
	{ "a copy ends with its request, though the slot has another", copy_ends_with_its_request },
};
CLAIMS_MAIN(claims)
