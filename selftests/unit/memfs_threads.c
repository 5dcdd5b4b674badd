// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* memfs under many threads. */
#include <dirent.h>
#include <pthread.h>

#include "../claim.h"
#include "fsclient.h"

#define ROOT	FERRY_ROOT_NODE
#define THREADS	4

static struct ferry_server *s;
static struct ferry_atomic stop;

static bool stopped(void)
{
	return ferry_atomic_read(&stop);
}

static void start(pthread_t *t, void *(*run)(void *), void *arg)
{
	CHECK_EQ(pthread_create(t, NULL, run, arg), 0);
}

static void join(pthread_t t)
{
	CHECK_EQ(pthread_join(t, NULL), 0);
}

static u64 make_dir(u64 parent, const char *name)
{
	struct fuse_entry_out e;

	CHECK_EQ(fs_mkdir(s, parent, name, 0755, &e), 0);
	return e.nodeid;
}

/* Listing while names come and go. */

static unsigned int nr_kept;

/* Makes and removes names between those that stay. */
static void *churn(void *arg)
{
	u64 rnd = (uintptr_t)arg;
	struct fuse_entry_out e;
	char name[32];

	while (!stopped()) {
		snprintf(name, sizeof(name), "churn%llu.%u", (u64)(uintptr_t)arg,
			 next_random((uint64_t *)&rnd) % 500);
		if (fs_create(s, ROOT, name, 0644, &e, NULL) == 0)
			fs_forget(s, e.nodeid, 1);
		else
			CHECK_EQ(fs_unlink(s, ROOT, name), 0);
	}
	return NULL;
}

struct seen {
	u8 *kept;
	unsigned int churn;
};

static void see(void *arg, const char *name, const struct fuse_dirent *de,
		const struct fuse_entry_out *e)
{
	struct seen *seen = arg;
	unsigned int nr;

	if (sscanf(name, "kept%u", &nr) == 1) {
		CHECK(nr < nr_kept);
		CHECK_EQ(seen->kept[nr], 0);
		seen->kept[nr] = 1;
	} else {
		seen->churn++;
	}
	if (e && name[0] != '.')
		fs_forget(s, e->nodeid, 1);
}

static void *list(void *arg)
{
	bool plus = arg;
	int round;

	for (round = 0; round < 3; round++) {
		struct seen seen = { .kept = calloc(1, nr_kept) };
		unsigned int i;
		u64 off = 0;
		int nr;

		while ((nr = fs_readdir(s, ROOT, 0, &off, plus ? 4096 : 1000, plus, see,
					&seen)) > 0)
			;
		CHECK_EQ(nr, 0);
		for (i = 0; i < nr_kept; i++)
			CHECK_EQ(seen.kept[i], 1);
		free(seen.kept);
	}
	return NULL;
}

static void listings_are_exact(void)
{
	pthread_t churners[2], listers[2];
	struct fuse_entry_out e;
	char name[32];
	unsigned int i;

	nr_kept = 100000;
	s = fs_start(NULL);
	for (i = 0; i < nr_kept; i++) {
		snprintf(name, sizeof(name), "kept%u", i);
		CHECK_EQ(fs_create(s, ROOT, name, 0644, &e, NULL), 0);
		fs_forget(s, e.nodeid, 1);
	}
	for (i = 0; i < 2; i++)
		start(&churners[i], churn, (void *)(uintptr_t)(i + 1));
	for (i = 0; i < 2; i++)
		start(&listers[i], list, (void *)(uintptr_t)i);
	for (i = 0; i < 2; i++)
		join(listers[i]);
	ferry_atomic_set(&stop, 1);
	for (i = 0; i < 2; i++)
		join(churners[i]);
	fs_stop(s);
}

/* One file, several writers: pages are written as a whole. */

#define PAGES	64

static u64 shared;

