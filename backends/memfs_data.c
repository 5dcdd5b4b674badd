// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Contents of regular files: pages by number, what is not there is a hole. All
 * bytes of a page behind the end of the file are zero, so that a file may grow
 * without a look at them.
 */
#include "memfs.h"

#define PAGE_OF(off)	((off) / FERRY_PAGE_SIZE)
#define IN_PAGE(off)	((u32)((off) % FERRY_PAGE_SIZE))

/* Pieces moved at a time: few come from the stack, many are 1 MiB at any offset. */
#define IOV_FEW		32
#define IOV_MANY	257

/* In loops over the pages of a file, of which @nr is one. */
static void page_passed(u64 nr)
{
	if (nr % 64 == 0)
		ferry_yield();
}

/* Bytes from @off to the next begin of a page, 0 if it is one. */
static u64 to_page(u64 off)
{
	return -off % FERRY_PAGE_SIZE;
}

/* The regular file of a number, locked; NULL and @err if there is none. */
static struct memfs_node *file_get(struct memfs *fs, u64 id, bool write, int *err)
{
	struct memfs_node *node = write ? memfs_node_write(fs, id) : memfs_node_read(fs, id);

	if (!node) {
		*err = -ESTALE;
		return NULL;
	}
	if (likely(node->type == S_IFREG))
		return node;
	*err = node->type == S_IFDIR ? -EISDIR : -EINVAL;
	if (write)
		ferry_write_unlock(&node->lock);
	else
		ferry_read_unlock(&node->lock);
	return NULL;
}

static u64 pages_missing(const struct memfs_node *node, u64 first, u64 count)
{
	u64 missing = count;
	u64 nr;

	for (nr = first; memfs_map_next(&node->pages, &nr) && nr - first < count; nr++) {
		missing--;
		page_passed(nr);
	}
	return missing;
}

/* Pages that @len > 0 bytes from @off on touch. */
static u64 span_pages(u64 off, u64 len)
{
	return PAGE_OF(IN_PAGE(off) + len - 1) + 1;
}

/* The caller has saved the node. @raw: and overwrites the page, or zeroes it himself. */
static void *page_make(struct memfs_node *node, u64 nr, bool raw)
{
	void *page = raw ? ferry_state_page_alloc_raw() : ferry_state_page_alloc();

	if (!page)
		return NULL;
	if (memfs_map_set(&node->pages, nr, page)) {
		ferry_state_page_free(page);
		return NULL;
	}
	node->nr_pages++;
	return page;
}

/*
 * A page is going to be written to. What is written inside of the file is not saved: it
 * is written again, or nobody knows what it was to be. Bytes behind its end are zero if
 * this write is not to be.
 */
static void page_save(const struct memfs_node *node, u64 nr, char *page)
{
	u64 begin = nr * FERRY_PAGE_SIZE;
	u32 inside = node->size > begin ? min(node->size - begin, (u64)FERRY_PAGE_SIZE) : 0;

	if (inside < FERRY_PAGE_SIZE)
		ferry_tx_add(page + inside, FERRY_PAGE_SIZE - inside);
}

/*
 * See that the pages are there that @len bytes from @off on lie in; @iov is set to them.
 * Returns how many are there, less where memory or what the limit leaves ends. @fresh: none
 * of them was; then those that are to be overwritten as a whole hold any bytes.
 */
static u64 pages_make(struct memfs *fs, struct memfs_node *node, u64 off, u64 len,
		      struct ferry_iov *iov, bool *fresh)
{
	u64 first = PAGE_OF(off), count = span_pages(off, len);
	u64 missing = pages_missing(node, first, count);
	u64 granted = memfs_pages_charge(fs, missing);
	u64 i;

	*fresh = missing == count;
	for (i = 0; i < count; i++) {
		void *page = memfs_map_get(&node->pages, first + i);
		bool cut = (!i && IN_PAGE(off)) || (i == count - 1 && IN_PAGE(off + len));

		if (!page) {
			page = granted ? page_make(node, first + i, *fresh && !cut) : NULL;
			if (!page)
				break;
			granted--;
		} else {
			page_save(node, first + i, page);
		}
		iov[i].base = page;
		iov[i].len = FERRY_PAGE_SIZE;
	}
	memfs_pages_uncharge(fs, granted);
	return i;
}

