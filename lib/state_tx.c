// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Transactions: one at a time, beside no other request. The log grows by what a
 * transaction changes; its end is one store, of the request's `unique` to its slot's mark.
 * What is given back is free behind that store only.
 *
 *	before the mark		undo: old bytes back, what was allocated is free
 *	behind it		redo: what was given back is free
 *
 * Both can be repeated from their begin, by a process that dies in them too.
 */
#include <linux/futex.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "state.h"

#define LOG		((char *)STATE_BASE + STATE_LOG_OFF)
#define LOG_MAX		(STATE_KINDS_OFF - STATE_LOG_OFF)
#define LOG_KEEP	(1ULL << 20)	/* bytes of memory that the log keeps when it is done */

/**
 * struct record - stands behind what it tells of, so that the log is read from its end
 * @what: enum state_note
 * @len: NOTE_BYTES: how many; they stand before it, rounded up to 8
 */
struct record {
	char *p;
	u32 what;
	u32 len;
};

bool ferry_tx_open;

/* The state is being made: if this process dies nobody will look for it. */
static bool is_new;

/**
 * struct visitor - a thread whose requests go through the gate
 * @inside: it is at a request that is no transaction
 */
struct visitor {
	struct visitor *next;
	u32 inside;
} __attribute__((aligned(64)));

/*
 * The gate: a transaction has it alone, everything else passes side by side. Who passes
 * writes to a place of its own, says @inside and then looks whether it is closed; who closes
 * it says so and then looks who is inside: with a full barrier between, in both.
 */
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;	/* held while it is closed */
static u32 gate_closed;
static u32 gate_left;		/* futex: visitors that went out while it was closed */
static struct visitor *visitors;	/* covered by gate */

static __thread struct {
	struct visitor *visitor;
	enum ferry_change how;
	u32 tag;
	u64 unique;
} me __attribute__((tls_model("initial-exec")));

static void append(void *p, u32 what, u32 len)
{
	const u64 bytes = (len + 7ULL) / 8 * 8;
	char *to = LOG + the_state->log.used;
	const struct record record = { .p = p, .what = what, .len = len };

	if (unlikely(the_state->log.used + bytes + sizeof(record) > LOG_MAX)) {
		ferry_log(FERRY_LOG_ERR, "a request changes more than can be undone");
		abort();
	}
	memcpy(to, p, len);
	memcpy(to + bytes, &record, sizeof(record));
	state_order();
	the_state->log.used += bytes + sizeof(record);
	state_order();
}

void ferry_tx_log(void *p, size_t len)
{
	if (unlikely(!state_heap_has(p, len))) {
		ferry_log(FERRY_LOG_ERR, "%p: is no part of the state", p);
		abort();
	}
	append(p, NOTE_BYTES, len);
}

void state_tx_note(void *p, enum state_note what)
{
	if (is_new) {
		if (what == NOTE_FREE)
			state_heap_free(p);
		else if (what == NOTE_CLOSE)
			state_fd_close((intptr_t)p);
		return;
	}
	if (unlikely(!ferry_tx_open)) {
		ferry_log(FERRY_LOG_ERR, "the state is changed by a request that must not");
		abort();
	}
	append(p, what, 0);
}

/* Go back through the log; @old is what stands before a record. */
static void for_each_record(void (*each)(const struct record *record, const char *old))
{
	u64 at = the_state->log.used;

	while (at) {
		const struct record *record = (void *)(LOG + at - sizeof(*record));

		at -= sizeof(*record) + (record->len + 7ULL) / 8 * 8;
		each(record, LOG + at);
	}
}

static void undo(const struct record *record, const char *old)
{
	if (record->what == NOTE_BYTES)
		memcpy(record->p, old, record->len);
	else if (record->what == NOTE_ALLOC)
		state_heap_mark_free(record->p);
	else if (record->what == NOTE_OPEN)
		state_fd_close((intptr_t)record->p);
}

static void redo(const struct record *record, const char *old)
{
	if (record->what == NOTE_FREE)
		state_heap_mark_free(record->p);
	else if (record->what == NOTE_CLOSE)
		state_fd_close((intptr_t)record->p);
}

static void give_back(const struct record *record, const char *old)
{
	if (record->what == NOTE_FREE)
		state_heap_free(record->p);
	else if (record->what == NOTE_CLOSE)
		state_fd_close((intptr_t)record->p);
}

/* The log is done with. */
static void clear_log(void)
{
	const u64 used = the_state->log.used;

	state_order();
	the_state->log.used = 0;
	state_order();
	if (unlikely(used > LOG_KEEP))
		state_give_back(LOG + LOG_KEEP,
				(used - LOG_KEEP + FERRY_PAGE_SIZE - 1) & -FERRY_PAGE_SIZE);
}

