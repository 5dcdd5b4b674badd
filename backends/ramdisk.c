// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * ramdisk: a disk in memory. A page is there from the first write to it until it is
 * discarded; what is not there reads as zeros.
 *
 * Pages are kept in leaves of a two-level table. A lock covers a stripe of leaves: read
 * and write of pages that are there share it, whoever makes or drops pages has it
 * alone. Requests that overlap are the client's to order, as with any disk.
 *
 * All of it is in the state, which outlives the server (state.h). What a transaction undoes
 * is which pages there are. Their bytes it does not: a write, or zeroing, that was begun
 * comes again and puts the same bytes there.
 */
#include <ferry/block.h>
#include <ferry/state.h>

#define SIZE_DEFAULT	(1ULL << 30)
#define SIZE_LIMIT	(1ULL << 44)
#define LEAF_PAGES	512U
#define LEAF_BYTES	((u64)LEAF_PAGES * FERRY_PAGE_SIZE)
#define STRIPES		64U
#define PIECES		64U
#define END		(~0ULL)	/* of saved pages: none has that number */

/** struct leaf - pages of LEAF_BYTES of the disk */
struct leaf {
	void *page[LEAF_PAGES];
};

/**
 * struct ramdisk - the root of the state
 * @limit: bytes that it may be resized to
 * @size: bytes that it has
 * @resize_lock: guards the server's size against another resize
 * @stripe: stripe[i] guards leaf[n] and what is in it, n % STRIPES == i
 * @leaf: NULL where nothing was written
 */
struct ramdisk {
	u64 limit;
	u64 size;
	struct ferry_mutex resize_lock;
	struct ferry_rwlock stripe[STRIPES];
	struct leaf **leaf;
};

/* A piece of a request that lies in one page. */
struct piece {
	u64 leaf;
	u32 page;
	u32 off;
	u32 len;
};

static const u8 zeros[FERRY_PAGE_SIZE];

static struct ramdisk *ramdisk_of(const struct ferry_req *req)
{
	return ferry_req_server(req)->priv;
}

static struct piece piece_at(u64 off, u64 len)
{
	u32 in_page = off % FERRY_PAGE_SIZE;

	return (struct piece) {
		.leaf = off / LEAF_BYTES,
		.page = off % LEAF_BYTES / FERRY_PAGE_SIZE,
		.off = in_page,
		.len = min(len, (u64)FERRY_PAGE_SIZE - in_page),
	};
}

static struct ferry_rwlock *lock_of(struct ramdisk *disk, u64 leaf)
{
	return &disk->stripe[leaf % STRIPES];
}

static void *page_at(const struct ramdisk *disk, const struct piece *p)
{
	const struct leaf *leaf = disk->leaf[p->leaf];

	return leaf ? leaf->page[p->page] : NULL;
}

/* The page, made if need be; under the leaf's lock, alone, and in a transaction. */
static void *make_page(struct ramdisk *disk, const struct piece *p)
{
	struct leaf *leaf = disk->leaf[p->leaf];

	if (!leaf) {
		leaf = ferry_state_alloc(sizeof(*leaf));
		if (!leaf)
			return NULL;
		ferry_tx_save(disk->leaf[p->leaf]);
		disk->leaf[p->leaf] = leaf;
	}
	if (!leaf->page[p->page]) {
		ferry_tx_save(leaf->page[p->page]);
		leaf->page[p->page] = ferry_state_page_alloc();
	}
	return leaf->page[p->page];
}

static void drop_leaf(struct ramdisk *disk, u64 n)
{
	struct leaf *leaf = disk->leaf[n];
	u32 i;

	ferry_yield();
	if (!leaf)
		return;
	for (i = 0; i < LEAF_PAGES; i++)
		ferry_state_page_free(leaf->page[i]);
	ferry_tx_save(disk->leaf[n]);
	disk->leaf[n] = NULL;
	ferry_state_free(leaf);
}

/*
 * Pages of one leaf from @off on, as many as @iov takes; under its lock. Return: how many
 * pieces; @len: out: bytes in them. 0: the first page is not there and may not be made.
 */
static u32 map_pieces(struct ramdisk *disk, u64 off, u32 *len, struct ferry_iov *iov, bool write)
{
	const u64 leaf = off / LEAF_BYTES;
	u32 done = 0, n;

	for (n = 0; n < PIECES && done < *len; n++) {
		struct piece p = piece_at(off + done, *len - done);
		char *page;

		if (p.leaf != leaf)
			break;
		page = page_at(disk, &p);
		if (!page && write)
			break;
		iov[n].base = (page ? page : (char *)zeros) + p.off;
		iov[n].len = p.len;
		done += p.len;
	}
	*len = done;
	return n;
}

