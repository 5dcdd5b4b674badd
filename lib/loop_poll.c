// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Wait style poll: look before sleeping. A request comes into the queue's box and is
 * answered in its descriptor, without a system call while the client looks too.
 *
 * Spinning costs a processor, so it is done only while it pays: no more threads spin
 * than would leave one processor for the clients, what did not pay a few times in a row is
 * rarely tried, and a channel at rest has no thread that spins.
 */
#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>
#endif
#include <sched.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "ring.h"

#define SPIN_US_DEFAULT	100

/*
 * After TRIES spins in a row that no request came in, only each RETRYth sleep is preceded by
 * one. It is as long as the others: a client takes its time between two requests, and a
 * shorter look would miss it however busy it is. The kernel's side has the same rule: spin.c.
 */
#define TRIES		4
#define RETRY		64

/*
 * So many times as long is the spin after a client was woken: it has to get up before it can
 * make the next request (130 to 190 us here, for a look of 100), and would then find us asleep.
 */
#define WOKEN		4

/* Before so many looks into the box the other queues are looked at once. */
#define OWN_FIRST	8

/* Looks into the box between two at the clock, which takes as long as some of them. */
#define LOOKS		64

/**
 * struct poller - a thread's state
 * @box: its queue's, in the mapping
 * @processors: how many there are
 * @spin_ns: for how long it looks
 * @tries: how many spins may still be in vain
 * @sleeps: how often it has gone to sleep
 * @spins: how often it has begun to look
 * @licensed: it is counted in @spinners
 * @relaxes: see may_relax()
 */
struct poller {
	struct ferry_worker *worker;
	struct ferry_box *box;
	u64 spin_ns;
	int processors;
	u32 tries;
	u32 sleeps;
	u32 spins;
	bool licensed;
	bool relaxes;
};

/* Threads of this process that spin now and then. */
static int spinners;

static bool take_license(struct poller *p)
{
	if (p->licensed)
		return true;
	if (__atomic_add_fetch(&spinners, 1, __ATOMIC_RELAXED) < p->processors)
		return p->licensed = true;
	__atomic_sub_fetch(&spinners, 1, __ATOMIC_RELAXED);
	return false;
}

static void drop_license(struct poller *p)
{
	if (!p->licensed)
		return;
	p->licensed = false;
	__atomic_sub_fetch(&spinners, 1, __ATOMIC_RELAXED);
}

static u64 now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

static inline void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

/*
 * May a thread relax while it looks? A virtual machine's processor may leave the machine for
 * it, and take the host's locks or its time away from the client's.
 */
static bool may_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
	unsigned int a, b, c, d;

	return !__get_cpuid(1, &a, &b, &c, &d) || !(c & 1U << 31);
#else
	return true;
#endif
}