static void *write_pages(void *arg)
{
	uint64_t rnd = (uintptr_t)arg;
	u8 buf[2 * FERRY_PAGE_SIZE];
	int i;

	for (i = 0; i < 20000; i++) {
		u32 r = next_random(&rnd);

		memset(buf, r >> 8 | 1, sizeof(buf));
		if (r % 64 == 0)
			CHECK_EQ(fs_truncate(s, shared, r / 64 % PAGES * FERRY_PAGE_SIZE), 0);
		else
			CHECK_EQ(fs_write(s, shared, 0, r / 64 % PAGES * FERRY_PAGE_SIZE, buf,
					  sizeof(buf)), sizeof(buf));
	}
	return NULL;
}

static void *read_pages(void *arg)
{
	u8 *buf = malloc((PAGES + 1) * FERRY_PAGE_SIZE);

	while (!stopped()) {
		int n = fs_read(s, shared, 0, 0, buf, (PAGES + 1) * FERRY_PAGE_SIZE), i;

		CHECK(n >= 0 && n % FERRY_PAGE_SIZE == 0);
		for (i = 0; i < n; i += FERRY_PAGE_SIZE)
			CHECK(!memcmp(buf + i, buf + i + 1, FERRY_PAGE_SIZE - 1));
	}
	free(buf);
	return NULL;
}

static void writes_are_whole(void)
{
	pthread_t writers[2], readers[2];
	struct fuse_entry_out e;
	int i;

	s = fs_start(NULL);
	CHECK_EQ(fs_create(s, ROOT, "f", 0644, &e, NULL), 0);
	shared = e.nodeid;
	for (i = 0; i < 2; i++) {
		start(&writers[i], write_pages, (void *)(uintptr_t)(i + 1));
		start(&readers[i], read_pages, NULL);
	}
	for (i = 0; i < 2; i++)
		join(writers[i]);
	ferry_atomic_set(&stop, 1);
	for (i = 0; i < 2; i++)
		join(readers[i]);
	fs_stop(s);
}

/* A name that is replaced by rename is there at any moment. */

static void *replace(void *arg)
{
	struct fuse_entry_out e;
	int i;

	for (i = 0; i < 20000; i++) {
		CHECK_EQ(fs_create(s, ROOT, "new", 0644, &e, NULL), 0);
		CHECK_EQ(fs_rename(s, ROOT, "new", ROOT, "name", 0), 0);
		fs_forget(s, e.nodeid, 1);
	}
	ferry_atomic_set(&stop, 1);
	return NULL;
}

static void replacing_is_atomic(void)
{
	struct fuse_entry_out e;
	struct fuse_attr attr;
	pthread_t t;

	s = fs_start(NULL);
	CHECK_EQ(fs_create(s, ROOT, "name", 0644, &e, NULL), 0);
	fs_forget(s, e.nodeid, 1);
	start(&t, replace, NULL);
	while (!stopped()) {
		CHECK_EQ(fs_lookup(s, ROOT, "name", &e), 0);
		CHECK_EQ(fs_getattr(s, e.nodeid, &attr), 0);
		fs_forget(s, e.nodeid, 1);
	}
	join(t);
	fs_stop(s);
}

/* Everything at once, on few names. */

static u64 dirs[4];

