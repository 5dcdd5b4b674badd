// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* Answers: right ones of a filesystem and a disk that do not exist, and wrong ones. */
#include <dirent.h>
#include <sys/stat.h>

#include "fuzz.h"

/* Nodes are numbers below NODES; what one is follows from its number. */
static struct fuse_attr attr_of(uint64_t *rng, uint64_t node)
{
	static const uint32_t modes[] = {
		S_IFREG | 0666, S_IFDIR | 0777, S_IFREG | 0666, S_IFLNK | 0777,
		S_IFREG | 0666, S_IFDIR | 0777, S_IFIFO | 0666, S_IFREG | 04777,
	};

	return (struct fuse_attr){
		.ino = node,
		.mode = node == FUSE_ROOT_ID ? S_IFDIR | 0777 : modes[node % COUNT(modes)],
		.nlink = 1 + node % 3,
		.size = node % 4 == 3 ? 6 : below(rng, 4) ? 10000 * (node % 16) :
			below(rng, 1 << 22),
		.blocks = 8,
		.blksize = 4096,
		.mtime = below(rng, 4),
	};
}

static uint64_t some_seconds(uint64_t *rng)
{
	return one_in(rng, 2) ? 0 : below(rng, 3);
}

static void put(struct reply *reply, const void *p, size_t len)
{
	memcpy(reply->structs + reply->structs_len, p, len);
	reply->structs_len += len;
}

static void put_entry(uint64_t *rng, struct reply *reply, uint64_t node)
{
	struct fuse_entry_out out = {
		.nodeid = node,
		.generation = node / 16,
		.entry_valid = some_seconds(rng),
		.attr_valid = some_seconds(rng),
		.attr = attr_of(rng, node),
	};

	put(reply, &out, sizeof(out));
}

static void put_open(uint64_t *rng, struct reply *reply, int backing)
{
	static const uint32_t flags[] = {
		0, 0, FOPEN_DIRECT_IO, FOPEN_KEEP_CACHE, FOPEN_CACHE_DIR | FOPEN_KEEP_CACHE,
		FOPEN_NONSEEKABLE, FOPEN_STREAM, FOPEN_NOFLUSH,
	};
	struct ferry_open_out out = {
		.fh = below(rng, 100),
		.open_flags = flags[below(rng, COUNT(flags))],
	};

	if (backing) {
		out.open_flags |= FERRY_OPEN_PASSTHROUGH;
		out.backing_id = backing;
	}
	put(reply, &out, sizeof(out));
}

/* Of an opcode that makes something: one of the kind that was asked for. */
static uint64_t new_node(uint64_t *rng, uint32_t opcode)
{
	uint64_t row = 8 * (1 + below(rng, NODES / 8 - 1));

	switch (opcode) {
	case FUSE_MKDIR:
		return row + 1;
	case FUSE_SYMLINK:
		return row + 3;
	default:
		return row + 2 * below(rng, 2);
	}
}

static void make_init(uint64_t *rng, struct reply *reply)
{
	struct fuse_init_out out = {
		.major = 7,
		.minor = 38,
		.max_readahead = odd32(rng),
		.flags = FUSE_BIG_WRITES | FUSE_MAX_PAGES | FUSE_INIT_EXT |
			 (next_random(rng) & (FUSE_WRITEBACK_CACHE | FUSE_DO_READDIRPLUS |
					      FUSE_READDIRPLUS_AUTO | FUSE_ASYNC_READ |
					      FUSE_PARALLEL_DIROPS | FUSE_POSIX_LOCKS |
					      FUSE_FLOCK_LOCKS | FUSE_AUTO_INVAL_DATA |
					      FUSE_CACHE_SYMLINKS | FUSE_ATOMIC_O_TRUNC |
					      FUSE_NO_OPEN_SUPPORT | FUSE_EXPORT_SUPPORT)),
		.max_background = below(rng, 64),
		.max_write = 4096u << below(rng, 11),
		.time_gran = 1,
		.max_pages = 1u << below(rng, 11),
	};
	uint32_t depth = 1;

	if (one_in(rng, 2)) {
		out.flags &= ~FUSE_WRITEBACK_CACHE;
		out.flags2 = FERRY_FUSE_PASSTHROUGH;
		memcpy(out.unused, &depth, sizeof(depth));
	}
	put(reply, &out, sizeof(out));
}