/* Stop looking; the tag that came meanwhile, or -EAGAIN. */
static int leave_box(struct ferry_box *box)
{
	u32 value = FERRY_BOX_SPINNING;

	if (__atomic_compare_exchange_n(&box->box, &value, FERRY_BOX_NONE, false,
					__ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		return -EAGAIN;
	__atomic_store_n(&box->box, FERRY_BOX_NONE, __ATOMIC_RELEASE);
	return value;
}

static bool may_spin(struct poller *p)
{
	return (p->tries || p->sleeps % RETRY == 0) && take_license(p);
}

/* Let requests come into the box, if that is worth it; true: it is looked into, or left. */
static bool open_box(struct poller *p)
{
	struct ferry_box *box = p->box;
	u32 value = FERRY_BOX_NONE;

	if (!may_spin(p))
		return false;
	__atomic_store_n(&box->cpu, sched_getcpu(), __ATOMIC_RELAXED);
	return __atomic_compare_exchange_n(&box->box, &value, FERRY_BOX_SPINNING, false,
					   __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

/*
 * Does a request wait? In our own queue; and, looked at now and then, in one whose servers may be
 * busy with something that takes long, while what comes into our box keeps us from there.
 */
static bool is_pending(struct poller *p)
{
	struct ferry_ring *ring = p->worker->session->loop_data;
	u32 i;

	if (__atomic_load_n(&p->box->pending, __ATOMIC_RELAXED))
		return true;
	if (++p->spins % OWN_FIRST)
		return false;
	for (i = 0; i < ring->nr_queues; i++) {
		if (__atomic_load_n(&ferry_ring_box(ring, i)->pending, __ATOMIC_RELAXED))
			return true;
	}
	return false;
}

/* The tag of a request that came while we looked into the open box, for @ns, or -EAGAIN. */
static int spin(struct poller *p, u64 ns)
{
	struct ferry_box *box = p->box;
	u32 value;
	u64 end = 0;
	int i;

	/* Pairs with the kernel's: it lists a request before it looks into the box. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (is_pending(p))
		return leave_box(box);

	do {
		for (i = 0; i < LOOKS; i++) {
			value = __atomic_load_n(&box->box, __ATOMIC_ACQUIRE);
			if (value != FERRY_BOX_SPINNING) {
				__atomic_store_n(&box->box, FERRY_BOX_NONE, __ATOMIC_RELEASE);
				p->tries = TRIES;
				return value;
			}
			if (p->relaxes)
				relax();
		}
		if (!end)
			end = now_ns() + ns;
	} while (now_ns() < end);
	if (p->tries)
		p->tries--;
	return leave_box(box);
}

/*
 * Make an answer seen. Return: what is left to say to the kernel: nothing if the
 * client looks, else FERRY_SYNC_KICK. The slot is not ours any more.
 */
static unsigned long publish(struct ferry_slot *slot)
{
	struct ferry_desc *desc = slot->desc;
	unsigned long kick = slot->tag | FERRY_SYNC_KICK;

	__atomic_store_n(&desc->done, 1, __ATOMIC_RELEASE);
	/* Pairs with the client's barrier between `wait` and its last look at `done`. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return __atomic_load_n(&desc->wait, __ATOMIC_RELAXED) ? kick : 0;
}

static void send_late(struct ferry_req *req)
{
	struct ferry_slot *slot = container_of(req, struct ferry_slot, req);
	const int fd = slot->fd;	/* before it is another request's */
	const unsigned long kick = publish(slot);

	if (kick && ioctl(fd, FERRY_IOC_SYNC, kick) < 0)
		ferry_ring_not_taken(kick, errno);
}

/* The same with an open box: a request may have come into it already. */
static int next_in_box(struct poller *p, unsigned long kick)
{
	int err = 0, tag;

	/* EINVAL: the answer did not fit, which the client was told. */
	if (kick && ioctl(p->worker->fd, FERRY_IOC_SYNC, kick) < 0 && errno != EINVAL)
		err = -errno;
	tag = err ? leave_box(p->box) : spin(p, kick ? WOKEN * p->spin_ns : p->spin_ns);
	return tag == -EAGAIN && err ? err : tag;
}

/* The next request's tag, @kick having been said; or -errno. */
static int next(struct poller *p, unsigned long kick, bool box_is_open)
{
	int tag;

	if (kick && !box_is_open) {
		tag = ioctl(p->worker->fd, FERRY_IOC_SYNC, kick | FERRY_SYNC_POLL);
		if (tag >= 0 || errno != EAGAIN)
			return tag < 0 ? -errno : tag;
		kick = 0;
	}
	if (box_is_open || open_box(p)) {
		tag = next_in_box(p, kick);
		if (tag != -EAGAIN)
			return tag;
		/* A request that lies in the queue, or nothing: sleeping finds out. */
		if (ferry_session_stops(p->worker->session))
			return -EINTR;
	}
	p->sleeps++;
	drop_license(p);
	tag = ioctl(p->worker->fd, FERRY_IOC_SYNC, FERRY_SYNC_WAIT);
	return tag < 0 ? -errno : tag;
}

static int run(struct ferry_worker *worker)
{
	struct ferry_session *session = worker->session;
	struct ferry_ring *ring = session->loop_data;
	struct poller p = {
		.worker = worker,
		.box = ferry_ring_box(ring, worker->queue),
		.spin_ns = (session->spin_us ? session->spin_us : SPIN_US_DEFAULT) * 1000ULL,
		.processors = sysconf(_SC_NPROCESSORS_ONLN),
		.tries = TRIES,
		.relaxes = may_relax(),
	};
	unsigned long kick = 0;
	bool box_is_open = false;
	int err = 0;

	while (box_is_open || !ferry_session_stops(session)) {
		int tag = next(&p, kick, box_is_open);
		struct ferry_slot *slot;

		kick = 0;
		box_is_open = false;
		if (unlikely(tag < 0)) {
			/* EINVAL: the answer did not fit, which the client was told. */
			if (tag == -EINTR || tag == -EINVAL)
				continue;
			err = tag == -ENODEV ? 0 : tag;
			break;
		}
		slot = ferry_ring_take(ring, tag, worker->fd);
		if (unlikely(!slot)) {
			err = -EPROTO;
			break;
		}
		if (likely(ferry_ring_serve(slot))) {
			/* First the box: whoever sees the answer may have another request. */
			box_is_open = !ferry_session_stops(session) && open_box(&p);
			kick = publish(slot);
		}
		if (unlikely(!ferry_session_is_up(session))) {
			if (kick)
				ioctl(worker->fd, FERRY_IOC_SYNC, kick);
			kick = 0;
			ferry_session_answered(session);
		}
	}
	if (kick)
		ioctl(worker->fd, FERRY_IOC_SYNC, kick);
	drop_license(&p);
	return err;
}

static int open_ring(struct ferry_session *session)
{
	return ferry_ring_open(session, send_late);
}

const struct ferry_loop_ops ferry_loop_poll = {
	.name = "poll",
	.create_flags = FERRY_CREATE_POLL,
	.open = open_ring,
	.run = run,
	.pending = ferry_ring_pending,
	.close = ferry_ring_close,
};