static void ramdisk_read(struct ferry_req *req, u64 off, u32 len)
{
	struct ramdisk *disk = ramdisk_of(req);
	struct ferry_iov iov[PIECES] FERRY_UNINIT;
	ssize_t done = 0;

	while (len && done >= 0) {
		struct ferry_rwlock *lock = lock_of(disk, off / LEAF_BYTES);
		u32 n, part = len;

		ferry_read_lock(lock);
		n = map_pieces(disk, off, &part, iov, false);
		done = ferry_req_push(req, iov, n);
		ferry_read_unlock(lock);
		off += part;
		len -= part;
	}
	ferry_reply_err(req, done < 0 ? done : 0);
}

/* Make the pages of a leaf that a write from @off on wants; 0 or -ENOSPC. */
static int make_pieces(struct ramdisk *disk, u64 off, u32 len)
{
	const u64 leaf = off / LEAF_BYTES;
	struct ferry_rwlock *lock = lock_of(disk, leaf);
	int err = 0;

	ferry_write_lock(lock);
	while (len && !err) {
		struct piece p = piece_at(off, len);

		if (p.leaf != leaf)
			break;
		err = make_page(disk, &p) ? 0 : -ENOSPC;
		off += p.len;
		len -= p.len;
	}
	ferry_write_unlock(lock);
	return err;
}

static void ramdisk_write(struct ferry_req *req, u64 off, u32 len, u32 flags)
{
	struct ramdisk *disk = ramdisk_of(req);
	struct ferry_iov iov[PIECES] FERRY_UNINIT;
	u64 pulled = 0;
	int err = 0;

	while (len && !err) {
		struct ferry_rwlock *lock = lock_of(disk, off / LEAF_BYTES);
		ssize_t done = 0;
		u32 n, part = len;

		ferry_read_lock(lock);
		n = map_pieces(disk, off, &part, iov, true);
		if (n)
			done = ferry_req_pull(req, pulled, iov, n);
		ferry_read_unlock(lock);
		if (!n) {
			ferry_tx_begin();
			err = make_pieces(disk, off, len);
		}
		else if (done != part)
			err = done < 0 ? done : -EIO;
		off += part;
		len -= part;
		pulled += part;
	}
	ferry_reply_err(req, err);
}

static void drop_page(struct leaf *leaf, u32 n)
{
	void *page = leaf->page[n];

	if (!page)
		return;
	ferry_tx_save(leaf->page[n]);
	leaf->page[n] = NULL;
	ferry_state_page_free(page);
}

/* Whole pages are given back unless @keep, of others the piece is cleared. */
static void clear(struct ramdisk *disk, u64 off, u64 len, bool keep)
{
	while (len) {
		struct piece p = piece_at(off, len);
		struct ferry_rwlock *lock = lock_of(disk, p.leaf);
		u64 step = p.len;

		ferry_write_lock(lock);
		if (off % LEAF_BYTES == 0 && len >= LEAF_BYTES && !keep) {
			drop_leaf(disk, p.leaf);
			step = LEAF_BYTES;
		} else if (!disk->leaf[p.leaf]) {
			step = min(len, LEAF_BYTES - off % LEAF_BYTES);
		} else if (p.len == FERRY_PAGE_SIZE && !keep) {
			drop_page(disk->leaf[p.leaf], p.page);
		} else if (page_at(disk, &p)) {
			memset((char *)page_at(disk, &p) + p.off, 0, p.len);
		}
		ferry_write_unlock(lock);
		if (keep && (off + step) % LEAF_BYTES == 0)
			ferry_yield();
		off += step;
		len -= step;
	}
}

static void ramdisk_discard(struct ferry_req *req, u64 off, u64 len)
{
	clear(ramdisk_of(req), off, len, false);
	ferry_reply_err(req, 0);
}

static void ramdisk_write_zeroes(struct ferry_req *req, u64 off, u64 len, u32 flags)
{
	clear(ramdisk_of(req), off, len, flags & FERRY_BLOCK_KEEP);
	ferry_reply_err(req, 0);
}

/* The table has room for the limit: nothing moves. */
static void ramdisk_resize(struct ferry_req *req, u64 size)
{
	struct ramdisk *disk = ramdisk_of(req);

	if (!size)
		size = disk->limit - disk->limit % ferry_req_server(req)->block.logical_block;
	if (size > disk->limit) {
		ferry_reply_err(req, -ENOSPC);
		return;
	}
	ferry_mutex_lock(&disk->resize_lock);
	if (size < disk->size)
		clear(disk, size, disk->size - size, false);
	ferry_tx_save(disk->size);
	disk->size = size;
	ferry_reply_resized(req, size);
	ferry_mutex_unlock(&disk->resize_lock);
}

static int parse(struct ferry_server *server, const char *args, u64 *limit)
{
	static const char *const known[] = { "size", "max", "block", NULL };
	u64 size = SIZE_DEFAULT, block = FERRY_BLOCK_SIZE_MIN;

	if (ferry_args_check(server, args, known))
		return -EINVAL;
	if (ferry_opt_size(args, "size", &size) || ferry_opt_size(args, "block", &block) ||
	    size > SIZE_LIMIT || block > FERRY_BLOCK_SIZE_MAX) {
		ferry_log(FERRY_LOG_ERR, "ramdisk: size=, max= and block= want bytes, as in size=512M,block=4096");
		return -EINVAL;
	}
	*limit = size;
	if (ferry_opt_size(args, "max", limit) || *limit < size || *limit > SIZE_LIMIT) {
		ferry_log(FERRY_LOG_ERR, "ramdisk: max= wants bytes, from size= to 16T");
		return -EINVAL;
	}
	server->block.size = size;
	server->block.logical_block = block;
	server->block.physical_block = FERRY_PAGE_SIZE;
	return 0;
}

