// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Pages for backends. Of the C library's they would cost two each: one for the
 * page, one for what stands before it. Threads keep free pages of their own and
 * exchange them in batches. When there are many, further batches give their memory back.
 */
#include <sanitizer/asan_interface.h>
#include <sys/mman.h>

#include <ferry/env.h>

#define BATCH		64
#define RUN		(256 * (size_t)FERRY_PAGE_SIZE)
#define WARM_MAX	256U	/* batches that keep their memory: 64 MiB */

#ifndef MADV_DONTNEED_LOCKED
#define MADV_DONTNEED_LOCKED	24	/* 5.18 */
#endif

/**
 * struct free_page - the begin of a page that nobody uses
 * @next: the next of its list
 * @next_batch: of the first page in a batch
 */
struct free_page {
	struct free_page *next;
	struct free_page *next_batch;
};

/**
 * struct cold_batch - the begin of the one page of a batch that has memory still
 * @next: the next such
 * @page: the others
 */
struct cold_batch {
	struct cold_batch *next;
	void *page[BATCH - 1];
};

/**
 * struct page_cache - a thread's
 * @free: used before, so not zero
 * @nr_free: how many
 * @run: never used pages, which are zero
 * @run_left: bytes of them
 */
struct page_cache {
	struct free_page *free;
	unsigned int nr_free;
	char *run;
	size_t run_left;
};

static __thread struct page_cache cache __attribute__((tls_model("initial-exec")));

static pthread_mutex_t batches_lock = PTHREAD_MUTEX_INITIALIZER;
static struct free_page *batches;	/* covered by batches_lock, as what follows */
static unsigned int nr_batches;
static struct cold_batch *cold_batches;

static struct free_page *batch_get(struct cold_batch **cold)
{
	struct free_page *batch;

	pthread_mutex_lock(&batches_lock);
	batch = batches;
	if (batch) {
		batches = batch->next_batch;
		nr_batches--;
	}
	*cold = batch ? NULL : cold_batches;
	if (*cold)
		cold_batches = (*cold)->next;
	pthread_mutex_unlock(&batches_lock);
	return batch;
}

/* false: there are enough of them that have memory */
static bool batch_put(struct free_page *batch)
{
	bool put;

	pthread_mutex_lock(&batches_lock);
	put = nr_batches < WARM_MAX;
	if (put) {
		batch->next_batch = batches;
		batches = batch;
		nr_batches++;
	}
	pthread_mutex_unlock(&batches_lock);
	return put;
}

/* A disk's server has its memory locked, and old kernels do not know the first way. */
static void give_back(char *from, char *to)
{
	if (from != to && madvise(from, to - from, MADV_DONTNEED_LOCKED))
		madvise(from, to - from, MADV_DONTNEED);
}

/* Pages that were used one after the other mostly lie so, or the other way round. */
static void cool(struct free_page *batch)
{
	struct cold_batch *cold = (void *)batch;
	struct free_page *page = batch->next;
	char *from = NULL, *to = NULL;
	unsigned int i;

	ASAN_UNPOISON_MEMORY_REGION(cold, sizeof(*cold));
	for (i = 0; i < BATCH - 1; i++) {
		cold->page[i] = page;
		page = page->next;
	}
	for (i = 0; i < BATCH - 1; i++) {
		char *p = cold->page[i];

		if (p == to) {
			to += FERRY_PAGE_SIZE;
		} else if (p + FERRY_PAGE_SIZE == from) {
			from = p;
		} else {
			give_back(from, to);
			from = p;
			to = p + FERRY_PAGE_SIZE;
		}
	}
	give_back(from, to);
	pthread_mutex_lock(&batches_lock);
	cold->next = cold_batches;
	cold_batches = cold;
	pthread_mutex_unlock(&batches_lock);
}

static struct free_page *warm(struct cold_batch *cold)
{
	struct free_page *batch = NULL, *page;
	unsigned int i;

	for (i = 0; i < BATCH - 1; i++) {
		page = cold->page[i];
		page->next = batch;
		batch = page;
	}
	page = (void *)cold;
	page->next = batch;
	ASAN_POISON_MEMORY_REGION(page + 1, sizeof(*cold) - sizeof(*page));
	return page;
}

static bool refill(void)
{
	struct cold_batch *cold;
	void *run;

	cache.free = batch_get(&cold);
	if (cold)
		cache.free = warm(cold);
	if (cache.free) {
		cache.nr_free = BATCH;
		return true;
	}
	run = mmap(NULL, RUN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (run == MAP_FAILED)
		return false;
	cache.run = run;
	cache.run_left = RUN;
	return true;
}

/* Give BATCH pages away, those that were freed last. */
static void spill(void)
{
	struct free_page *first = cache.free, *last = first;
	unsigned int i;

	for (i = 1; i < BATCH; i++)
		last = last->next;
	cache.free = last->next;
	cache.nr_free -= BATCH;
	last->next = NULL;
	if (!batch_put(first))
		cool(first);
}

/* @zero: it must be, and is what it was last used for otherwise */
static void *page_alloc(bool zero)
{
	void *page;

	if (!cache.free && !cache.run_left && !refill())
		return NULL;
	if (cache.free) {
		page = cache.free;
		cache.free = cache.free->next;
		cache.nr_free--;
		ASAN_UNPOISON_MEMORY_REGION(page, FERRY_PAGE_SIZE);
		return zero ? memset(page, 0, FERRY_PAGE_SIZE) : page;
	}
	page = cache.run;
	cache.run += FERRY_PAGE_SIZE;
	cache.run_left -= FERRY_PAGE_SIZE;
	return page;
}

void *ferry_page_alloc(void)
{
	return page_alloc(true);
}

void *ferry_page_alloc_raw(void)
{
	return page_alloc(false);
}

void ferry_page_free(void *p)
{
	struct free_page *page = p;

	if (!page)
		return;
	page->next = cache.free;
	cache.free = page;
	ASAN_POISON_MEMORY_REGION(page + 1, FERRY_PAGE_SIZE - sizeof(*page));
	if (++cache.nr_free >= 2 * BATCH)
		spill();
}
