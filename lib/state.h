/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * The state file: memory that the channel keeps when its server dies. What the files
 * state*.c share with each other and with those that serve.
 *
 * It is a sparse memory file, mapped where every server process maps it, so that
 * pointers in it stay valid:
 *
 *	head	who made it, the backend's root, how far the pages go
 *	log	what the transaction under way has to undo
 *	kinds	a struct state_kind for each page
 *	pages	all that was allocated
 *
 * Only process death is survived, in which a thread stops between two instructions and
 * all that it stored before is there: the order of stores in the program is all that
 * counts (state_order()).
 */
#ifndef FERRY_LIB_STATE_H
#define FERRY_LIB_STATE_H

#include <ferry/backend.h>
#include <ferry/req.h>
#include <ferry/state.h>

/* Where processes have less room: User-Mode Linux, riscv64 with Sv39. */
#ifndef FERRY_ADDRESS_BITS
#define FERRY_ADDRESS_BITS	47
#endif
#if FERRY_ADDRESS_BITS >= 47
#define STATE_BASE		(1ULL << 45)	/* no allocator and no sanitizer uses it */
#define STATE_KINDS_OFF		(1ULL << 36)
#define STATE_PAGES_OFF		(1ULL << 37)
#define STATE_PAGES_MAX		(1ULL << 28)	/* 1 TiB */
#else
#define STATE_BASE		(1ULL << 37)
#define STATE_KINDS_OFF		(1ULL << 32)
#define STATE_PAGES_OFF		(1ULL << 33)
#define STATE_PAGES_MAX		(1ULL << 24)	/* 64 GiB */
#endif
#define STATE_LOG_OFF		(1ULL << 20)
#define STATE_SIZE		(STATE_PAGES_OFF + STATE_PAGES_MAX * FERRY_PAGE_SIZE)

#define STATE_NO_TAG		0xffffffffU

/**
 * struct state_head - begin of the file
 * @magic, @layout: STATE_MAGIC, STATE_LAYOUT
 * @build: of the backend
 * @root: the backend's
 * @nr_pages: pages that were ever used; beyond them nothing is
 * @mark: takes the place of desc.mark for a transaction of no request
 * @log: the transaction under way
 * @log.used: bytes of the log area; 0: it has changed nothing
 * @log.unique: its request's
 * @log.tag: its request's, or STATE_NO_TAG
 */
struct state_head {
	u64 magic;
	u32 layout;
	u8 build[20];
	void *root;
	u64 nr_pages;
	u64 mark;
	struct {
		u64 used;
		u64 unique;
		u32 tag;
	} log;
};

#define the_state	((struct state_head *)STATE_BASE)

static inline void state_order(void)
{
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
}

/* state.c: 0 or -errno after a line in the log */

/**
 * ferry_state_create() - make the process's state; init() of @backend may use it
 * @fd: out, the file, to be given to the channel; stays the caller's
 * Return: 0; -EBUSY: the process has one; -EEXIST: the address is taken
 *
 * A transaction is open until ferry_state_ready().
 */
int ferry_state_create(const struct ferry_backend *backend, int *fd);

/** ferry_state_warm() - have memory ready for a state that is loaded while clients wait */
void ferry_state_warm(void);

/** ferry_state_cool() - give back what of it was not needed; beside requests */
void ferry_state_cool(void);

/**
 * ferry_state_attach() - go on with the state that another process left
 * @mark: desc.mark of a slot of the channel
 * @arg: for it
 *
 * What the transaction in which it died has changed is undone, unless the mark says that
 * it came to its end. Otherwise as ferry_state_create().
 * Return: as there, or -EINVAL: it is of another build
 */
int ferry_state_attach(const struct ferry_backend *backend, int fd,
		       u64 (*mark)(void *arg, u32 tag), void *arg);

/**
 * ferry_state_ready() - init() is over
 * Return: whether the backend keeps anything here; if not there is no state any more
 */
bool ferry_state_ready(void);

/** ferry_state_close() - forget the state; a no-op if there is none */
void ferry_state_close(void);

/* state_tx.c: around ferry_dispatch(), in the thread that calls it, when a state is kept. */

/**
 * ferry_tx_enter() - before the dispatch
 * @how: see ferry_req_change()
 * @tag, @unique: the request's
 */
void ferry_tx_enter(enum ferry_change how, u32 tag, u64 unique);

/**
 * ferry_tx_leave() - behind it: what was changed is so from here on
 * @mark: where to say so, the reply being complete; NULL: there is none yet
 */
void ferry_tx_leave(u64 *mark);

/* Among state*.c alone. */

/* What a transaction did, or is going to do at its end. */
enum state_note {
	NOTE_BYTES,	/* changes bytes */
	NOTE_ALLOC,	/* @p was allocated */
	NOTE_FREE,	/* @p was given back */
	NOTE_OPEN,	/* the descriptor whose number is @p is there */
	NOTE_CLOSE,	/* it is given back */
};

void state_fd_init(void);
void state_fd_close(int fd);
void state_tx_recover(u64 (*mark)(void *arg, u32 tag), void *arg);
void state_tx_note(void *p, enum state_note what);

int state_give_back(void *p, u64 len);	/* the memory of whole pages, which are zeros then */

void state_tx_cancel(void);	/* the one that is open, if there is one */
void state_tx_is_new(void);

void state_heap_init(void);
u64 state_heap_used(void);	/* bytes that are allocated */
bool state_heap_has(const void *p, size_t len);
void *state_heap_alloc(size_t size);
void *state_heap_page(bool zero);
void state_heap_free(void *p);
void state_heap_mark_free(void *p);
void state_heap_trim(void);	/* of too much free memory some goes back; in a transaction */

extern u32 state_heap_keeps;	/* how many free pages keep their memory; tests change it */

#endif