/* Make holes of the pages from @first to @last. */
static void pages_drop(struct memfs *fs, struct memfs_node *node, u64 first, u64 last)
{
	u64 nr = first;
	u64 dropped = 0;

	while (memfs_map_next(&node->pages, &nr) && nr <= last) {
		ferry_state_page_free(memfs_map_del(&node->pages, nr));
		dropped++;
		page_passed(dropped);
	}
	node->nr_pages -= dropped;
	memfs_pages_uncharge(fs, dropped);
}

/* @save: what was there, for when this is not to be */
static void wipe(struct memfs_node *node, u64 off, u64 len, bool save)
{
	while (len) {
		u32 n = min(len, (u64)(FERRY_PAGE_SIZE - IN_PAGE(off)));
		u8 *page = memfs_map_get(&node->pages, PAGE_OF(off));

		if (page) {
			if (save)
				ferry_tx_add(page + IN_PAGE(off), n);
			memset(page + IN_PAGE(off), 0, n);
		}
		page_passed(PAGE_OF(off));
		off += n;
		len -= n;
	}
}

/* Zero @len bytes from @off on where there are pages; whole ones are not dropped. */
static void zero(struct memfs_node *node, u64 off, u64 len)
{
	wipe(node, off, len, true);
}

/* Zero @len bytes from @off on, and make holes of whole pages. */
static void punch(struct memfs *fs, struct memfs_node *node, u64 off, u64 len)
{
	u64 head = min(len, to_page(off));
	u64 pages;

	zero(node, off, head);
	off += head;
	len -= head;
	pages = PAGE_OF(len);
	if (pages)
		pages_drop(fs, node, PAGE_OF(off), PAGE_OF(off) + pages - 1);
	zero(node, off + pages * FERRY_PAGE_SIZE, IN_PAGE(len));
}

/*
 * Set the length of a file
 * @size: MEMFS_SIZE_MAX at most
 *
 * Unless the file grows, what fallocate() left behind the end goes too.
 */
void memfs_data_resize(struct memfs *fs, struct memfs_node *node, u64 size)
{
	if (size <= node->size) {
		zero(node, size, to_page(size));
		pages_drop(fs, node, PAGE_OF(size + to_page(size)), PAGE_OF(MEMFS_SIZE_MAX));
	}
	node->size = size;
}

/* Pieces of @few, or more where the heap has them and @pages wants them. */
static struct ferry_iov *iov_get(struct ferry_iov *few, u64 pages, u64 *room)
{
	struct ferry_iov *many = NULL;

	*room = IOV_FEW;
	if (pages > IOV_FEW) {
		pages = min(pages, (u64)IOV_MANY);
		many = ferry_alloc(pages * sizeof(*many));
		if (many)
			*room = pages;
	}
	return many ? many : few;
}

static void iov_put(struct ferry_iov *iov, const struct ferry_iov *few)
{
	if (iov != few)
		ferry_free(iov);
}

/*
 * Of @nr whole pages keep @len bytes from @off on, and make one piece of neighbours: the
 * host spends more on a piece than on a page. Returns how many pieces are left.
 */
static u64 iov_trim(struct ferry_iov *iov, u64 nr, u64 off, u64 len)
{
	u64 last = 0, i;

	iov[nr - 1].len = IN_PAGE(off + len - 1) + 1;
	iov[0].base = (u8 *)iov[0].base + IN_PAGE(off);
	iov[0].len -= IN_PAGE(off);
	for (i = 1; i < nr; i++) {
		if (iov[i].base == (u8 *)iov[last].base + iov[last].len)
			iov[last].len += iov[i].len;
		else
			iov[++last] = iov[i];
	}
	return last + 1;
}

/* How many bytes from @off on lie in @room pages, @len at most. */
static u64 span(u64 off, u64 len, u64 room)
{
	return min(len, room * FERRY_PAGE_SIZE - IN_PAGE(off));
}

