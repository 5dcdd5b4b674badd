// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* Requests that go on later: a list by time, and a thread that calls when it is time. */
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "internal.h"

struct later {
	struct later *next;
	u64 when_us;
	struct ferry_req *req;
	void (*call)(struct ferry_req *req, void (*fn)(struct ferry_req *req));
	void (*fn)(struct ferry_req *req);
};

/* @lock covers the rest; @changed: @first is another one, or @hurry is set. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed;
static struct later *first;
static bool has_thread;
static bool hurry;

static u64 now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000ULL + t.tv_nsec / 1000;
}

static void wait_until(u64 us)
{
	const struct timespec t = { .tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000 };

	pthread_cond_timedwait(&changed, &lock, &t);
}

static void *run(void *arg)
{
	struct later *later;

	pthread_mutex_lock(&lock);
	for (;;) {
		later = first;
		if (!later) {
			pthread_cond_wait(&changed, &lock);
			continue;
		}
		if (!hurry && later->when_us > now_us()) {
			wait_until(later->when_us);
			continue;
		}
		first = later->next;
		pthread_mutex_unlock(&lock);
		later->call(later->req, later->fn);
		free(later);
		pthread_mutex_lock(&lock);
	}
	return NULL;
}

/* The thread is made when there is something for it, of a thread that serves: as it is. */
static int make_thread(void)
{
	pthread_condattr_t attr;
	pthread_t thread;
	sigset_t all, old;
	int err;

	if (has_thread)
		return 0;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&changed, &attr);
	pthread_condattr_destroy(&attr);
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &old);
	err = pthread_create(&thread, NULL, run, NULL);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (!err)
		pthread_detach(thread);
	has_thread = !err;
	return err;
}

static int insert(struct later *later)
{
	struct later **at = &first;
	int err;

	pthread_mutex_lock(&lock);
	err = make_thread();
	if (!err) {
		while (*at && (*at)->when_us <= later->when_us)
			at = &(*at)->next;
		later->next = *at;
		*at = later;
		if (first == later)
			pthread_cond_signal(&changed);
	}
	pthread_mutex_unlock(&lock);
	return err;
}

void ferry_later(struct ferry_req *req, u64 us, void (*fn)(struct ferry_req *req),
		 void (*call)(struct ferry_req *req, void (*fn)(struct ferry_req *req)))
{
	struct later *later = malloc(sizeof(*later));

	if (later)
		*later = (struct later) {
			.when_us = now_us() + us, .req = req, .fn = fn, .call = call,
		};
	if (later && !insert(later))
		return;
	/* Then whoever came waits. */
	free(later);
	usleep(us);
	fn(req);
}

void ferry_later_hurry(bool now)
{
	pthread_mutex_lock(&lock);
	hurry = now;
	if (has_thread)
		pthread_cond_signal(&changed);
	pthread_mutex_unlock(&lock);
}
