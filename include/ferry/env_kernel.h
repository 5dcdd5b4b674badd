/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* env.h, kernel side: types and inline functions. */
#ifndef FERRY_ENV_KERNEL_H
#define FERRY_ENV_KERNEL_H

#include <linux/atomic.h>
#include <linux/container_of.h>
#include <linux/errno.h>
#include <linux/export.h>
#include <linux/falloc.h>
#include <linux/fcntl.h>
#include <linux/fs.h>
#include <linux/kernel.h>
#include <linux/minmax.h>
#include <linux/mutex.h>
#include <linux/rwsem.h>
#include <linux/sched.h>
#include <linux/stat.h>
#include <linux/string.h>
#include <linux/types.h>

#define FERRY_PAGE_SIZE		4096
#define FERRY_PRINTF(f, a)	__printf(f, a)
#define FERRY_EXPORT(sym)	EXPORT_SYMBOL_GPL(sym)

static inline void ferry_yield(void)
{
	cond_resched();
}

/*
 * Lock classes are told apart by where a lock is initialised, hence macros: the
 * key that mutex_init() makes must be the backend's, not ours.
 */
struct ferry_mutex {
	struct mutex m;
};

#define ferry_mutex_init(l)	mutex_init(&(l)->m)
#define ferry_mutex_destroy(l)	mutex_destroy(&(l)->m)
#define ferry_mutex_lock(l)	mutex_lock(&(l)->m)
#define ferry_mutex_unlock(l)	mutex_unlock(&(l)->m)

struct ferry_rwlock {
	struct rw_semaphore s;
};

#define ferry_rwlock_init(l)	init_rwsem(&(l)->s)
#define ferry_rwlock_destroy(l)	do { (void)(l); } while (0)
#define ferry_read_lock(l)	down_read(&(l)->s)
#define ferry_read_unlock(l)	up_read(&(l)->s)
#define ferry_write_lock(l)	down_write(&(l)->s)
#define ferry_write_unlock(l)	up_write(&(l)->s)

struct ferry_atomic {
	atomic64_t v;
};

static inline s64 ferry_atomic_read(const struct ferry_atomic *a)
{
	return atomic64_read_acquire(&a->v);
}

static inline void ferry_atomic_set(struct ferry_atomic *a, s64 v)
{
	atomic64_set_release(&a->v, v);
}

static inline s64 ferry_atomic_add(struct ferry_atomic *a, s64 d)
{
	return atomic64_add_return(d, &a->v);
}

#endif