static int push_file(struct ferry_req *req, const struct memfs_node *node, u64 off, u64 len)
{
	struct ferry_iov few[IOV_FEW];
	struct memfs *fs = memfs_of(req);
	struct ferry_iov *iov;
	ssize_t n = 0;
	u64 room;

	if (off >= node->size)
		return 0;
	len = min(len, node->size - off);
	if (!len)
		return 0;
	iov = iov_get(few, span_pages(off, len), &room);
	while (len) {
		u64 part = span(off, len, room);
		u64 nr = span_pages(off, part);
		u64 i;

		for (i = 0; i < nr; i++) {
			void *page = memfs_map_get(&node->pages, PAGE_OF(off) + i);

			iov[i].base = page ? page : fs->zero_page;
			iov[i].len = FERRY_PAGE_SIZE;
		}
		n = ferry_req_push(req, iov, iov_trim(iov, nr, off, part));
		if (n < (ssize_t)part)
			break;
		off += part;
		len -= part;
	}
	iov_put(iov, few);
	return n < 0 ? n : 0;
}

void memfs_read(struct ferry_req *req, u64 id, struct ferry_handle *handle, u64 off, u32 len)
{
	struct memfs *fs = memfs_of(req);
	struct memfs_node *node;
	int err;

	node = file_get(fs, id, false, &err);
	if (node) {
		err = push_file(req, node, off, len);
		memfs_node_accessed(fs, node);
	}
	if (err)
		ferry_reply_err(req, err);
	else
		ferry_reply_data(req, NULL, 0);
}

/*
 * Only @got bytes of @len came: what did not must not show, now in pages that were made for
 * it, or when the file grows.
 */
static void pull_failed(struct memfs_node *node, u64 off, u64 len, u64 got, bool fresh)
{
	u64 from = fresh ? off + got : max(off + got, node->size);

	if (from < off + len)	/* what was in fresh pages nobody wants back */
		wipe(node, from, off + len - from, !fresh);
}

/* Returns bytes written, or -errno if there are none. */
static s64 pull_file(struct ferry_req *req, struct memfs_node *node, u64 off, u64 len)
{
	struct ferry_iov few[IOV_FEW];
	struct memfs *fs = memfs_of(req);
	struct ferry_iov *iov;
	u64 done = 0;
	s64 err = 0;
	u64 room;

	if (!len)
		return 0;
	iov = iov_get(few, span_pages(off, len), &room);
	while (done < len && !err) {
		u64 pos = off + done;
		u64 part = span(pos, len - done, room);
		u64 nr = span_pages(pos, part);
		bool fresh;
		u64 made = pages_make(fs, node, pos, part, iov, &fresh);
		ssize_t n;

		if (made < nr) {
			err = -ENOSPC;
			if (!made)
				break;
			part = span(pos, part, made);
		}
		n = ferry_req_pull(req, done, iov, iov_trim(iov, made, pos, part));
		if (n < (ssize_t)part)
			err = n < 0 ? n : -EIO;
		if (n > 0) {
			done += n;
			node->size = max(node->size, off + done);
		}
		if (n < (ssize_t)part)
			pull_failed(node, pos, part, max(n, (ssize_t)0), fresh);
	}
	iov_put(iov, few);
	return done ? (s64)done : err;
}

/*
 * Whether a write changes bytes that are there, and times, and nothing else: then it can
 * be done twice.
 */
static bool is_in_place(struct memfs *fs, u64 id, u64 off, u64 len, u32 flags)
{
	struct memfs_node *node;
	bool is;
	int err;

	node = file_get(fs, id, false, &err);
	if (!node)
		return true;
	is = off + len <= node->size && !node->xattrs && !(flags & FERRY_WRITE_KILL_SUID) &&
	     (!len || !pages_missing(node, PAGE_OF(off), span_pages(off, len)));
	ferry_read_unlock(&node->lock);
	return is;
}