static void make_listing(uint64_t *rng, const struct request *req, struct reply *reply)
{
	bool plus = req->head.opcode == FUSE_READDIRPLUS;
	const struct fuse_read_in *in = (const void *)req->arg;
	uint64_t at = in->offset < NODES ? in->offset : NODES;
	size_t head = plus ? sizeof(struct fuse_entry_out) : 0;

	for (; at < NODES; at++) {
		struct fuse_dirent d = {
			.ino = at + 1, .off = at + 1, .type = below(rng, 16),
		};
		char name[16], *p = reply->data + reply->data_len;
		size_t size;

		d.namelen = snprintf(name, sizeof(name), "f%u", (unsigned int)at);
		size = FUSE_DIRENT_ALIGN(head + FUSE_NAME_OFFSET + d.namelen);
		if (reply->data_len + size > req->room || reply->data_len + size > DATA_SIZE)
			break;
		memset(p, 0, size);
		if (plus) {
			struct fuse_entry_out e = {
				.nodeid = at + 2, .attr = attr_of(rng, at + 2),
				.entry_valid = some_seconds(rng), .attr_valid = some_seconds(rng),
			};

			memcpy(p, &e, sizeof(e));
		}
		memcpy(p + head, &d, FUSE_NAME_OFFSET);
		memcpy(p + head + FUSE_NAME_OFFSET, name, d.namelen);
		reply->data_len += size;
	}
}

static void some_data(uint64_t *rng, const struct request *req, struct reply *reply)
{
	reply->data_len = req->room < DATA_SIZE ? req->room : DATA_SIZE;
	if (one_in(rng, 4))
		reply->data_len = below(rng, reply->data_len + 1);
	memset(reply->data, next_random(rng), reply->data_len < 64 ? reply->data_len : 64);
}

static void make_fs(uint64_t *rng, const struct request *req, int backing, struct reply *reply)
{
	struct fuse_attr_out attr = { .attr_valid = some_seconds(rng) };
	struct fuse_statfs_out statfs = { .st = { .bsize = 4096, .frsize = 4096, .namelen = 255 } };
	struct fuse_getxattr_out xattr = { .size = 1 + below(rng, 300) };
	struct fuse_write_out written = { .size = req->in };
	struct fuse_lseek_out seek = { .offset = below(rng, 100000) };
	struct fuse_lk_out lk = { .lk = { .type = below(rng, 3), .end = below(rng, 100) } };
	uint64_t node;

	switch (req->head.opcode) {
	case FUSE_INIT:
		make_init(rng, reply);
		break;
	case FUSE_LOOKUP:
		/* By the name's second letter; now and then there is no such name, for a while. */
		node = 2 + (unsigned char)req->arg[1] * 7 % (NODES - 2);
		if (one_in(rng, 8))
			reply->error = -ENOENT;
		else
			put_entry(rng, reply, one_in(rng, 16) ? 0 : node);
		break;
	case FUSE_GETATTR:
	case FUSE_SETATTR:
		attr.attr = attr_of(rng, req->head.nodeid);
		put(reply, &attr, sizeof(attr));
		break;
	case FUSE_CREATE:
		put_entry(rng, reply, new_node(rng, FUSE_CREATE));
		put_open(rng, reply, backing);
		break;
	case FUSE_MKNOD:
	case FUSE_MKDIR:
	case FUSE_SYMLINK:
	case FUSE_LINK:
		put_entry(rng, reply, new_node(rng, req->head.opcode));
		break;
	case FUSE_OPEN:
	case FUSE_OPENDIR:
		put_open(rng, reply, req->head.opcode == FUSE_OPEN ? backing : 0);
		break;
	case FUSE_READ:
		some_data(rng, req, reply);
		break;
	case FUSE_WRITE:
		put(reply, &written, sizeof(written));
		break;
	case FUSE_READDIR:
	case FUSE_READDIRPLUS:
		make_listing(rng, req, reply);
		break;
	case FUSE_READLINK:
		memcpy(reply->data, "target", 6);
		reply->data_len = 6;
		break;
	case FUSE_STATFS:
		put(reply, &statfs, sizeof(statfs));
		break;
	case FUSE_GETXATTR:
	case FUSE_LISTXATTR:
		if (((const struct fuse_getxattr_in *)req->arg)->size)
			some_data(rng, req, reply);
		else
			put(reply, &xattr, sizeof(xattr));
		break;
	case FUSE_LSEEK:
		put(reply, &seek, sizeof(seek));
		break;
	case FUSE_GETLK:
		put(reply, &lk, sizeof(lk));
		break;
	default:
		if (one_in(rng, 8))
			reply->error = -ENOSYS;
	}
}

