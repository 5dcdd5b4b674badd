/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* env.h, user side: types and inline functions. */
#ifndef FERRY_ENV_USER_H
#define FERRY_ENV_USER_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef unsigned long long u64;
typedef int32_t s32;
typedef long long s64;

#define FERRY_PAGE_SIZE		4096
#define FERRY_PRINTF(f, a)	__attribute__((format(printf, f, a)))
#define FERRY_EXPORT(sym)	extern __typeof__(sym) sym	/* libferry.map says which */

#ifndef container_of
#define container_of(ptr, type, member) \
	((type *)((char *)(ptr) - offsetof(type, member)))
#endif
#ifndef ARRAY_SIZE
#define ARRAY_SIZE(a)		(sizeof(a) / sizeof((a)[0]))
#endif
#ifndef min
#define min(a, b)		({ __typeof__(a) _a = (a); __typeof__(b) _b = (b); \
				   (void)(&_a == &_b); _a < _b ? _a : _b; })
#define max(a, b)		({ __typeof__(a) _a = (a); __typeof__(b) _b = (b); \
				   (void)(&_a == &_b); _a > _b ? _a : _b; })
#endif
#ifndef likely
#define likely(x)		__builtin_expect(!!(x), 1)
#define unlikely(x)		__builtin_expect(!!(x), 0)
#endif

/* Who is preemptible need not. */
static inline void ferry_yield(void)
{
}

struct ferry_mutex {
	pthread_mutex_t m;
};

static inline void ferry_mutex_init(struct ferry_mutex *l)
{
	pthread_mutex_init(&l->m, NULL);
}

static inline void ferry_mutex_destroy(struct ferry_mutex *l)
{
	pthread_mutex_destroy(&l->m);
}

static inline void ferry_mutex_lock(struct ferry_mutex *l)
{
	pthread_mutex_lock(&l->m);
}

static inline void ferry_mutex_unlock(struct ferry_mutex *l)
{
	pthread_mutex_unlock(&l->m);
}

struct ferry_rwlock {
	pthread_rwlock_t l;
};

static inline void ferry_rwlock_init(struct ferry_rwlock *l)
{
	pthread_rwlock_init(&l->l, NULL);
}

static inline void ferry_rwlock_destroy(struct ferry_rwlock *l)
{
	pthread_rwlock_destroy(&l->l);
}

static inline void ferry_read_lock(struct ferry_rwlock *l)
{
	pthread_rwlock_rdlock(&l->l);
}

static inline void ferry_read_unlock(struct ferry_rwlock *l)
{
	pthread_rwlock_unlock(&l->l);
}

static inline void ferry_write_lock(struct ferry_rwlock *l)
{
	pthread_rwlock_wrlock(&l->l);
}

static inline void ferry_write_unlock(struct ferry_rwlock *l)
{
	pthread_rwlock_unlock(&l->l);
}

struct ferry_atomic {
	s64 v;
};

static inline s64 ferry_atomic_read(const struct ferry_atomic *a)
{
	return __atomic_load_n(&a->v, __ATOMIC_SEQ_CST);
}

static inline void ferry_atomic_set(struct ferry_atomic *a, s64 v)
{
	__atomic_store_n(&a->v, v, __ATOMIC_SEQ_CST);
}

static inline s64 ferry_atomic_add(struct ferry_atomic *a, s64 d)
{
	return __atomic_add_fetch(&a->v, d, __ATOMIC_SEQ_CST);
}

/*
 * A backend has no other services than env.h's: what the kernel lacks, or has in
 * another way, does not compile here either. Names that operations bear (open,
 * read ...) cannot be among them.
 */
#ifdef FERRY_BACKEND_BUILD
#pragma GCC poison malloc calloc realloc reallocarray free strdup strndup
#pragma GCC poison printf fprintf vprintf vfprintf sprintf vsprintf puts fputs perror
#pragma GCC poison fopen fclose fread fwrite openat pread pwrite ioctl mmap munmap syscall
#pragma GCC poison abort exit atexit getenv setenv system fork
#pragma GCC poison usleep nanosleep clock_gettime gettimeofday random srandom rand
#pragma GCC poison pthread_create pthread_mutex_lock pthread_rwlock_rdlock
#pragma GCC poison float double
#endif

#endif