static u64 nr_leaves(const struct ramdisk *disk)
{
	return (disk->limit + LEAF_BYTES - 1) / LEAF_BYTES;
}

/* A disk with nothing on it, or NULL. */
static struct ramdisk *ramdisk_new(u64 size, u64 limit)
{
	struct ramdisk *disk = ferry_state_alloc(sizeof(*disk));

	if (!disk)
		return NULL;
	disk->size = size;
	disk->limit = limit;
	disk->leaf = ferry_state_alloc(nr_leaves(disk) * sizeof(struct leaf *));
	if (!disk->leaf) {
		ferry_state_free(disk);
		ferry_log(FERRY_LOG_ERR, "ramdisk: no memory for the table of %llu bytes", limit);
		return NULL;
	}
	ferry_state_set_root(disk);
	return disk;
}

static int ramdisk_init(struct ferry_server *server, const char *args)
{
	struct ramdisk *disk;
	u64 limit;
	int err;
	u32 i;

	err = parse(server, args, &limit);
	if (err)
		return err;
	disk = ferry_state_root();
	if (!disk)
		disk = ramdisk_new(server->block.size, limit);
	if (!disk)
		return -ENOMEM;
	server->block.size = disk->size;
	/* In a state that was found, those who held them are dead. */
	ferry_mutex_init(&disk->resize_lock);
	for (i = 0; i < STRIPES; i++)
		ferry_rwlock_init(&disk->stripe[i]);
	server->priv = disk;
	return 0;
}

static void ramdisk_destroy(struct ferry_server *server)
{
	struct ramdisk *disk = server->priv;
	u64 n;
	u32 i;

	for (i = 0; i < STRIPES; i++)
		ferry_rwlock_destroy(&disk->stripe[i]);
	ferry_mutex_destroy(&disk->resize_lock);
	if (ferry_state_is_kept())	/* it goes as a whole */
		return;
	for (n = 0; n < nr_leaves(disk); n++)
		drop_leaf(disk, n);
	ferry_state_free(disk->leaf);
	ferry_state_free(disk);
}

static void save_leaf(struct ferry_stream *stream, const struct leaf *leaf, u64 first)
{
	u64 i, n;

	for (i = 0; i < LEAF_PAGES && !stream->err; i++) {
		if (!leaf->page[i])
			continue;
		n = first + i;
		ferry_stream_write(stream, &n, sizeof(n));
		ferry_stream_write(stream, leaf->page[i], FERRY_PAGE_SIZE);
	}
}

/* Its size is among the server's settings; the pages, each with its number, are ours. */
static int ramdisk_save(struct ferry_server *server, struct ferry_stream *stream)
{
	const struct ramdisk *disk = server->priv;
	u64 n, end = END;

	for (n = 0; n < nr_leaves(disk) && !stream->err; n++)
		if (disk->leaf[n])
			save_leaf(stream, disk->leaf[n], n * LEAF_PAGES);
	return ferry_stream_write(stream, &end, sizeof(end));
}

static int ramdisk_load(struct ferry_server *server, struct ferry_stream *stream)
{
	struct ramdisk *disk = server->priv;
	struct piece p;
	void *page;
	u64 n;

	if (server->block.size > disk->limit)
		return -EPROTO;
	disk->size = server->block.size;
	while (!ferry_stream_read(stream, &n, sizeof(n)) && n != END) {
		if (n > (disk->limit - 1) / FERRY_PAGE_SIZE)
			return -EPROTO;
		p = piece_at(n * FERRY_PAGE_SIZE, FERRY_PAGE_SIZE);
		page = make_page(disk, &p);
		if (!page)
			return -ENOMEM;
		ferry_stream_read(stream, page, FERRY_PAGE_SIZE);
	}
	return stream->err;
}

static const struct ferry_block_ops ramdisk_ops = {
	.size = sizeof(ramdisk_ops),
	.init = ramdisk_init,
	.destroy = ramdisk_destroy,
	.read = ramdisk_read,
	.write = ramdisk_write,
	.discard = ramdisk_discard,
	.write_zeroes = ramdisk_write_zeroes,
	.resize = ramdisk_resize,
};

FERRY_BACKEND(ramdisk, .help = "[size=BYTES][,max=BYTES][,block=BYTES]"
			       "  a disk in memory (1G), which can be resized up to max",
	      .flags = FERRY_RECOVERS, .block = &ramdisk_ops, .save = ramdisk_save,
	      .load = ramdisk_load);
