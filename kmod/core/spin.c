// SPDX-License-Identifier: GPL-2.0-only
/* Looking for an answer without sleeping, while a server spins as well (style poll). */
#include <linux/sched/clock.h>
#include "core/queue.h"

/* Of a slot's requests one in so many tries when FERRY_SPIN_TRIES in a row did not pay. */
#define RETRY	64

/* Looks for the answer between two at the clock and the slot's state. */
#define LOOKS	64

/* Is it worth it? What has not paid for some time is tried now and then. */
static bool may_spin(const struct ferry_slot *slot, u32 tries)
{
	const struct ferry_queue *q = slot->queue;

	/* An id is the slot's number, and its requests' number times all the slots. */
	return tries || !((slot->unique / (q->chan->geo.nr_queues * q->depth)) % RETRY);
}

/*
 * Spinning pays while the server is awake and quick; whether it does is learned, by the queue.
 * @look: true if the answer is there, and taken. Return: it was.
 */
bool ferry_spin(struct ferry_slot *slot, bool (*look)(struct ferry_slot *slot))
{
	struct ferry_queue *q = slot->queue;
	u32 tries = READ_ONCE(q->spin_tries);
	int state;
	u64 end;

	if (!may_spin(slot, tries))
		return false;
	end = local_clock() + (u64)READ_ONCE(q->chan->spin_us) * NSEC_PER_USEC;
	do {
		unsigned int i;

		for (i = 0; i < LOOKS; i++) {
			if (look(slot)) {
				if (tries < FERRY_SPIN_TRIES)
					WRITE_ONCE(q->spin_tries, FERRY_SPIN_TRIES);
				ferry_stat_way(q->chan, FERRY_WAY_SPUN);
				return true;
			}
		}
		cpu_relax();	/* seldom: a virtual processor may leave its machine for it */
		state = atomic_read(&slot->state);
	} while (!need_resched() && (state == FERRY_FETCHED || state == FERRY_QUEUED) &&
		 local_clock() < end);
	if (tries)
		WRITE_ONCE(q->spin_tries, tries - 1);
	ferry_stat_way(q->chan, FERRY_WAY_SPUN_OUT);
	return false;
}

/*
 * A submitted request is ended here if it is answered. It may be over already, and the slot
 * another's: nothing of that is taken but what is done, as if a server had told us.
 */
static bool look_and_end(struct ferry_slot *slot)
{
	if (!ferry_ring_is_done(slot))
		return false;
	ferry_slot_kick(slot);
	return true;
}

/*
 * A submitted request is with a server that spins and tells nobody: look for the answer for a
 * while, then have it told. The channel's srcu is held: the request may be over at any time.
 */
void ferry_slot_look(struct ferry_slot *slot)
{
	if (ferry_spin(slot, look_and_end))
		return;
	/* Pairs with the server's barrier between `done` and `wait`. */
	ferry_ring_set_wait(slot, true);
	smp_mb();
	look_and_end(slot);
}
