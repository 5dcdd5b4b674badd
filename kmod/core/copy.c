// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copies between a request's data and user memory by a thread that is not the
 * request's own, and the pins that make a caller's pages stay for that.
 *
 * The caller of a request may be killed at any time, and it must not wait for a
 * server that is slow to give its memory (userfaultfd, a dead network mount). So
 * the server's memory is pinned first, a few pages at a time, without any claim on
 * the request; the copy itself then runs under the slot's lock, from page to page,
 * and the request's state is looked at under that lock.
 */
#include <linux/bvec.h>
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/uio.h>
#include "compat/core.h"
#include "core/queue.h"

/* Pages copied at a time under a slot's lock. */
#define COPY_PAGES	16

/*
 * Pin the @len bytes of @iter, a user-backed iterator, which is used up.
 * @dirty: they will be written to. 0, -EFAULT or -ENOMEM.
 */
int ferry_pin_user(struct ferry_pin *pin, struct iov_iter *iter, size_t len, bool dirty)
{
	struct page *pages[16];
	u32 max;

	iov_iter_truncate(iter, len);
	max = iov_iter_npages(iter, INT_MAX);
	pin->nr = 0;
	pin->dirty = dirty;
	pin->bvec = pin->inline_bvec;
	if (max > ARRAY_SIZE(pin->inline_bvec)) {
		pin->bvec = kvmalloc_array(max, sizeof(*pin->bvec), GFP_KERNEL);
		if (!pin->bvec)
			return -ENOMEM;
	}
	while (len) {
		size_t start;
		ssize_t got;
		u32 i;

		if (pin->nr == max)
			goto fault;
		got = ferry_iter_get_pages(iter, pages, len,
					   min_t(u32, ARRAY_SIZE(pages), max - pin->nr), &start);
		if (got <= 0)
			goto fault;
		len -= got;
		for (i = 0; got > 0; i++) {
			size_t n = min_t(size_t, got, PAGE_SIZE - start);

			bvec_set_page(&pin->bvec[pin->nr++], pages[i], n, start);
			got -= n;
			start = 0;
		}
	}
	return 0;
fault:
	pin->dirty = false;
	ferry_unpin(pin);
	return -EFAULT;
}

void ferry_unpin(struct ferry_pin *pin)
{
	u32 i;

	for (i = 0; i < pin->nr; i++)
		ferry_iter_put_page(pin->bvec[i].bv_page, pin->dirty);
	if (pin->bvec != pin->inline_bvec)
		kvfree(pin->bvec);
	pin->bvec = NULL;
}

/**
 * struct chunk - some pages of the server's memory, held
 * @pages: which
 * @nr: how many
 * @start: where the data begins in the first
 * @len: bytes of data in them
 */
struct chunk {
	struct page	*pages[COPY_PAGES];
	u32		nr;
	size_t		start;
	size_t		len;
};

/* Hold the memory behind the next bytes of @user, which is advanced. */
static int chunk_get(struct chunk *chunk, struct iov_iter *user)
{
	ssize_t len = ferry_iter_get_pages(user, chunk->pages, iov_iter_count(user), COPY_PAGES,
					   &chunk->start);

	if (len <= 0)
		return -EFAULT;
	chunk->len = len;
	chunk->nr = DIV_ROUND_UP(chunk->start + len, PAGE_SIZE);
	return 0;
}

static void chunk_put(struct chunk *chunk, bool dirty)
{
	u32 i;

	for (i = 0; i < chunk->nr; i++)
		ferry_iter_put_page(chunk->pages[i], dirty);
}

static size_t chunk_copy(struct chunk *chunk, struct iov_iter *data, bool pull)
{
	size_t start = chunk->start, left = chunk->len, done = 0;
	u32 i;

	for (i = 0; i < chunk->nr; i++) {
		size_t n = min_t(size_t, left, PAGE_SIZE - start), copied;
		void *p = kmap_local_page(chunk->pages[i]);

		copied = pull ? copy_from_iter(p + start, n, data) : copy_to_iter(p + start, n, data);
		kunmap_local(p);
		done += copied;
		if (copied < n)
			break;
		left -= n;
		start = 0;
	}
	return done;
}

/* A server's read() or write() whose memory the kernel holds already (io_uring). */
static size_t copy_kernel(struct iov_iter *from, struct iov_iter *to)
{
	size_t done = 0;

	while (iov_iter_count(from) && iov_iter_count(to)) {
		u8 buf[256];
		size_t n = copy_from_iter(buf, min(iov_iter_count(to), sizeof(buf)), from);

		if (copy_to_iter(buf, n, to) != n)
			break;
		done += n;
	}
	return done;
}

/*
 * Move data of a FETCHED request: @user is advanced. Return: bytes, less where the
 * data ends; -ENOENT: not FETCHED any more; -EFAULT; -EINVAL: a push that does not
 * begin where the last one ended.
 */
static ssize_t copy_data(struct ferry_slot *slot, u64 offset, struct iov_iter *user, bool pull)
{
	u32 way = pull ? FERRY_ARGS_DATA_IN : FERRY_ARGS_DATA_OUT;
	bool pin = user_backed_iter(user);
	ssize_t done = 0;
	int err = 0;

	while (!err && iov_iter_count(user)) {
		struct chunk chunk;
		size_t n = 0;

		if (pin)
			err = chunk_get(&chunk, user);
		if (err)
			break;

		spin_lock(&slot->lock);
		smp_mb__after_spinlock();	/* pairs with wait_for_copies(), slot.c */
		if (atomic_read(&slot->state) != FERRY_FETCHED || !slot->args->data) {
			err = -ENOENT;
		} else if (!(slot->args->flags & way) || (!pull && offset + done != slot->pushed)) {
			err = -EINVAL;
		} else if (offset + done < iov_iter_count(&slot->iter)) {
			struct iov_iter data = slot->iter;

			iov_iter_advance(&data, offset + done);
			if (pin)
				n = chunk_copy(&chunk, &data, pull);
			else
				n = pull ? copy_kernel(&data, user) : copy_kernel(user, &data);
			if (!pull)
				slot->pushed += n;
		}
		spin_unlock(&slot->lock);

		if (pin)
			chunk_put(&chunk, pull);
		if (!n)		/* an error, or the end of the data */
			break;
		done += n;
		if (fatal_signal_pending(current))
			err = -EINTR;
		cond_resched();
	}
	return err == -ENOENT ? err : done ?: err;
}

ssize_t ferry_copy_pull(struct ferry_slot *slot, u64 offset, struct iov_iter *to)
{
	return copy_data(slot, offset, to, true);
}

ssize_t ferry_copy_push(struct ferry_slot *slot, u64 offset, struct iov_iter *from)
{
	return copy_data(slot, offset, from, false);
}
