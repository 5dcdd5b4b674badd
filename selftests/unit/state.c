// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* The state that outlives a server: what it refuses, and who may do what beside whom. */
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../lib/state.h"
#include "../claim.h"

#include <ferry/fs.h>

static const struct ferry_fs_ops ops = { .size = sizeof(ops) };
static const struct ferry_backend backend = {
	.abi = FERRY_BACKEND_ABI, .name = "test", .flags = FERRY_RECOVERS, .fs = &ops,
};

static u64 no_mark(void *arg, u32 tag)
{
	return 0;
}

static int create(void)
{
	int fd;

	CHECK_EQ(ferry_state_create(&backend, &fd), 0);
	return fd;
}

/* A state with one long in it, which is its root, and *@value. */
static int make_long(long value, long **res)
{
	int fd = create();

	*res = ferry_state_alloc(sizeof(long));
	**res = value;
	ferry_state_set_root(*res);
	CHECK(ferry_state_ready());
	return fd;
}

static void unused_is_dropped(void)
{
	int fd = create();

	CHECK(ferry_state_is_kept());
	CHECK(!ferry_state_ready());
	CHECK(!ferry_state_is_kept());
	close(fd);
	fd = create();
	ferry_state_close();
	CHECK(!ferry_state_root());
	close(fd);
}

static void same_place(void)
{
	long *p, *q;
	int fd = make_long(4711, &p);

	ferry_state_close();
	CHECK_EQ(ferry_state_attach(&backend, fd, no_mark, NULL), 0);
	q = ferry_state_root();
	CHECK(q == p);
	CHECK_EQ(*q, 4711);
}

static void other_build(void)
{
	struct state_head head;
	long *p;
	int fd = make_long(1, &p);

	ferry_state_close();
	pread_all(fd, &head, sizeof(head), 0);
	head.build[3]++;
	pwrite_all(fd, &head, sizeof(head), 0);
	CHECK_EQ(ferry_state_attach(&backend, fd, no_mark, NULL), -EINVAL);
	head.build[3]--;
	head.layout++;
	pwrite_all(fd, &head, sizeof(head), 0);
	CHECK_EQ(ferry_state_attach(&backend, fd, no_mark, NULL), -EINVAL);
	head.layout--;
	pwrite_all(fd, &head, sizeof(head), 0);
	CHECK_EQ(ferry_state_attach(&backend, fd, no_mark, NULL), 0);
}

static void no_state(void)
{
	int fd = DO(memfd_create("other", 0));

	CHECK_EQ(ferry_state_attach(&backend, fd, no_mark, NULL), -EINVAL);
	DO(ftruncate(fd, STATE_SIZE));
	CHECK_EQ(ferry_state_attach(&backend, fd, no_mark, NULL), -EINVAL);
}