void memfs_write(struct ferry_req *req, u64 id, struct ferry_handle *handle, u64 off, u32 len,
		 u32 flags)
{
	struct memfs *fs = memfs_of(req);
	struct memfs_node *node;
	s64 done;
	int err;

	if (ferry_state_is_kept() && !is_in_place(fs, id, off, len, flags))
		ferry_tx_begin();
	node = file_get(fs, id, true, &err);
	if (!node) {
		ferry_reply_err(req, err);
		return;
	}
	memfs_node_save(node);
	done = pull_file(req, node, off, len);
	if (done > 0) {
		memfs_node_changed(node, true);
		memfs_xattr_drop_caps(fs, node);
		if (flags & FERRY_WRITE_KILL_SUID)
			memfs_node_kill_suid(node);
	}
	ferry_write_unlock(&node->lock);
	if (done < 0)
		ferry_reply_err(req, done);
	else
		ferry_reply_written(req, done);
}

static s64 seek(const struct memfs_node *node, u64 off, u32 whence)
{
	u64 nr = PAGE_OF(off);

	if (off >= node->size)
		return -ENXIO;
	if (whence == SEEK_DATA) {
		if (!memfs_map_next(&node->pages, &nr) || nr > PAGE_OF(node->size - 1))
			return -ENXIO;
		return max(off, nr * FERRY_PAGE_SIZE);
	}
	while (memfs_map_get(&node->pages, nr))
		page_passed(nr++);
	off = max(off, nr * FERRY_PAGE_SIZE);
	return min(off, node->size);
}

void memfs_lseek(struct ferry_req *req, u64 id, struct ferry_handle *handle, u64 off,
		 u32 whence)
{
	struct memfs_node *node;
	s64 pos;
	int err;

	node = file_get(memfs_of(req), id, false, &err);
	if (!node) {
		ferry_reply_err(req, err);
		return;
	}
	pos = seek(node, off, whence);
	ferry_read_unlock(&node->lock);
	if (pos < 0)
		ferry_reply_err(req, pos);
	else
		ferry_reply_lseek(req, pos);
}

/* All pages of a range or, where the limit says so, none. */
static int preallocate(struct memfs *fs, struct memfs_node *node, u64 off, u64 len)
{
	u64 first = PAGE_OF(off);
	u64 nr = span_pages(off, len);
	u64 missing, granted, i;

	if (fs->max_pages && nr > fs->max_pages)
		return -ENOSPC;
	missing = pages_missing(node, first, nr);
	granted = memfs_pages_charge(fs, missing);
	if (granted < missing) {
		memfs_pages_uncharge(fs, granted);
		return -ENOSPC;
	}
	for (i = 0; i < nr && granted; i++) {
		page_passed(i);
		if (memfs_map_get(&node->pages, first + i))
			continue;
		if (!page_make(node, first + i, false)) {
			memfs_pages_uncharge(fs, granted);
			return -ENOMEM;
		}
		granted--;
	}
	return 0;
}

static int allocate(struct memfs *fs, struct memfs_node *node, u32 mode, u64 off, u64 len)
{
	int err = 0;

	switch (mode) {
	case 0:
	case FALLOC_FL_KEEP_SIZE:
		err = preallocate(fs, node, off, len);
		break;
	case FALLOC_FL_ZERO_RANGE:
	case FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE:
		err = preallocate(fs, node, off, len);
		/* What is in the file is zeroed again, or was to be; behind its end all is zero. */
		if (!err)
			wipe(node, off, len, false);
		break;
	case FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE:
		punch(fs, node, off, len);
		break;
	default:
		return -EOPNOTSUPP;
	}
	if (err)
		return err;
	if (!(mode & FALLOC_FL_KEEP_SIZE))
		node->size = max(node->size, off + len);
	memfs_node_changed(node, true);
	return 0;
}

void memfs_fallocate(struct ferry_req *req, u64 id, struct ferry_handle *handle, u32 mode,
		     u64 off, u64 len)
{
	struct memfs *fs = memfs_of(req);
	struct memfs_node *node;
	int err;

	node = file_get(fs, id, true, &err);
	if (node) {
		memfs_node_save(node);
		err = allocate(fs, node, mode, off, len);
		ferry_write_unlock(&node->lock);
	}
	ferry_reply_err(req, err);
}