static void make_disk(uint64_t *rng, const struct request *req, struct reply *reply)
{
	const struct ferry_blk_resize *resize = (const void *)req->arg;
	struct ferry_blk_init_out init = {
		.version = FERRY_BLK_VERSION,
		.flags = next_random(rng) & 0x3f & ~(one_in(rng, 4) ? 0 : FERRY_BLK_READ_ONLY),
		.size = (uint64_t)(1 + below(rng, 1024)) << 20,
		.logical_block = 512u << below(rng, 4),
		.max_transfer = 4096u << below(rng, 9),
		.depth = below(rng, 20),
	};
	struct ferry_blk_resize size = { resize->size };

	init.physical_block = init.logical_block;
	init.io_min = init.logical_block;
	switch (req->head.opcode) {
	case FERRY_BLK_INIT:
		put(reply, &init, sizeof(init));
		break;
	case FERRY_BLK_READ:
		reply->data_len = req->room < DATA_SIZE ? req->room : DATA_SIZE;
		memset(reply->data, one_in(rng, 2) ? 0 : next_random(rng), 512);
		/* Now and then something that looks like a partition table. */
		reply->data[510] = 0x55;
		reply->data[511] = one_in(rng, 2) ? 0xaa : 0;
		break;
	case FERRY_BLK_RESIZE:
		size.size = (uint64_t)(1 + below(rng, 1024)) << 20;
		put(reply, &size, sizeof(size));
		break;
	}
}

void reply_make(uint64_t *rng, const struct round *r, const struct request *req, int backing,
		struct reply *reply)
{
	reply->error = 0;
	reply->structs_len = 0;
	reply->data_len = 0;
	if (req->head.opcode >= FERRY_OP_CORE)
		some_data(rng, req, reply);
	else if (r->class == FERRY_CLASS_FS)
		make_fs(rng, req, backing, reply);
	else
		make_disk(rng, req, reply);
}

void reply_mutate(uint64_t *rng, struct reply *reply)
{
	switch (below(rng, 8)) {
	case 0:
		reply->error = odd32(rng);
		break;
	case 1:
		reply->error = -(int)below(rng, 140);
		if (one_in(rng, 2))
			reply->structs_len = reply->data_len = 0;
		break;
	case 2:
		reply->structs_len = below(rng, REPLY_STRUCTS);
		break;
	case 3:
		reply->data_len = below(rng, DATA_SIZE);
		break;
	case 4:
		if (reply->data_len) {
			mangle(rng, reply->data, reply->data_len < 512 ? reply->data_len : 512, 6);
			break;
		}
		/* fall through */
	default:
		mangle(rng, reply->structs, reply->structs_len ? reply->structs_len : 128, 3);
	}
}
