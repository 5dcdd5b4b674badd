// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* Random messages and a backend that answers at random: what must hold all the same. */
#include "../claim.h"
#include "dispatch_host.h"

static uint64_t state;

static u32 roll(u32 n)
{
	return next_random(&state) % n;
}

/* Read what the dispatcher promised is there, then answer in some way. */
static void look(const char *name)
{
	volatile size_t sink = strlen(name);

	CHECK(sink > 0);
}

static void answer(struct ferry_req *req)
{
	static char bytes[300];
	struct ferry_iov iov[] = { { bytes, roll(200) }, { bytes + 100, roll(200) } };
	struct ferry_entry entry = { .node = roll(3), .attr.mode = next_random(&state) };
	struct ferry_handle handle = { .fh = 1 };
	u32 times = 1 + (roll(20) == 0);

	ferry_req_pull(req, roll(300), iov, roll(3));
	ferry_req_push(req, iov, roll(3));
	while (roll(3) && ferry_dirent_add(req, bytes, roll(300), &entry, 1))
		;
	for (; times; times--) {
		switch (roll(11)) {
		case 0:
			ferry_reply_entry(req, &entry);
			break;
		case 1:
			ferry_reply_attr(req, &entry.attr, next_random(&state));
			break;
		case 2:
			ferry_reply_open(req, &handle);
			break;
		case 3:
			ferry_reply_create(req, &entry, &handle);
			break;
		case 4:
			ferry_reply_readlink(req, "target");
			break;
		case 5:
			ferry_reply_data(req, iov, roll(3));
			break;
		case 6:
			ferry_reply_written(req, roll(200));
			break;
		case 7:
			ferry_reply_lseek(req, next_random(&state));
			break;
		case 8:
			ferry_reply_xattr(req, bytes, roll(sizeof(bytes)));
			break;
		case 9:
			ferry_reply_dir(req);
			break;
		default:
			ferry_reply_err(req, (int)roll(10000) - 5000);
		}
	}
}

static void name_op(struct ferry_req *req, u64 node, const char *name)
{
	look(name);
	answer(req);
}

static void node_op(struct ferry_req *req, u64 node)
{
	answer(req);
}

static void handle_op(struct ferry_req *req, u64 node, struct ferry_handle *h)
{
	if (h)
		h->keep |= h->fh + h->flags + h->lock_owner;
	answer(req);
}

static void op_forget(struct ferry_server *server, u64 node, u64 nlookup)
{
}

static void op_setattr(struct ferry_req *req, u64 node, const struct ferry_setattr *s,
		       struct ferry_handle *h)
{
	CHECK(!(s->valid & FERRY_SET_SIZE) || s->size <= ~0ULL >> 1);
	CHECK(s->atime.nsec < 1000000000 && s->mtime.nsec < 1000000000);
	handle_op(req, node, h);
}

static void op_mknod(struct ferry_req *req, u64 parent, const char *name, u32 mode, u32 rdev)
{
	CHECK(mode & S_IFMT && !S_ISDIR(mode) && !S_ISLNK(mode));
	name_op(req, parent, name);
}

static void op_mkdir(struct ferry_req *req, u64 parent, const char *name, u32 mode)
{
	CHECK(S_ISDIR(mode));
	name_op(req, parent, name);
}

static void op_symlink(struct ferry_req *req, u64 parent, const char *name, const char *target)
{
	look(target);
	name_op(req, parent, name);
}

static void op_rename(struct ferry_req *req, u64 parent, const char *name, u64 new_parent,
		      const char *new_name, u32 flags)
{
	CHECK(flags <= FERRY_RENAME_EXCHANGE);
	look(new_name);
	name_op(req, parent, name);
}

static void op_link(struct ferry_req *req, u64 node, u64 new_parent, const char *new_name)
{
	name_op(req, node, new_name);
}

