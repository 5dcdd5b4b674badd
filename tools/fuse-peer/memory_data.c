// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* Contents of the memory peer's regular files: pages, as memfs has them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/uio.h>

#include "memory.h"

static char zeros[PAGE_BYTES];
static atomic_ullong pages_used;

static void page_free(char **page)
{
	if (*page) {
		free(*page);
		*page = NULL;
		atomic_fetch_sub(&pages_used, 1);
	}
}

static char *page_get(struct node *node, size_t index)
{
	if (!node->pages[index]) {
		char *page = aligned_alloc(PAGE_BYTES, PAGE_BYTES);

		if (!page)
			return NULL;
		memset(page, 0, PAGE_BYTES);
		node->pages[index] = page;
		node->st.st_blocks += PAGE_BYTES / 512;
		atomic_fetch_add(&pages_used, 1);
	}
	return node->pages[index];
}

static int pages_grow(struct node *node, size_t wanted)
{
	size_t nr = node->nr_pages ? node->nr_pages : 4;
	char **pages;

	if (wanted <= node->nr_pages)
		return 0;
	while (nr < wanted)
		nr *= 2;
	pages = realloc(node->pages, nr * sizeof(*pages));
	if (!pages)
		return ENOMEM;
	memset(pages + node->nr_pages, 0, (nr - node->nr_pages) * sizeof(*pages));
	node->pages = pages;
	node->nr_pages = nr;
	return 0;
}

int data_truncate(struct node *node, off_t size)
{
	size_t first = (size + PAGE_BYTES - 1) / PAGE_BYTES;

	for (size_t i = first; i < node->nr_pages; i++) {
		if (node->pages[i])
			node->st.st_blocks -= PAGE_BYTES / 512;
		page_free(&node->pages[i]);
	}
	if (size % PAGE_BYTES && first <= node->nr_pages && node->pages[first - 1])
		memset(node->pages[first - 1] + size % PAGE_BYTES, 0,
		       PAGE_BYTES - size % PAGE_BYTES);
	node->st.st_size = size;
	node_touch(node, true);
	return 0;
}

void data_free(struct node *node)
{
	for (size_t i = 0; i < node->nr_pages; i++)
		page_free(&node->pages[i]);
	free(node->pages);
}

int data_write(struct node *node, const char *data, size_t size, off_t off)
{
	off_t end = off + size;

	if (pages_grow(node, (end + PAGE_BYTES - 1) / PAGE_BYTES))
		return ENOMEM;
	while (off < end) {
		size_t in = off % PAGE_BYTES;
		size_t len = PAGE_BYTES - in;
		char *page = page_get(node, off / PAGE_BYTES);

		if (!page)
			return ENOMEM;
		if (len > (size_t)(end - off))
			len = end - off;
		memcpy(page + in, data, len);
		data += len;
		off += len;
	}
	if (node->st.st_size < end)
		node->st.st_size = end;
	node_touch(node, true);
	return 0;
}

/* Answers @req. The node's lock is held, so that no page goes meanwhile. */
void data_read(fuse_req_t req, struct node *node, size_t size, off_t off)
{
	struct iovec iov[PEER_MAX_WRITE / PAGE_BYTES + 1];
	int nr = 0;

	if (size > PEER_MAX_WRITE)
		size = PEER_MAX_WRITE;
	if (off >= node->st.st_size)
		size = 0;
	else if ((off_t)size > node->st.st_size - off)
		size = node->st.st_size - off;
	while (size) {
		size_t index = off / PAGE_BYTES;
		size_t in = off % PAGE_BYTES;
		size_t len = PAGE_BYTES - in < size ? PAGE_BYTES - in : size;
		char *page = index < node->nr_pages ? node->pages[index] : NULL;

		iov[nr++] = (struct iovec){ .iov_base = (page ? page : zeros) + in, .iov_len = len };
		off += len;
		size -= len;
	}
	fuse_reply_iov(req, iov, nr);
}

void data_usage(struct statvfs *st, unsigned long long limit)
{
	unsigned long long used = atomic_load(&pages_used);
	unsigned long long all = limit / PAGE_BYTES;

	*st = (struct statvfs){
		.f_bsize = PAGE_BYTES,
		.f_frsize = PAGE_BYTES,
		.f_blocks = all,
		.f_bfree = used < all ? all - used : 0,
		.f_bavail = used < all ? all - used : 0,
		.f_namemax = 255,
	};
}
