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
 * @bvec: which, and what of them
 * @nr: how many
 */
struct chunk {
	struct bio_vec	bvec[COPY_PAGES];
	u32		nr;
};

/*
 * Hold the memory behind the next bytes of @user, which is advanced. It may be in many
 * pieces: a backend names its pages one by one.
 */
static int chunk_get(struct chunk *chunk, struct iov_iter *user)
{
	struct page *pages[COPY_PAGES];

	chunk->nr = 0;
	while (chunk->nr < COPY_PAGES && iov_iter_count(user)) {
		size_t start;
		ssize_t len = ferry_iter_get_pages(user, pages, iov_iter_count(user),
						   COPY_PAGES - chunk->nr, &start);
		u32 i;

		for (i = 0; len > 0; i++) {
			size_t n = min_t(size_t, len, PAGE_SIZE - start);

			bvec_set_page(&chunk->bvec[chunk->nr++], pages[i], n, start);
			len -= n;
			start = 0;
		}
		if (!i)
			break;
	}
	return chunk->nr ? 0 : -EFAULT;
}

static void chunk_put(struct chunk *chunk, bool dirty)
{
	u32 i;

	for (i = 0; i < chunk->nr; i++)
		ferry_iter_put_page(chunk->bvec[i].bv_page, dirty);
}

/* @data is advanced. */
static size_t chunk_copy(struct chunk *chunk, struct iov_iter *data, bool pull)
{
	size_t done = 0;
	u32 i;

	for (i = 0; i < chunk->nr; i++) {
		const struct bio_vec *bv = &chunk->bvec[i];
		void *p = kmap_local_page(bv->bv_page);
		size_t copied = pull ? copy_from_iter(p + bv->bv_offset, bv->bv_len, data) :
				       copy_to_iter(p + bv->bv_offset, bv->bv_len, data);

		kunmap_local(p);
		done += copied;
		if (copied < bv->bv_len)
			break;
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

/**
 * struct place - where in a request's data a copy has come to
 * @unique: the request, 0 before it is known
 * @data: what is left of its data; good as long as the slot holds this request and is
 *	FETCHED, for that long its pages stay
 */
struct place {
	u64		unique;
	struct iov_iter	data;
};

/* Is the slot's request, FETCHED, the one that @place is in? @offset: if not known yet. */
static bool place_find(struct place *place, const struct ferry_slot *slot, u64 offset)
{
	if (place->unique)
		return place->unique == slot->unique;
	place->unique = slot->unique;
	place->data = slot->iter;
	iov_iter_advance(&place->data, min_t(u64, offset, iov_iter_count(&place->data)));
	return true;
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
	struct place place = { .unique = 0 };
	ssize_t done = 0;
	int err = 0;

	while (!err && iov_iter_count(user)) {
		struct chunk chunk FERRY_UNINIT;
		size_t n = 0;

		if (pin)
			err = chunk_get(&chunk, user);
		if (err)
			break;

		spin_lock(&slot->lock);
		smp_mb__after_spinlock();	/* pairs with ferry_slot_wait_for_copies() */
		if (!ferry_slot_is_fetched(slot) || !slot->args->data ||
		    !place_find(&place, slot, offset)) {
			err = -ENOENT;
		} else if (!(slot->args->flags & way) || (!pull && offset + done != slot->pushed)) {
			err = -EINVAL;
		} else if (iov_iter_count(&place.data)) {
			if (pin)
				n = chunk_copy(&chunk, &place.data, pull);
			else
				n = pull ? copy_kernel(&place.data, user) :
					   copy_kernel(user, &place.data);
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
