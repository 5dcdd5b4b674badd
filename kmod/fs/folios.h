/* SPDX-License-Identifier: GPL-2.0-only */
/* READs and WRITEs of folios: what cache.c and writeback.c have in common, private to them. */
#ifndef FERRY_FS_FOLIOS_H
#define FERRY_FS_FOLIOS_H

#include <linux/bvec.h>
#include <linux/pagemap.h>
#include <linux/slab.h>
#include <linux/workqueue.h>
#include "fs/fs.h"

/**
 * struct ferry_io - a READ or WRITE of folios that is under way
 * @args: the request, whose memory all of this is
 * @iter: @args.data: what is left to move
 * @file: holds a reference
 * @mapping: stays as long as its inode is pinned; where it could not be, as long as one of the
 *	folios is locked (READ) or under write-back (WRITE)
 * @pinned: ferry_inode_pin() was called
 * @pos: of the first byte
 * @len: bytes
 * @nr: of @bvec that are used
 * @max: of @bvec that there are
 * @reserved: it is of the reserve (WRITE)
 * @read: what READ says
 * @write: what WRITE says
 * @written: what it answers
 * @work: goes on with it, on ferry_io_wq
 * @bvec: one a folio
 */
struct ferry_io {
	struct ferry_args		args;
	struct iov_iter			iter;
	struct ferry_file		*file;
	struct address_space		*mapping;
	loff_t				pos;
	size_t				len;
	unsigned int			nr;
	unsigned int			max;
	bool				reserved;
	bool				pinned;
	union {
		struct fuse_read_in	read;
		struct fuse_write_in	write;
	};
	struct fuse_write_out		written;
	struct work_struct		work;
	struct bio_vec			bvec[];
};

/* One for up to @max folios; NULL: no memory. Never waits for write-back. */
static inline struct ferry_io *ferry_io_alloc(unsigned int max)
{
	struct ferry_io *io = kmalloc(struct_size(io, bvec, max),
				      GFP_NOFS | __GFP_NORETRY | __GFP_NOWARN);

	if (io) {
		io->max = max;
		io->reserved = false;
	}
	return io;
}

static inline void ferry_io_init(struct ferry_io *io, struct ferry_file *ff,
				 struct address_space *mapping, bool pinned, loff_t pos)
{
	io->file = ff;
	io->mapping = mapping;
	io->pinned = pinned;
	io->pos = pos;
	io->len = 0;
	io->nr = 0;
}

/* Do @len bytes at @pos go on where @io ends, and does it have room for them? */
static inline bool ferry_io_takes(const struct ferry_io *io, loff_t pos, size_t len, size_t max)
{
	return io->pos + io->len == pos && io->len + len <= max && io->nr < io->max;
}

static inline void ferry_io_add(struct ferry_io *io, struct folio *folio, size_t len)
{
	io->bvec[io->nr++] = (struct bio_vec) {
		.bv_page = folio_page(folio, 0),
		.bv_len = len,
	};
	io->len += len;
}

static inline struct folio *ferry_io_folio(const struct ferry_io *io, unsigned int i)
{
	return page_folio(io->bvec[i].bv_page);
}

/* cache.c */
extern struct workqueue_struct *ferry_io_wq;

/* writeback.c */
int ferry_writeback_init(void);
void ferry_writeback_exit(void);
int ferry_writepages(struct address_space *mapping, struct writeback_control *wbc);

#endif