static void *hammer(void *arg)
{
	uint64_t rnd = (uintptr_t)arg * 7919;
	static const char *const names[] = { "a", "b", "c", "d", "e" };
	unsigned int steps = test_scale(40000), i;
	struct fuse_entry_out e;
	struct fuse_attr attr;
	char buf[100];

	for (i = 0; i < steps; i++) {
		u64 dir = dirs[next_random(&rnd) % 4], other = dirs[next_random(&rnd) % 4];
		const char *name = names[next_random(&rnd) % 5];
		const char *new_name = names[next_random(&rnd) % 5];

		e.nodeid = 0;
		switch (next_random(&rnd) % 10) {
		case 0:
			if (fs_create(s, dir, name, 0644, &e, NULL))
				e.nodeid = 0;
			break;
		case 1:
			if (fs_mkdir(s, dir, name, 0755, &e))
				e.nodeid = 0;
			break;
		case 2:
			fs_unlink(s, dir, name);
			break;
		case 3:
			fs_rmdir(s, dir, name);
			break;
		case 4:
			fs_rename(s, dir, name, other, new_name, next_random(&rnd) % 3);
			break;
		case 5:
			if (!fs_lookup(s, dir, name, &e)) {
				u64 node = e.nodeid;

				if (fs_link(s, node, other, new_name, &e))
					e.nodeid = 0;
				fs_forget(s, node, 1);
			}
			break;
		case 6:
			if (!fs_lookup(s, dir, name, &e)) {
				CHECK_EQ(fs_getattr(s, e.nodeid, &attr), 0);
				fs_write(s, e.nodeid, 0, next_random(&rnd) % 100000, buf,
					 sizeof(buf));
			} else {
				e.nodeid = 0;
			}
			break;
		case 7:
			if (!fs_lookup(s, dir, name, &e)) {
				fs_setxattr(s, e.nodeid, "user.x", buf, 10, 0);
				fs_read(s, e.nodeid, 0, 0, buf, sizeof(buf));
				fs_truncate(s, e.nodeid, 5000);
			} else {
				e.nodeid = 0;
			}
			break;
		case 8: {
			struct seen seen = { 0 };
			u64 off = 0;

			fs_readdir(s, dir, 0, &off, 2000, true, see, &seen);
			break;
		}
		default:
			/* numbers that may be dead or somebody else's by now */
			fs_getattr(s, (u64)(next_random(&rnd) % 4) << 32 |
				   next_random(&rnd) % 40, &attr);
		}
		if (e.nodeid)
			fs_forget(s, e.nodeid, 1);
	}
	return NULL;
}

static void clear(u64 dir);

static void remove_name(void *arg, const char *name, const struct fuse_dirent *de,
			const struct fuse_entry_out *e)
{
	u64 dir = *(u64 *)arg;

	if (name[0] == '.')
		return;
	if (de->type == DT_DIR) {
		clear(de->ino);
		CHECK_EQ(fs_rmdir(s, dir, name), 0);
	} else {
		CHECK_EQ(fs_unlink(s, dir, name), 0);
	}
}

static void clear(u64 dir)
{
	u64 off = 0;

	while (fs_readdir(s, dir, 0, &off, 300, false, remove_name, &dir) > 0)
		;
}

static void nothing_is_lost(void)
{
	struct fuse_kstatfs st;
	pthread_t t[THREADS];
	struct fuse_attr attr;
	unsigned int i;

	s = fs_start(NULL);
	dirs[0] = make_dir(ROOT, "0");
	dirs[1] = make_dir(ROOT, "1");
	dirs[2] = make_dir(dirs[0], "sub");
	dirs[3] = make_dir(dirs[2], "sub");
	for (i = 0; i < THREADS; i++)
		start(&t[i], hammer, (void *)(uintptr_t)(test_seed() * 100 + i + 1));
	for (i = 0; i < THREADS; i++)
		join(t[i]);

	/* All counts come out even when all names are gone. */
	clear(ROOT);
	for (i = 0; i < 4; i++)
		fs_forget(s, dirs[i], 1);
	CHECK_EQ(fs_statfs(s, &st), 0);
	CHECK_EQ(st.ffree, st.files - 1);
	CHECK_EQ(st.bfree, st.blocks);
	CHECK_EQ(fs_getattr(s, ROOT, &attr), 0);
	CHECK_EQ(attr.nlink, 2);
	CHECK_EQ(attr.size, 0);
	fs_stop(s);
}

static const struct claim claims[] = {
	{ "100,000 names are listed once each while others come and go", listings_are_exact, 120 },
	{ "a write of whole pages is never seen in part", writes_are_whole, 120 },
	{ "a name that rename replaces is always there", replacing_is_atomic, 120 },
	{ "threads on the same names lose nothing", nothing_is_lost, 120 },
};

CLAIMS_MAIN(claims)
