// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Random operations on names from several processes. Each has a tree of its own
 * that is compared with a model; all of them share another where only the
 * possible errors are allowed. FERRY_TEST_SEED repeats it.
 */
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../claim.h"

enum { DIRS = 4, NAMES = 12, PROCS = 4 };
enum kind { NONE, FILE_, DIR_, LINK };

/* What stands at one of the names; files that are linked have the same number. */
struct node {
	enum kind kind;
	unsigned int file;
};

struct file {
	unsigned int links, size, seed;
	mode_t mode;
};

struct world {
	uint64_t random;
	struct node at[DIRS][NAMES];
	struct file files[1 << 16];
	unsigned int nr_files, step;
};

static uint32_t below(struct world *w, uint32_t limit)
{
	return next_random(&w->random) % limit;
}

static const char *path(unsigned int dir, unsigned int name)
{
	static char bufs[4][32];
	static unsigned int turn;
	char *buf = bufs[turn++ % 4];

	snprintf(buf, 32, "d%u/n%u", dir, name);
	return buf;
}

/* The call did what the model says: success or this errno. */
static void expect(struct world *w, int ret, int err, const char *what, const char *name)
{
	int is = ret < 0 ? errno : 0;

	if (is != err && !(err == ENOTEMPTY && is == EEXIST))
		claim_fail(__FILE__, __LINE__, "step %u: %s %s: %s, should be: %s", w->step, what,
			   name, is ? strerror(is) : "success", err ? strerror(err) : "success");
}

static void drop_link(struct world *w, struct node *n)
{
	if (n->kind == FILE_)
		w->files[n->file].links--;
	n->kind = NONE;
}

static void do_create(struct world *w, struct node *n, const char *p)
{
	struct file *f = &w->files[w->nr_files];
	int fd = open(p, O_CREAT | O_EXCL | O_WRONLY, 0600);

	expect(w, fd, n->kind == NONE ? 0 : EEXIST, "create", p);
	if (fd < 0)
		return;
	*f = (struct file){ 1, below(w, 3) ? below(w, 5000) : 0, below(w, 1000), 0600 };
	if (f->size) {
		char *buf = xmalloc(f->size);

		fill_pattern(buf, f->size, 0, f->seed);
		write_all(fd, buf, f->size);
		free(buf);
	}
	DO(close(fd));
	*n = (struct node){ FILE_, w->nr_files++ };
}

static void do_link(struct world *w, struct node *n, const char *p, struct node *m, const char *q)
{
	int err = n->kind == NONE ? ENOENT : m->kind != NONE ? EEXIST : n->kind == DIR_ ? EPERM : 0;

	/* A second name for a symlink is tested elsewhere. */
	if (n->kind == LINK || n == m)
		return;
	expect(w, link(p, q), err, "link", p);
	if (err)
		return;
	w->files[n->file].links++;
	*m = *n;
}

static void do_rename(struct world *w, struct node *n, const char *p, struct node *m, const char *q)
{
	int err = 0;

	if (n->kind == NONE)
		err = ENOENT;
	else if (m->kind == DIR_ && n->kind != DIR_)
		err = EISDIR;
	else if (m->kind != NONE && m->kind != DIR_ && n->kind == DIR_)
		err = ENOTDIR;
	expect(w, rename(p, q), err, "rename", p);
	if (err || n == m)
		return;
	if (n->kind == FILE_ && m->kind == FILE_ && n->file == m->file)
		return;
	drop_link(w, m);
	*m = *n;
	n->kind = NONE;
}

static void do_exchange(struct world *w, struct node *n, const char *p, struct node *m, const char *q)
{
	struct node t = *n;

	expect(w, renameat2(AT_FDCWD, p, AT_FDCWD, q, RENAME_EXCHANGE),
	       n->kind == NONE || m->kind == NONE ? ENOENT : 0, "exchange", p);
	if (n->kind != NONE && m->kind != NONE) {
		*n = *m;
		*m = t;
	}
}

static void step(struct world *w)
{
	unsigned int d = below(w, DIRS), i = below(w, NAMES), e = below(w, DIRS), j = below(w, NAMES);
	struct node *n = &w->at[d][i], *m = &w->at[e][j];
	const char *p = path(d, i), *q = path(e, j);
	int err;

	switch (below(w, 10)) {
	case 0:
	case 1:
		do_create(w, n, p);
		break;
	case 2:
		expect(w, unlink(p), n->kind == NONE ? ENOENT : n->kind == DIR_ ? EISDIR : 0,
		       "unlink", p);
		if (n->kind != DIR_)
			drop_link(w, n);
		break;
	case 3:
		expect(w, mkdir(p, 0755), n->kind == NONE ? 0 : EEXIST, "mkdir", p);
		if (n->kind == NONE)
			n->kind = DIR_;
		break;
	case 4:
		err = n->kind == NONE ? ENOENT : n->kind != DIR_ ? ENOTDIR : 0;
		expect(w, rmdir(p), err, "rmdir", p);
		if (!err)
			n->kind = NONE;
		break;
	case 5:
		expect(w, symlink("nowhere", p), n->kind == NONE ? 0 : EEXIST, "symlink", p);
		if (n->kind == NONE)
			n->kind = LINK;
		break;
	case 6:
		do_link(w, n, p, m, q);
		break;
	case 7:
		do_rename(w, n, p, m, q);
		break;
	case 8:
		do_exchange(w, n, p, m, q);
		break;
	case 9:
		if (n->kind != FILE_)
			break;
		w->files[n->file].mode = 0400 | below(w, 0400);
		DO(chmod(p, w->files[n->file].mode));
		if (below(w, 2)) {
			w->files[n->file].size = below(w, w->files[n->file].size + 1);
			DO(truncate(p, w->files[n->file].size));
		}
		break;
	}
}