/* Before the heap is used: what a dead process had under way comes to an end. */
void state_tx_recover(u64 (*mark)(void *arg, u32 tag), void *arg)
{
	const u32 tag = the_state->log.tag;

	if (!the_state->log.used)
		return;
	if ((tag == STATE_NO_TAG ? the_state->mark : mark(arg, tag)) == the_state->log.unique)
		for_each_record(redo);
	else
		for_each_record(undo);
	clear_log();
}

static bool is_closed(void)
{
	return __atomic_load_n(&gate_closed, __ATOMIC_SEQ_CST);
}

static void go_out(void)
{
	__atomic_exchange_n(&me.visitor->inside, 0, __ATOMIC_SEQ_CST);
	if (unlikely(is_closed())) {
		__atomic_add_fetch(&gate_left, 1, __ATOMIC_SEQ_CST);
		syscall(SYS_futex, &gate_left, FUTEX_WAKE_PRIVATE, 1);
	}
}

/* Behind the transaction that is under way; also a thread's first time. */
static void go_in_slowly(void)
{
	if (me.visitor)
		go_out();
	pthread_mutex_lock(&gate);
	if (!me.visitor) {
		me.visitor = aligned_alloc(64, sizeof(*me.visitor));
		if (!me.visitor) {
			ferry_log(FERRY_LOG_ERR, "no memory for a thread");
			abort();
		}
		me.visitor->next = visitors;
		visitors = me.visitor;
	}
	me.visitor->inside = 1;
	pthread_mutex_unlock(&gate);
}

static void go_in(void)
{
	if (likely(me.visitor)) {
		__atomic_exchange_n(&me.visitor->inside, 1, __ATOMIC_SEQ_CST);
		if (likely(!is_closed()))
			return;
	}
	go_in_slowly();
}

static void close_gate(void)
{
	struct visitor *v;

	pthread_mutex_lock(&gate);
	__atomic_exchange_n(&gate_closed, 1, __ATOMIC_SEQ_CST);
	for (v = visitors; v; v = v->next) {
		for (;;) {
			u32 left = __atomic_load_n(&gate_left, __ATOMIC_SEQ_CST);

			if (!__atomic_load_n(&v->inside, __ATOMIC_SEQ_CST))
				break;
			syscall(SYS_futex, &gate_left, FUTEX_WAIT_PRIVATE, left, NULL);
		}
	}
}

static void open_gate(void)
{
	__atomic_store_n(&gate_closed, 0, __ATOMIC_RELEASE);
	pthread_mutex_unlock(&gate);
}

void state_tx_cancel(void)
{
	if (!ferry_tx_open && !is_new)
		return;
	ferry_tx_open = false;
	is_new = false;
	open_gate();
}

/* The transaction that was entered is the first of a state: nothing of it is logged. */
void state_tx_is_new(void)
{
	is_new = true;
	ferry_tx_open = false;
}

static void open_tx(void)
{
	close_gate();
	the_state->log.tag = me.tag;
	the_state->log.unique = me.unique;
	state_order();
	ferry_tx_open = true;
}

void ferry_tx_enter(enum ferry_change how, u32 tag, u64 unique)
{
	me.how = how;
	if (how == FERRY_CHANGE_NONE) {
		go_in();
		return;
	}
	me.tag = tag;
	me.unique = unique;
	if (how == FERRY_CHANGE_ALL)
		open_tx();
	else
		go_in();
}

void ferry_tx_begin(void)
{
	if (!ferry_state_kept || me.how != FERRY_CHANGE_BYTES)
		return;
	me.how = FERRY_CHANGE_ALL;
	go_out();
	open_tx();
}

void ferry_state_leave(void)
{
	if (ferry_state_kept && me.how != FERRY_CHANGE_ALL)
		go_out();
}

void ferry_state_return(void)
{
	int err = errno;

	if (ferry_state_kept && me.how != FERRY_CHANGE_ALL)
		go_in();
	errno = err;
}

/* The open transaction becomes one of no request, whose mark is in the state itself. */
static u64 *own_mark(void)
{
	the_state->log.tag = STATE_NO_TAG;
	the_state->log.unique = the_state->mark + 1;
	return &the_state->mark;
}

void ferry_tx_leave(u64 *mark)
{
	if (me.how != FERRY_CHANGE_ALL) {
		go_out();
		return;
	}
	if (the_state->log.used) {
		if (unlikely(!mark))
			mark = own_mark();
		/* All that was changed, and the reply, before the mark; the rest behind. */
		state_order();
		*(volatile u64 *)mark = the_state->log.unique;
		state_order();
		for_each_record(give_back);
		clear_log();
	}
	state_heap_trim();
	is_new = false;
	ferry_tx_open = false;
	open_gate();
}
