// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Sources that are compiled for a thread sanitizer tell of each of their stores before
 * they make it. Linked with this file instead of with a sanitizer they end there, in the
 * way of kill -9, when their time has come.
 */
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include "kill_points.h"

uint32_t kill_in;
uint32_t kill_points;

static void point(void)
{
	kill_points++;
	if (__builtin_expect(kill_in != 0, 0) && !--kill_in) {
		kill(getpid(), SIGKILL);
		for (;;)
			pause();
	}
}

#define HOOK(name)	void name(void *p); void name(void *p) { point(); }
#define QUIET(name)	void name(void *p); void name(void *p) { }
#define SIZES(hook, name) hook(name##1) hook(name##2) hook(name##4) hook(name##8) hook(name##16)

SIZES(HOOK, __tsan_write)
SIZES(HOOK, __tsan_unaligned_write)
SIZES(QUIET, __tsan_read)
SIZES(QUIET, __tsan_unaligned_read)
QUIET(__tsan_func_entry)

#define RANGE(name, what)				\
	void name(void *p, size_t n);			\
	void name(void *p, size_t n) { what; }

RANGE(__tsan_write_range, point())
RANGE(__tsan_read_range, )

void __tsan_func_exit(void);
void __tsan_func_exit(void)
{
}

void __tsan_init(void);
void __tsan_init(void)
{
}

void __tsan_atomic_signal_fence(int order);
void __tsan_atomic_signal_fence(int order)
{
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
}

void __tsan_atomic_thread_fence(int order);
void __tsan_atomic_thread_fence(int order)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

#define ATOMIC(bits, type)							\
type __tsan_atomic##bits##_load(const type *p, int order);			\
type __tsan_atomic##bits##_load(const type *p, int order)			\
{										\
	return __atomic_load_n(p, __ATOMIC_SEQ_CST);				\
}										\
void __tsan_atomic##bits##_store(type *p, type v, int order);			\
void __tsan_atomic##bits##_store(type *p, type v, int order)			\
{										\
	point();								\
	__atomic_store_n(p, v, __ATOMIC_SEQ_CST);				\
}										\
type __tsan_atomic##bits##_exchange(type *p, type v, int order);		\
type __tsan_atomic##bits##_exchange(type *p, type v, int order)			\
{										\
	point();								\
	return __atomic_exchange_n(p, v, __ATOMIC_SEQ_CST);			\
}										\
type __tsan_atomic##bits##_fetch_add(type *p, type v, int order);		\
type __tsan_atomic##bits##_fetch_add(type *p, type v, int order)		\
{										\
	point();								\
	return __atomic_fetch_add(p, v, __ATOMIC_SEQ_CST);			\
}										\
type __tsan_atomic##bits##_fetch_sub(type *p, type v, int order);		\
type __tsan_atomic##bits##_fetch_sub(type *p, type v, int order)		\
{										\
	point();								\
	return __atomic_fetch_sub(p, v, __ATOMIC_SEQ_CST);			\
}										\
int __tsan_atomic##bits##_compare_exchange_strong(type *p, type *was, type v,	\
						  int order, int failed);	\
int __tsan_atomic##bits##_compare_exchange_strong(type *p, type *was, type v,	\
						  int order, int failed)	\
{										\
	point();								\
	return __atomic_compare_exchange_n(p, was, v, 0, __ATOMIC_SEQ_CST,	\
					   __ATOMIC_SEQ_CST);			\
}

ATOMIC(8, uint8_t)
ATOMIC(32, uint32_t)
ATOMIC(64, uint64_t)
