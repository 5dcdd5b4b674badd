// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copies between a request's data and user memory by a thread that is not the
 * request's own, and the pins that make a caller's pages stay for that.
 *
 * The caller of a request may be killed at any time, and it must not wait for a
 * server that is slow to give its memory (userfaultfd, a dead network mount). So
 * the server's memory is faulted in first, without any claim on the request; the
 * copy itself then runs under the slot's lock without taking faults, and the
 * request's state is looked at under that lock.
 */
#include <linux/bvec.h>
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/uio.h>
#include "compat/core.h"
#include "core/queue.h"

/* Bytes copied at a time under a slot's lock. */
#define COPY_CHUNK	(32 * PAGE_SIZE)

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

/* Copy up to @len bytes between kernel pages and user memory without faults. */
static size_t copy_nofault(struct iov_iter *pages, struct iov_iter *user, size_t len, bool pull)
{
	size_t done = 0;

	pagefault_disable();
	while (done < len && iov_iter_count(pages)) {
		size_t n, copied;
		void *base, *map = NULL;

		if (iov_iter_is_bvec(pages)) {
			size_t off = pages->bvec->bv_offset + pages->iov_offset;

			n = min_t(size_t, pages->bvec->bv_len - pages->iov_offset,
				  PAGE_SIZE - offset_in_page(off));
			map = kmap_local_page(pages->bvec->bv_page + off / PAGE_SIZE);
			base = map + offset_in_page(off);
		} else {
			n = pages->kvec->iov_len - pages->iov_offset;
			base = pages->kvec->iov_base + pages->iov_offset;
		}
		n = min3(n, len - done, iov_iter_count(pages));
		copied = pull ? copy_to_iter(base, n, user) : copy_from_iter(base, n, user);
		if (map)
			kunmap_local(map);
		iov_iter_advance(pages, copied);
		done += copied;
		if (copied < n)
			break;
	}
	pagefault_enable();
	return done;
}

/*
 * Move data of a FETCHED request: @user is advanced. Return: bytes, less where the
 * data ends; -ENOENT: not FETCHED any more; -EFAULT; -EINVAL: a push that does not
 * begin where the last one ended.
 */
static ssize_t copy_data(struct ferry_slot *slot, u64 offset, struct iov_iter *user, bool pull)
{
	ssize_t done = 0;
	int err = 0;

	while (iov_iter_count(user)) {
		size_t chunk = min_t(size_t, iov_iter_count(user), COPY_CHUNK);
		size_t n = 0, left;

		left = pull ? fault_in_iov_iter_writeable(user, chunk) :
			      fault_in_iov_iter_readable(user, chunk);
		if (left == chunk) {
			err = -EFAULT;
			break;
		}

		spin_lock(&slot->lock);
		smp_mb__after_spinlock();	/* pairs with wait_for_copies(), slot.c */
		if (atomic_read(&slot->state) != FERRY_FETCHED || !slot->args->data) {
			err = -ENOENT;
		} else if (!(slot->args->flags &
			     (pull ? FERRY_ARGS_DATA_IN : FERRY_ARGS_DATA_OUT)) ||
			   (!pull && offset + done != slot->pushed)) {
			err = -EINVAL;
		} else if (offset + done < iov_iter_count(&slot->iter)) {
			struct iov_iter pages = slot->iter;

			iov_iter_advance(&pages, offset + done);
			left = min(chunk - left, iov_iter_count(&pages));
			n = copy_nofault(&pages, user, left, pull);
			if (!pull)
				slot->pushed += n;
		} else {
			chunk = 0;	/* the end of the data */
		}
		spin_unlock(&slot->lock);

		if (err || !chunk)
			break;
		done += n;
		if (fatal_signal_pending(current)) {
			err = -EINTR;
			break;
		}
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
