/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * State that outlives its server.
 *
 * A user process may be killed at any instruction. What it keeps in memory of its own
 * is lost; what it keeps here is found by the next one, at the same addresses, and as
 * it was between two requests: either all that a request changed is there or nothing
 * of it, and a request whose changes are there is never executed again.
 *
 * For that, each request that changes something is a *transaction*. libferry begins it
 * before it calls the backend's operation, and no other request of the server is under
 * way meanwhile; requests that change nothing run beside each other. A backend that
 * declares FERRY_RECOVERS
 *
 *  - keeps what must survive in memory of ferry_state_alloc() and its kin, found again
 *    by ferry_state_root(), and keeps no pointer there to anything else;
 *  - says ferry_tx_add() before it changes a piece of it that is older than the
 *    transaction; afterwards that piece may be changed as often as need be;
 *  - answers a request that changes something before its operation returns;
 *  - in init(), finds what it left there, in a transaction as well, and makes its locks
 *    anew: who held them is dead.
 *
 * Without a state to keep (in the kernel, and in a daemon whose channel dies with it)
 * all this is plain allocation, and ferry_tx_add() is nothing. There is one such state
 * in a process.
 */
#ifndef FERRY_STATE_H
#define FERRY_STATE_H

#include <ferry/env.h>

#ifdef __KERNEL__
static inline bool ferry_state_is_kept(void)
{
	return false;
}

static inline void *ferry_state_root(void)
{
	return NULL;
}

static inline void ferry_state_set_root(void *root)
{
}

static inline void *ferry_state_alloc(size_t size)
{
	return ferry_alloc(size);
}

static inline void ferry_state_free(void *p)
{
	ferry_free(p);
}

static inline void *ferry_state_page_alloc(void)
{
	return ferry_page_alloc();
}

static inline void *ferry_state_page_alloc_raw(void)
{
	return ferry_page_alloc_raw();
}

static inline void ferry_state_page_free(void *page)
{
	ferry_page_free(page);
}

static inline int ferry_state_keep_file(struct ferry_file *file)
{
	return -EBADF;
}

static inline int ferry_state_find_file(int kept, const struct ferry_file_id *id,
					struct ferry_file **file)
{
	return -EBADF;
}

static inline int ferry_state_watch_file(const struct ferry_file *file)
{
	return -EBADF;
}

static inline int ferry_state_watched(int watch)
{
	return 0;
}

static inline void ferry_tx_begin(void)
{
}

static inline void ferry_tx_add(void *p, size_t len)
{
}
#else
/* Read by the functions below; written by libferry. */
extern bool ferry_state_kept;
extern bool ferry_tx_open;

void ferry_tx_log(void *p, size_t len);

/** ferry_state_is_kept() - whether there is a state that outlives the server */
static inline bool ferry_state_is_kept(void)
{
	return ferry_state_kept;
}

/**
 * ferry_state_root() - what the server before this one left
 * Return: what it gave to ferry_state_set_root(); NULL: this one is the first
 */
void *ferry_state_root(void);

/** ferry_state_set_root() - the place from which all the rest is found; in init() */
void ferry_state_set_root(void *root);

/**
 * ferry_state_alloc() - as ferry_alloc(), in the state if there is one
 * Context: in a transaction: a request that changes something, or init(). If the
 *	transaction does not come to its end the memory was never taken.
 */
void *ferry_state_alloc(size_t size);

/**
 * ferry_state_free() - give back what ferry_state_alloc() gave; NULL is allowed
 * Context: in a transaction, at whose end it takes effect; or destroy()
 */
void ferry_state_free(void *p);

/** ferry_state_page_alloc() - as ferry_page_alloc(); see ferry_state_alloc() */
void *ferry_state_page_alloc(void);
void *ferry_state_page_alloc_raw(void);
void ferry_state_page_free(void *page);

/*
 * Descriptors, for backends that live in user space alone. Those that are kept are in a
 * table that the process shares with the one that watches over it, so they outlive it.
 */
#define FERRY_KEPT_FD	1024	/* the lowest number of one that is kept */

/**
 * ferry_state_keep_fd() - let a descriptor live as long as the state
 * @fd: becomes another number; belongs to the state from now on, also on error
 * Context: as ferry_state_alloc()
 * Return: its number, @fd itself where there is no state; or -errno
 */
int ferry_state_keep_fd(int fd);

/** ferry_state_close_fd() - close it, at the end of the transaction */
void ferry_state_close_fd(int fd);

/**
 * ferry_state_keep_file() - let a file of ferry_file_open() stay open as long as the state
 * Context: as ferry_state_alloc(). Also for backends that live in the kernel as well.
 * Return: what ferry_state_find_file() knows it by; or -errno, and @file is as before: it
 *	can be opened anew by its path, where that means the same file still
 */
int ferry_state_keep_file(struct ferry_file *file);

/**
 * ferry_state_find_file() - what another server gave to ferry_state_keep_file()
 * @kept: as that returned it; or -errno
 * @id: of the file
 * @file: out
 * Return: 0, -ENOMEM; -EBADF: it is not open here, as where the process that watched over that
 *	server died too
 */
int ferry_state_find_file(int kept, const struct ferry_file_id *id, struct ferry_file **file);

/**
 * ferry_state_watch_file() - let the host note what cannot be written to a file from now on
 *
 * ferry_file_flush() is told of that once; and if the server is killed before that returns, in
 * vain. The next one asks here.
 * Context: as ferry_state_alloc()
 * Return: what ferry_state_watched() knows it by; or -errno, and nobody watches
 */
int ferry_state_watch_file(const struct ferry_file *file);

/**
 * ferry_state_watched() - as ferry_file_flush(), for all that was written since it is watched
 * @watch: what ferry_state_watch_file() returned to a server whose file was found open
 * Return: 0, also where nobody watches; or -errno, and that once
 */
int ferry_state_watched(int watch);

/**
 * ferry_state_leave() - this request is not at the state for a while, but waits for the host
 *
 * A transaction waits for all requests that are under way, and all that come wait for it: one
 * that is long at work, on a disk say, would hold up everybody. Until ferry_state_return() the
 * state may change, so it is neither read nor written. For a request that is no transaction;
 * in one, and where there is no state, both do nothing.
 * Context: no lock of the backend is held; in the thread that called the operation
 */
void ferry_state_leave(void);

/** ferry_state_return() - end of what ferry_state_leave() began; errno is kept */
void ferry_state_return(void);

/**
 * ferry_tx_begin() - make a transaction of this request
 *
 * For a write alone: it begins without one, since writing the same bytes to the same
 * place twice does no harm. If it changes more than bytes and times that are there
 * already, it begins one, before it changes anything.
 * Context: no lock of the backend is held; what was read before may have changed.
 */
void ferry_tx_begin(void);

/**
 * ferry_tx_add() - a piece of the state is going to be changed
 * @p: where; part of the state
 * @len: bytes
 */
static inline void ferry_tx_add(void *p, size_t len)
{
	if (unlikely(ferry_tx_open))
		ferry_tx_log(p, len);
}
#endif

/** ferry_tx_save() - ferry_tx_add() for a variable, given by its name */
#define ferry_tx_save(var)	ferry_tx_add(&(var), sizeof(var))

#endif