static void op_create(struct ferry_req *req, u64 parent, const char *name, u32 mode,
		      struct ferry_handle *h)
{
	look(name);
	CHECK(S_ISREG(mode));
	handle_op(req, parent, h);
}

static void op_read(struct ferry_req *req, u64 node, struct ferry_handle *h, u64 off, u32 len)
{
	CHECK(off <= ~0ULL >> 1 && off + len <= ~0ULL >> 1);
	CHECK_EQ(len, ferry_req_data_len(req));
	handle_op(req, node, h);
}

static void op_write(struct ferry_req *req, u64 node, struct ferry_handle *h, u64 off, u32 len,
		     u32 flags)
{
	op_read(req, node, h, off, len);
}

static void op_fsync(struct ferry_req *req, u64 node, struct ferry_handle *h, bool datasync)
{
	handle_op(req, node, h);
}

static void op_readdir(struct ferry_req *req, u64 node, struct ferry_handle *h, u64 off,
		       bool plus)
{
	handle_op(req, node, h);
}

static void op_setxattr(struct ferry_req *req, u64 node, const char *name, u32 len, u32 flags)
{
	CHECK_EQ(len, ferry_req_data_len(req));
	name_op(req, node, name);
}

static void op_access(struct ferry_req *req, u64 node, u32 mask)
{
	CHECK(mask <= 7);
	answer(req);
}

static void op_lseek(struct ferry_req *req, u64 node, struct ferry_handle *h, u64 off, u32 whence)
{
	CHECK(off <= ~0ULL >> 1);
	handle_op(req, node, h);
}

static void op_fallocate(struct ferry_req *req, u64 node, struct ferry_handle *h, u32 mode,
			 u64 off, u64 len)
{
	CHECK(len && off <= ~0ULL >> 1 && off + len <= ~0ULL >> 1);
	handle_op(req, node, h);
}

static const struct ferry_fs_ops ops = {
	.size = sizeof(struct ferry_fs_ops),
	.lookup = name_op, .forget = op_forget, .getattr = handle_op, .setattr = op_setattr,
	.readlink = node_op, .mknod = op_mknod, .mkdir = op_mkdir, .symlink = op_symlink,
	.unlink = name_op, .rmdir = name_op, .rename = op_rename, .link = op_link,
	.open = handle_op, .create = op_create, .read = op_read, .write = op_write,
	.flush = handle_op, .release = handle_op, .fsync = op_fsync, .opendir = handle_op,
	.readdir = op_readdir, .releasedir = handle_op, .statfs = node_op,
	.setxattr = op_setxattr, .getxattr = name_op, .listxattr = node_op,
	.removexattr = name_op, .access = op_access, .lseek = op_lseek,
	.fallocate = op_fallocate,
};

/* Bytes that are small numbers here and there, so that checks are passed too. */
static void random_fixed(char *p, u32 len)
{
	u32 i;

	memset(p, 0, len);
	for (i = 0; i < len; i++)
		if (!roll(3))
			p[i] = roll(4) ? roll(8) : next_random(&state);
}

static u32 random_name(char *p, u32 size)
{
	u32 len = roll(10) ? 1 + roll(12) : roll(size), i;

	for (i = 0; i < len; i++)
		p[i] = roll(40) ? 'a' + roll(26) : next_random(&state);
	if (len && roll(20))
		p[len - 1] = 0;
	return len;
}

