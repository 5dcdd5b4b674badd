// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Pages for backends. Of the C library's they would cost two each: one for the
 * page, one for what stands before it. Threads keep free pages of their own and
 * exchange them in batches.
 */
#include <sanitizer/asan_interface.h>
#include <sys/mman.h>

#include <ferry/env.h>

#define BATCH		64
#define RUN		(256 * (size_t)FERRY_PAGE_SIZE)

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
static struct free_page *batches;

static bool refill(void)
{
	struct free_page *batch;
	void *run;

	pthread_mutex_lock(&batches_lock);
	batch = batches;
	if (batch)
		batches = batch->next_batch;
	pthread_mutex_unlock(&batches_lock);
	if (batch) {
		cache.free = batch;
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
	pthread_mutex_lock(&batches_lock);
	first->next_batch = batches;
	batches = first;
	pthread_mutex_unlock(&batches_lock);
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