static void check_node(struct world *w, struct node *n, const char *p)
{
	struct file *f = &w->files[n->file];
	struct stat st;

	if (n->kind == NONE) {
		CHECK_ERR(lstat(p, &st), ENOENT);
		return;
	}
	DO(lstat(p, &st));
	switch (n->kind) {
	case DIR_:
		CHECK(S_ISDIR(st.st_mode));
		break;
	case LINK:
		CHECK(S_ISLNK(st.st_mode));
		break;
	default:
		CHECK(S_ISREG(st.st_mode));
		CHECK_EQ(st.st_nlink, f->links);
		CHECK_EQ(st.st_mode & 07777, f->mode);
		CHECK_EQ(st.st_size, f->size);
		check_file(p, f->size, f->seed);
	}
}

static void check_world(struct world *w)
{
	unsigned int d, i, is, should;
	char name[16];

	for (d = 0; d < DIRS; d++) {
		DIR *dir;

		for (should = 0, i = 0; i < NAMES; i++) {
			check_node(w, &w->at[d][i], path(d, i));
			should += w->at[d][i].kind != NONE;
		}
		snprintf(name, sizeof(name), "d%u", d);
		dir = opendir(name);
		CHECK(dir);
		for (is = 0; readdir(dir); is++)
			;
		closedir(dir);
		CHECK_EQ(is, should + 2);
	}
}

static void own_world(unsigned int who, unsigned int steps)
{
	struct world *w = xmalloc(sizeof(*w));
	char name[16];
	unsigned int d;

	need_root();
	w->random = 362436069ull * (who + 1) + test_seed();
	snprintf(name, sizeof(name), "w%u", who);
	DO(mkdir(name, 0755));
	DO(chdir(name));
	for (d = 0; d < DIRS; d++) {
		snprintf(name, sizeof(name), "d%u", d);
		DO(mkdir(name, 0755));
	}
	for (w->step = 1; w->step <= steps; w->step++) {
		step(w);
		if (w->step % 250 == 0)
			check_world(w);
	}
	check_world(w);
	drop_caches();
	check_world(w);
	_exit(0);
}

static void each_alone(void)
{
	unsigned int p, steps = test_scale(1000);
	pid_t pids[PROCS];

	claim_note("seed %u, %d processes, %u steps", test_seed(), PROCS, steps);
	for (p = 0; p < PROCS; p++) {
		pids[p] = DO(fork());
		if (!pids[p])
			own_world(p, steps);
	}
	for (p = 0; p < PROCS; p++)
		wait_ok(pids[p]);
}

/* With others at the same names anything may happen, but nothing else. */
static bool may_happen(int err)
{
	return err == ENOENT || err == EEXIST || err == EISDIR || err == ENOTDIR ||
	       err == ENOTEMPTY || err == EPERM || err == EINVAL || err == EBUSY || err == ELOOP;
}

static void shared_steps(unsigned int who, unsigned int steps)
{
	struct world w = { .random = 521288629ull * (who + 1) + test_seed() };
	struct stat st;

	for (w.step = 1; w.step <= steps; w.step++) {
		const char *p = path(below(&w, DIRS), below(&w, NAMES));
		const char *q = path(below(&w, DIRS), below(&w, NAMES));
		int ret = 0;

		switch (below(&w, 9)) {
		case 0:
		case 1:
			ret = open(p, O_CREAT | O_WRONLY, 0644);
			if (ret >= 0) {
				write_all(ret, "something", 9);
				DO(close(ret));
			}
			break;
		case 2:
			ret = unlink(p);
			break;
		case 3:
			ret = mkdir(p, 0755);
			break;
		case 4:
			ret = rmdir(p);
			break;
		case 5:
			ret = link(p, q);
			break;
		case 6:
			ret = rename(p, q);
			break;
		case 7:
			ret = renameat2(AT_FDCWD, p, AT_FDCWD, q, RENAME_EXCHANGE);
			break;
		case 8:
			ret = stat(p, &st);
			break;
		}
		if (ret < 0 && !may_happen(errno))
			claim_fail(__FILE__, __LINE__, "step %u: %s: %s", w.step, p, strerror(errno));
	}
	_exit(0);
}

static void all_together(void)
{
	unsigned int p, d, steps = test_scale(1000), is, listed;
	struct dirent *e;
	pid_t pids[PROCS];
	char name[16];
	struct stat st;

	claim_note("seed %u, %d processes, %u steps", test_seed(), PROCS, steps);
	for (d = 0; d < DIRS; d++) {
		snprintf(name, sizeof(name), "d%u", d);
		DO(mkdir(name, 0755));
	}
	for (p = 0; p < PROCS; p++) {
		pids[p] = DO(fork());
		if (!pids[p])
			shared_steps(p, steps);
	}
	for (p = 0; p < PROCS; p++)
		wait_ok(pids[p]);
	/* What is listed is there, and the other way round. */
	for (d = 0; d < DIRS; d++) {
		DIR *dir;
		unsigned int i;

		for (is = 0, i = 0; i < NAMES; i++)
			is += !lstat(path(d, i), &st);
		snprintf(name, sizeof(name), "d%u", d);
		dir = opendir(name);
		CHECK(dir);
		for (listed = 0; (e = readdir(dir));) {
			if (e->d_name[0] == '.')
				continue;
			DO(fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW));
			CHECK_EQ(st.st_ino, e->d_ino);
			listed++;
		}
		closedir(dir);
		CHECK_EQ(listed, is);
	}
}

static const struct claim claims[] = {
	{ "random operations in trees of their own agree with a model", each_alone, 180 },
	{ "random operations on shared names end, and leave a sane tree", all_together, 180 },
};
CLAIMS_MAIN(claims)