static void taken_address(void)
{
	void *p = mmap((void *)STATE_BASE, 4096, PROT_READ,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	int fd;

	CHECK(p == (void *)STATE_BASE);
	CHECK_EQ(ferry_state_create(&backend, &fd), -EEXIST);
	DO(munmap(p, 4096));
	close(create());
	CHECK_EQ(ferry_state_create(&backend, &fd), -EBUSY);
}

/* The mark says whether what was under way has happened. */
static u64 mark_of(void *arg, u32 tag)
{
	CHECK_EQ(tag, 7);
	return *(u64 *)arg;
}

static void mark_decides(void)
{
	u64 mark = 99;
	long *p;
	int fd = make_long(1, &p), status;
	pid_t pid;

	for (mark = 99; mark <= 100; mark++) {
		pid = DO(fork());
		if (!pid) {
			ferry_tx_enter(FERRY_CHANGE_ALL, 7, 100);
			ferry_tx_add(p, sizeof(*p));
			*p = 2;
			ferry_state_alloc(5000);
			_exit(0);
		}
		DO(waitpid(pid, &status, 0));
		CHECK_EQ(*p, 2);
		ferry_state_close();
		CHECK_EQ(ferry_state_attach(&backend, fd, mark_of, &mark), 0);
		CHECK_EQ(*p, mark == 100 ? 2 : 1);
		CHECK_EQ(state_heap_used(), mark == 100 ? 32 + 8192 : 32);
		CHECK(ferry_state_ready());
	}
}

/* All of a heap that was given back is one piece again. */
static void free_is_joined(void)
{
	enum { N = 3000 };
	void *p[N];
	uint64_t rnd = 1;
	int fd = create(), round, i;
	u64 pages = 0;

	for (round = 0; round < 3; round++) {
		for (i = 0; i < N; i++)
			p[i] = ferry_state_alloc(1 + next_random(&rnd) % (i % 10 ? 700 : 40000));
		for (i = 0; i < N; i++) {
			int j = next_random(&rnd) % N;
			void *q = p[i];

			p[i] = p[j];
			p[j] = q;
		}
		for (i = 0; i < N; i++)
			ferry_state_free(p[i]);
		ferry_tx_leave(NULL);
		CHECK_EQ(state_heap_used(), 0);
		ferry_tx_enter(FERRY_CHANGE_ALL, STATE_NO_TAG, the_state->mark + 1);
		/* Pages of objects wait for the next of their size. */
		pages = pages ? pages : the_state->nr_pages;
		CHECK(the_state->nr_pages <= pages + pages / 4);
	}
	CHECK(ferry_state_alloc(pages / 4 * 4096));
	CHECK(the_state->nr_pages <= pages * 2);
	close(fd);
}

/* A transaction is alone; what changes nothing runs beside its like. */
#define THREADS	6

static int inside, inside_tx, most_inside;
static long sum;

static void *worker(void *arg)
{
	uint64_t rnd = (uintptr_t)arg;
	unsigned int n = test_scale(40000), now_in;

	while (n--) {
		u32 what = next_random(&rnd) % 8;
		bool tx = what < 2;

		ferry_tx_enter(what == 0 ? FERRY_CHANGE_ALL :
			       what < 3 ? FERRY_CHANGE_BYTES : FERRY_CHANGE_NONE, 0, 1);
		if (what == 1)
			ferry_tx_begin();
		CHECK(tx || !__atomic_load_n(&inside_tx, __ATOMIC_SEQ_CST));
		now_in = __atomic_add_fetch(&inside, 1, __ATOMIC_SEQ_CST);
		if (tx) {
			CHECK_EQ(now_in, 1);
			__atomic_store_n(&inside_tx, 1, __ATOMIC_SEQ_CST);
			CHECK(ferry_tx_open);
			sum++;
			__atomic_store_n(&inside_tx, 0, __ATOMIC_SEQ_CST);
		} else {
			CHECK(!ferry_tx_open);
			if ((int)now_in > most_inside)
				most_inside = now_in;
			if (n % 16 == 0)
				sched_yield();
		}
		__atomic_sub_fetch(&inside, 1, __ATOMIC_SEQ_CST);
		ferry_tx_leave(NULL);
	}
	return NULL;
}

static void one_at_a_time(void)
{
	pthread_t threads[THREADS];
	long *p;
	int fd = make_long(1, &p);
	uintptr_t i;

	for (i = 0; i < THREADS; i++)
		CHECK_EQ(pthread_create(&threads[i], NULL, worker, (void *)(i + 1)), 0);
	for (i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	claim_note("%ld transactions, %d others beside each other", sum, most_inside);
	CHECK(most_inside > 1);
	close(fd);
}

static u64 bytes_of(int fd)
{
	struct stat st;

	CHECK_EQ(fstat(fd, &st), 0);
	return st.st_blocks * 512ULL;
}

static void ready_goes_back(void)
{
	const u64 mib = 1 << 20;
	int fd = create(), i;
	char *pages[100];

	ferry_state_warm();
	if (bytes_of(fd) < 8 * mib)
		claim_skip("no MADV_POPULATE_WRITE here");
	for (i = 0; i < 100; i++) {
		pages[i] = ferry_state_page_alloc_raw();
		memset(pages[i], i, FERRY_PAGE_SIZE);
	}
	ferry_state_set_root(pages[0]);
	CHECK(ferry_state_ready());
	ferry_state_cool();
	CHECK(bytes_of(fd) < mib);
	for (i = 0; i < 100; i++)
		CHECK(pages[i][0] == i && pages[i][FERRY_PAGE_SIZE - 1] == i);
	ferry_state_close();
	close(fd);
}

/* Free memory goes back to the machine, but for some that is kept for who comes next. */
#define MIB		(1ULL << 20)
#define PAGES(mib)	((mib) * MIB / FERRY_PAGE_SIZE)

static char *pages[PAGES(96)];

static void begin_tx(void)
{
	ferry_tx_enter(FERRY_CHANGE_ALL, STATE_NO_TAG, the_state->mark + 1);
}

static void take_pages(u32 nr)
{
	u32 i;

	begin_tx();
	for (i = 0; i < nr; i++) {
		pages[i] = ferry_state_page_alloc_raw();
		memset(pages[i], 1 + i % 255, FERRY_PAGE_SIZE);
	}
	ferry_tx_leave(NULL);
}

/* But for each @nth. */
static void free_pages(u32 nr, u32 nth)
{
	u32 i;

	begin_tx();
	for (i = 0; i < nr; i++)
		if (!nth || i % nth)
			ferry_state_page_free(pages[i]);
	ferry_tx_leave(NULL);
}

static void free_goes_back(void)
{
	const u32 nr = ARRAY_SIZE(pages);
	long *p;
	int fd = make_long(1, &p);
	u32 i;

	take_pages(nr);
	CHECK(bytes_of(fd) >= 96 * MIB);
	free_pages(nr, 1000);
	CHECK(bytes_of(fd) < 40 * MIB);
	for (i = 0; i < nr; i += 1000)
		CHECK(pages[i][0] == (char)(1 + i % 255) &&
		      !memcmp(pages[i], pages[i] + 1, FERRY_PAGE_SIZE - 1));
	/* What is taken anew is there, and zeros if it is to be. */
	begin_tx();
	for (i = 0; i < nr / 2; i++) {
		char *page = ferry_state_page_alloc();

		CHECK(!page[0] && !memcmp(page, page + 1, FERRY_PAGE_SIZE - 1));
		page[7] = 1;
	}
	ferry_tx_leave(NULL);
	CHECK(bytes_of(fd) >= 48 * MIB);
	ferry_state_close();
}

/* Files that come and go cost no call. */
static void some_is_kept(void)
{
	const u32 nr = PAGES(56);
	long *p;
	int fd = make_long(1, &p), i;

	take_pages(nr);
	for (i = 0; i < 5; i++) {
		free_pages(nr, 0);
		CHECK(bytes_of(fd) >= 56 * MIB);
		take_pages(nr);
	}
	CHECK(bytes_of(fd) < 60 * MIB);
	ferry_state_close();
}

/* Who follows knows nothing of what was given back. */
static void follower_gives_back(void)
{
	const u32 nr = ARRAY_SIZE(pages);
	long *p;
	int fd = make_long(1, &p);

	state_heap_keeps = nr;
	take_pages(nr);
	free_pages(nr, 0);
	CHECK(bytes_of(fd) >= 96 * MIB);
	ferry_state_close();
	state_heap_keeps = nr / 4;
	CHECK_EQ(ferry_state_attach(&backend, fd, no_mark, NULL), 0);
	CHECK(ferry_state_ready());
	take_pages(nr / 8);
	free_pages(nr / 8, 0);
	CHECK(bytes_of(fd) < 20 * MIB);
	ferry_state_close();
}

/* A disk's server has its memory locked. */
static void locked_goes_back(void)
{
	const u32 nr = ARRAY_SIZE(pages);
	long *p;
	int fd = make_long(1, &p);
	u32 i;

	if (mlock2(the_state, STATE_SIZE, MLOCK_ONFAULT))
		claim_skip("memory cannot be locked: %s", strerror(errno));
	take_pages(nr);
	/* The log as well. */
	begin_tx();
	for (i = 0; i < nr / 2; i++)
		ferry_tx_add(pages[i], FERRY_PAGE_SIZE);
	CHECK(bytes_of(fd) >= 144 * MIB);
	ferry_tx_leave(NULL);
	CHECK(bytes_of(fd) < 100 * MIB);
	free_pages(nr, 0);
	CHECK(bytes_of(fd) < 40 * MIB);
	ferry_state_close();
}

/* The same of pages that no state has. */
static u64 resident(void)
{
	unsigned long all, here;
	FILE *f = fopen("/proc/self/statm", "r");

	CHECK(f && fscanf(f, "%lu %lu", &all, &here) == 2);
	fclose(f);
	return here * FERRY_PAGE_SIZE;
}

static void plain_goes_back(bool lock)
{
	const u32 nr = ARRAY_SIZE(pages);
	u64 before;
	u32 i;

	for (i = 0; i < nr; i++) {
		pages[i] = ferry_page_alloc_raw();
		memset(pages[i], 1, FERRY_PAGE_SIZE);
		if (lock && mlock(pages[i], FERRY_PAGE_SIZE))
			claim_skip("memory cannot be locked: %s", strerror(errno));
	}
	before = resident();
	for (i = 0; i < nr; i++)
		ferry_page_free(pages[lock ? nr - 1 - i : i]);
	/* 31 of 96; what a sanitizer notes of all of them takes up to 12. */
	CHECK(resident() + 12 * MIB < before);
	for (i = 0; i < nr; i++) {
		pages[i] = ferry_page_alloc();
		CHECK(!pages[i][0] && !memcmp(pages[i], pages[i] + 1, FERRY_PAGE_SIZE - 1));
		memset(pages[i], 2, FERRY_PAGE_SIZE);
	}
	CHECK(resident() + 4 * MIB > before);
}

static void plain_pages(void)
{
	plain_goes_back(false);
}

static void locked_pages(void)
{
	plain_goes_back(true);
}

/* Where a server cannot see what was left to it, it puts nothing in its place. */
static void left_files_stay(void)
{
	const struct rlimit few = { FERRY_KEPT_FD + 50, FERRY_KEPT_FD + 50 };
	struct stat was, st;
	int fd, kept, last = -1, n;
	long *p;

	fd = make_long(1, &p);
	ferry_tx_enter(FERRY_CHANGE_ALL, STATE_NO_TAG, 1);
	kept = ferry_state_keep_fd(DO(open(".", O_PATH | O_DIRECTORY)));
	ferry_tx_leave(NULL);
	CHECK_EQ(kept, FERRY_KEPT_FD);
	DO(fstat(kept, &was));
	ferry_state_close();

	DO(setrlimit(RLIMIT_NOFILE, &few));
	while ((n = open("/dev/null", O_RDONLY)) >= 0)
		last = n;
	CHECK_EQ(errno, EMFILE);
	CHECK_EQ(ferry_state_attach(&backend, fd, no_mark, NULL), 0);
	CHECK_EQ(ferry_state_keep_fd(last), -EMFILE);
	DO(fstat(kept, &st));
	CHECK_EQ(st.st_ino, was.st_ino);
	/* That one was closed: now there is one to look with, and it is the only free one. */
	CHECK_EQ(ferry_state_keep_fd(last - 1), last);
	DO(fstat(kept, &st));
	CHECK_EQ(st.st_ino, was.st_ino);
	ferry_state_close();
}

static const struct claim claims[] = {
	{ "a backend that keeps nothing has no state", unused_is_dropped },
	{ "the next server finds the state where it was", same_place },
	{ "a state of another build is refused", other_build },
	{ "a file that is no state is refused", no_state },
	{ "an address that is taken and a second state are refused", taken_address },
	{ "what was under way is undone, unless it was marked", mark_decides },
	{ "free memory is joined", free_is_joined },
	{ "a transaction has no other request beside it", one_at_a_time },
	{ "memory made ready goes back, but for what is used", ready_goes_back },
	{ "free memory goes back, and what is used stays", free_goes_back },
	{ "what is free for a while keeps its memory", some_is_kept },
	{ "who follows a dead server gives back what that one kept", follower_gives_back },
	{ "free memory goes back that is locked", locked_goes_back },
	{ "free pages of a server without a state go back", plain_pages },
	{ "free pages go back that are locked", locked_pages },
	{ "where what was left cannot be looked at, it is not overwritten", left_files_stay },
};

CLAIMS_MAIN(claims)