/* What a right message is made of: bytes of its fixed struct, and names. */
static const struct {
	u8 fixed;
	u8 names;
} shapes[] = {
	[FUSE_LOOKUP] = { 0, 1 }, [FUSE_FORGET] = { 8, 0 }, [FUSE_GETATTR] = { 16, 0 },
	[FUSE_SETATTR] = { 88, 0 }, [FUSE_SYMLINK] = { 0, 2 }, [FUSE_MKNOD] = { 16, 1 },
	[FUSE_MKDIR] = { 8, 1 }, [FUSE_UNLINK] = { 0, 1 }, [FUSE_RMDIR] = { 0, 1 },
	[FUSE_RENAME] = { 8, 2 }, [FUSE_LINK] = { 8, 1 }, [FUSE_OPEN] = { 8, 0 },
	[FUSE_READ] = { 40, 0 }, [FUSE_WRITE] = { 40, 0 }, [FUSE_RELEASE] = { 24, 0 },
	[FUSE_FSYNC] = { 16, 0 }, [FUSE_SETXATTR] = { 8, 1 }, [FUSE_GETXATTR] = { 8, 1 },
	[FUSE_LISTXATTR] = { 8, 0 }, [FUSE_REMOVEXATTR] = { 0, 1 }, [FUSE_FLUSH] = { 24, 0 },
	[FUSE_INIT] = { 64, 0 }, [FUSE_OPENDIR] = { 8, 0 }, [FUSE_READDIR] = { 40, 0 },
	[FUSE_RELEASEDIR] = { 24, 0 }, [FUSE_FSYNCDIR] = { 16, 0 }, [FUSE_ACCESS] = { 8, 0 },
	[FUSE_CREATE] = { 16, 1 }, [FUSE_INTERRUPT] = { 8, 0 }, [FUSE_BATCH_FORGET] = { 8, 1 },
	[FUSE_FALLOCATE] = { 32, 0 }, [FUSE_READDIRPLUS] = { 40, 0 }, [FUSE_RENAME2] = { 16, 2 },
	[FUSE_LSEEK] = { 24, 0 }, [59] = { 0, 0 },
};

static void nothing_breaks(void)
{
	static const struct ferry_backend b = {
		.abi = FERRY_BACKEND_ABI, .name = "fuzz", .fs = &ops,
	};
	char fixed[100], names[2][300], data[256] = "";
	struct ferry_server server = { 0 };
	unsigned int n = test_scale(100000), passed = 0;

	state = test_seed();
	claim_note("seed %u, %u messages", test_seed(), n);
	CHECK_EQ(ferry_server_init(&server, &b, FERRY_CLASS_FS, NULL), 0);

	for (; n; n--) {
		struct message m = {
			.opcode = roll(ARRAY_SIZE(shapes)),
			.node = roll(4),
			.one_piece = roll(2),
		};
		u32 len = roll(10) ? shapes[m.opcode].fixed : roll(sizeof(fixed));
		u32 nr_names = roll(10) ? shapes[m.opcode].names : roll(3);
		struct reply reply;
		u32 i;

		random_fixed(fixed, len);
		if (len)
			m.in[m.nr_in++] = (struct part){ fixed, len };
		for (i = nr_names; i; i--)
			m.in[m.nr_in++] = (struct part){ names[i - 1],
							 random_name(names[i - 1], 300) };
		if (roll(2)) {
			m.data_len = roll(4) ? roll(8) : roll(256);
			m.data = roll(2) ? data : NULL;
		}
		for (i = roll(3); m.nr_out < i; m.nr_out++)
			m.out[m.nr_out] = roll(3) ? 144 : roll(200);

		ask(&server, &m, &reply);
		CHECK_EQ(reply.done, 1);
		CHECK(reply.error <= 0 && reply.error >= -4095);
		CHECK(reply.out_len <= m.out[0] + m.out[1]);
		CHECK(reply.pushed <= (m.data ? 0 : m.data_len));
		CHECK(!reply.error || (!reply.out_len && !reply.pushed));
		CHECK_EQ(reply.no_reply, m.opcode == FUSE_FORGET || m.opcode == FUSE_BATCH_FORGET ||
			 m.opcode == FUSE_INTERRUPT);
		passed += reply.error == 0;
		reply_free(&reply);
	}
	/* Or else the messages would not reach what is to be tested. */
	CHECK(passed > test_scale(100000) / 20);
	claim_note("%u were answered with success", passed);
}

static const struct claim claims[] = {
	{ "no message and no answer breaks the dispatcher", nothing_breaks, 300 },
};
CLAIMS_MAIN(claims)
