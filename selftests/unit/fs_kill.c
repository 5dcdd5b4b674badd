// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * A backend in a process that is killed between any two of its stores, beside one that
 * lives: both get the same random requests and have to give the same answers, byte for
 * byte. So nothing was done twice, nothing was left undone, and nothing else was changed.
 * FERRY_TEST_SEED repeats a run. Linked with memfs, and with mirror, whose answers are
 * compared but for what two files of the host always differ in.
 */
#include <dirent.h>
#include <linux/fuse.h>

#include "../claim.h"
#include "fsclient.h"
#include "mortal.h"

#include <ferry/state.h>

#define ROOT	FERRY_ROOT_NODE
#define NODES	48		/* that the client knows at a time */
#define DATA	(300U << 10)
#define ARGS	"size=8M,nodes=400"

extern const struct ferry_backend ferry_backend;

static struct ferry_server *twin;
static bool of_host;		/* mirror */
static u64 twin_fh, fh;
static uint64_t rnd;
static uint64_t kill_rnd;
static u64 now_sec;
static bool deadly;		/* else nobody is killed */
static u32 typical[64];		/* stores of a request, by opcode */
static unsigned int step;
static bool looking;		/* at what a request left that was given up */

/* Requests that nobody wanted any more: left out when the run is repeated without deaths. */
#define CALLS		100000
static bool dropped[CALLS];
static unsigned int nr_dropped;

/* What the client knows: node numbers, each as often as it was told of it. */
static struct {
	u64 id;
	u64 count;
	u32 type;
} known[NODES];

static u8 data_a[DATA], data_b[DATA];

static u32 below(u32 n)
{
	return next_random(&rnd) % n;
}

/* When to die: at any of the stores that such a request took the last time. */
static u32 stores(u32 opcode)
{
	if (!deadly || next_random(&kill_rnd) % 3 == 0)
		return 0;
	return 1 + next_random(&kill_rnd) % (typical[opcode % 64] + 3);
}

/*
 * Does such a request happen wholly or not at all? Others change bytes inside of a file,
 * or when it was read, and may have done so when nobody wants them any more.
 */
static bool is_whole(u32 opcode, u64 node, const void *in)
{
	const struct fuse_fallocate_in *range = in;
	const struct fuse_write_in *write = in;
	struct fuse_attr attr;

	switch (opcode) {
	case FUSE_READ:
	case FUSE_READDIR:
		return false;
	case FUSE_WRITE:
		return fs_getattr(twin, node, &attr) || write->offset >= attr.size;
	case FUSE_FALLOCATE:
		return !(range->mode & FALLOC_FL_ZERO_RANGE);
	default:
		return true;
	}
}

/* What two files of the host differ in. */
static void mask_attr(struct fuse_attr *attr)
{
	attr->ino = 0;
	attr->blocks = 0;
	attr->atime = attr->mtime = attr->ctime = 0;
	attr->atimensec = attr->mtimensec = attr->ctimensec = 0;
	if (S_ISDIR(attr->mode))
		attr->size = 0;
}

static void mask(u32 opcode, void *out)
{
	if (!of_host)
		return;
	switch (opcode) {
	case FUSE_LOOKUP:
	case FUSE_MKNOD:
	case FUSE_MKDIR:
	case FUSE_SYMLINK:
	case FUSE_LINK:
		mask_attr(&((struct fuse_entry_out *)out)->attr);
		break;
	case FUSE_CREATE:
		mask_attr(&((struct fuse_entry_out *)out)->attr);
		out = (struct fuse_entry_out *)out + 1;
		((struct fuse_open_out *)out)->fh = 0;
		break;
	case FUSE_OPEN:
		((struct fuse_open_out *)out)->fh = 0;
		break;
	case FUSE_GETATTR:
	case FUSE_SETATTR:
		mask_attr(&((struct fuse_attr_out *)out)->attr);
		break;
	case FUSE_STATFS:
		memset(out, 0, sizeof(struct fuse_statfs_out));
	}
}

/* A request of mirror's names an open file, by another number in each. */
static void set_fh(u32 opcode, void *in, u64 value)
{
	if (of_host && (opcode == FUSE_READ || opcode == FUSE_WRITE || opcode == FUSE_RELEASE ||
			opcode == FUSE_FALLOCATE))
		*(u64 *)in = value;
}

static void look(u32 opcode, u64 node);

/* One request for both; the answer. */
static int call(u32 opcode, u64 node, const void *in, u32 in_len, const char *name1,
		const char *name2, void *out, u32 out_len, u32 data_len, bool data_in)
{
	bool drop = !looking && next_random(&kill_rnd) % 4 == 0;
	u8 other[256] = { 0 };
	int a, b;

	drop = drop && !of_host && is_whole(opcode, node, in);

	memset(out, 0, out_len);
	if (!data_in) {
		memset(data_a, 0, data_len);
		memset(data_b, 0, data_len);
	}
	fs_clock(++now_sec);
	CHECK(now_sec < CALLS);
	if (dropped[now_sec]) {
		struct fuse_statfs_out st;

		mortal_call(0, false, FUSE_STATFS, ROOT, NULL, 0, NULL, NULL, &st, sizeof(st),
			    NULL, 0, false);
		look(opcode, node);
		return MORTAL_DROPPED;
	}
	set_fh(opcode, (void *)in, fh);
	b = mortal_call(stores(opcode), drop, opcode, node, in, in_len, name1, name2, other,
			out_len, data_in ? data_a : data_b, data_len, data_in);
	set_fh(opcode, (void *)in, twin_fh);
	/* Not done: so it has to be as if it had never been. */
	if (b == MORTAL_DROPPED) {
		dropped[now_sec] = true;
		nr_dropped++;
		look(opcode, node);
		return b;
	}
	typical[opcode % 64] = mortal_stores();
	a = fs_call(twin, opcode, node, in, in_len, name1, name2, out, out_len, data_a, data_len,
		    data_in);
	if (a != b)
		claim_fail(__FILE__, __LINE__,
			   "step %u: opcode %u of node %llu %s %s gave %d, should be %d",
			   step, opcode, node, name1 ? name1 : "", name2 ? name2 : "", b, a);
	if (a < 0)
		return a;
	if (opcode == FUSE_OPEN) {
		twin_fh = ((struct fuse_open_out *)out)->fh;
		fh = ((struct fuse_open_out *)other)->fh;
	}
	if (opcode == FUSE_CREATE) {
		twin_fh = ((struct fuse_open_out *)((struct fuse_entry_out *)out + 1))->fh;
		fh = ((struct fuse_open_out *)((struct fuse_entry_out *)other + 1))->fh;
	}
	mask(opcode, out);
	mask(opcode, other);
	if (memcmp(out, other, out_len))
		claim_fail(__FILE__, __LINE__, "step %u: opcode %u of node %llu %s: other reply",
			   step, opcode, node, name1 ? name1 : "");
	if (!data_in && memcmp(data_a, data_b, a))
		claim_fail(__FILE__, __LINE__, "step %u: opcode %u of node %llu: other data",
			   step, opcode, node);
	return a;
}

/* Nobody wanted the request any more: so nothing is seen of it. */
static void look(u32 opcode, u64 node)
{
	const struct fuse_getattr_in get = { 0 };
	struct fuse_setattr_in set = { .valid = FATTR_SIZE };
	struct fuse_read_in in = { .size = 8000 };
	struct fuse_getxattr_in list = { .size = 8000 };
	static u8 room[DATA];
	struct fuse_attr_out out;

	if (opcode == FUSE_STATFS || looking)
		return;
	looking = true;
	memcpy(room, data_a, DATA);
	if (!call(FUSE_GETATTR, node, &get, sizeof(get), NULL, NULL, &out, sizeof(out), 0, false)) {
		u64 size = out.attr.size;

		call(FUSE_LISTXATTR, node, &list, sizeof(list), NULL, NULL, NULL, 0, list.size,
		     false);
		if (S_ISDIR(out.attr.mode))
			call(FUSE_READDIR, node, &in, sizeof(in), NULL, NULL, NULL, 0, in.size,
			     false);
		if (S_ISREG(out.attr.mode)) {
			/* What lies behind its end shows when it grows. */
			set.size = size + 200000;
			call(FUSE_SETATTR, node, &set, sizeof(set), NULL, NULL, &out, sizeof(out),
			     0, false);
			in.offset = size < 5000 ? 0 : size - 5000;
			in.size = 205000;
			call(FUSE_READ, node, &in, sizeof(in), NULL, NULL, NULL, 0, in.size, false);
			set.size = size;
			call(FUSE_SETATTR, node, &set, sizeof(set), NULL, NULL, &out, sizeof(out),
			     0, false);
		}
	}
	memcpy(data_a, room, DATA);
	looking = false;
}

static void forget(u32 i, u64 count)
{
	const struct fuse_forget_in in = { .nlookup = count };

	while (call(FUSE_FORGET, known[i].id, &in, sizeof(in), NULL, NULL, NULL, 0, 0, false))
		;
	known[i].count -= count;
	if (!known[i].count)
		known[i].id = 0;
}

/* The client was told of a node, and counts. */
static void know(u64 id, u32 mode)
{
	u32 i, at = NODES;

	if (id == ROOT)
		return;
	for (i = 0; i < NODES; i++) {
		if (known[i].id == id) {
			known[i].count++;
			return;
		}
		if (!known[i].id)
			at = i;
	}
	if (at == NODES) {
		at = below(NODES);
		forget(at, known[at].count);
	}
	known[at].id = id;
	known[at].count = 1;
	known[at].type = mode & S_IFMT;
}

/* One of a type, or of any; ROOT where there is none. */
static u64 any(u32 type)
{
	u32 i, tries;

	/* Many names in one directory */
	if (type == S_IFDIR && below(2))
		return ROOT;
	for (tries = 0; tries < 20; tries++) {
		i = below(NODES + NODES / 4);
		if (i < NODES && known[i].id && (!type || known[i].type == type))
			return known[i].id;
		if (i >= NODES && (!type || type == S_IFDIR))
			return ROOT;
	}
	return ROOT;
}

static const char *random_name(char *name)
{
	static const char *const names[] = {
		"a", "b", "c", "d", "e", "f", "a-name-that-is-rather-longer-than-the-others",
		"and-another-one-which-is-longer-still-so-that-it-wants-more-of-the-heap",
	};
	u32 i = below(40);

	if (i < ARRAY_SIZE(names))
		strcpy(name, names[i]);
	else
		sprintf(name, "name%u", i);
	return name;
}

/* An open file of the host, or what memfs has instead. */
static bool open_file(u64 node)
{
	struct fuse_open_in in = { .flags = O_RDWR };
	struct fuse_open_out out;

	return !of_host || !call(FUSE_OPEN, node, &in, sizeof(in), NULL, NULL, &out, sizeof(out), 0,
				 false);
}

static void close_file(u64 node)
{
	struct fuse_release_in in = { 0 };

	if (of_host)
		call(FUSE_RELEASE, node, &in, sizeof(in), NULL, NULL, NULL, 0, 0, false);
}

static void make(u32 opcode)
{
	const struct fuse_mknod_in mknod = { .mode = S_IFREG | below(010000) };
	const struct fuse_mkdir_in mkdir = { .mode = below(02000) };
	const struct fuse_create_in create = { .flags = O_RDWR | O_CREAT | O_EXCL, .mode = 0644 };
	struct {
		struct fuse_entry_out e;
		struct fuse_open_out o;
	} out;
	char name[256], target[4096];
	u64 dir = any(S_IFDIR);
	int err;

	random_name(name);
	switch (opcode) {
	case FUSE_MKNOD:
		err = call(opcode, dir, &mknod, sizeof(mknod), name, NULL, &out, sizeof(out.e), 0,
			   false);
		break;
	case FUSE_MKDIR:
		err = call(opcode, dir, &mkdir, sizeof(mkdir), name, NULL, &out, sizeof(out.e), 0,
			   false);
		break;
	case FUSE_SYMLINK:
		memset(target, 'x', sizeof(target));
		target[1 + below(below(2) ? 4000 : 60)] = '\0';
		err = call(opcode, dir, NULL, 0, name, target, &out, sizeof(out.e), 0, false);
		break;
	default:
		err = call(opcode, dir, &create, sizeof(create), name, NULL, &out, sizeof(out), 0,
			   false);
	}
	if (!err && opcode == FUSE_CREATE)
		close_file(out.e.nodeid);
	if (!err)
		know(out.e.nodeid, out.e.attr.mode);
}

static void lookup(void)
{
	struct fuse_entry_out e;
	char name[256];
	int err;

	err = call(FUSE_LOOKUP, any(S_IFDIR), NULL, 0, random_name(name), NULL, &e, sizeof(e), 0,
		   false);
	if (!err && e.nodeid)
		know(e.nodeid, e.attr.mode);
}

static void forget_some(void)
{
	u32 i = below(NODES);

	if (known[i].id)
		forget(i, 1 + below(known[i].count));
}

static void getattr(void)
{
	const struct fuse_getattr_in in = { 0 };
	struct fuse_attr_out out;

	call(FUSE_GETATTR, any(0), &in, sizeof(in), NULL, NULL, &out, sizeof(out), 0, false);
}

static void setattr(void)
{
	static const u32 valid[] = {
		FATTR_MODE, FATTR_UID, FATTR_SIZE, FATTR_SIZE, FATTR_SIZE, FATTR_MTIME_NOW,
		FATTR_SIZE | FATTR_KILL_SUIDGID,
	};
	struct fuse_setattr_in in = {
		.valid = valid[below(ARRAY_SIZE(valid))], .mode = below(010000), .uid = below(10),
		.size = below(below(4) ? 30000 : 8 << 20),
	};
	struct fuse_attr_out out;

	call(FUSE_SETATTR, any(below(4) ? S_IFREG : 0), &in, sizeof(in), NULL, NULL, &out,
	     sizeof(out), 0, false);
}

static void take_away(u32 opcode)
{
	char name[256];

	call(opcode, any(S_IFDIR), NULL, 0, random_name(name), NULL, NULL, 0, 0, false);
}

static void rename_any(void)
{
	struct fuse_rename2_in in = { .newdir = any(S_IFDIR), .flags = below(3) };
	char from[256], to[256];

	call(FUSE_RENAME2, any(S_IFDIR), &in, sizeof(in), random_name(from), random_name(to),
	     NULL, 0, 0, false);
}

static void link_any(void)
{
	struct fuse_link_in in = { .oldnodeid = any(0) };
	struct fuse_entry_out e;
	char name[256];

	if (!call(FUSE_LINK, any(S_IFDIR), &in, sizeof(in), random_name(name), NULL, &e,
		  sizeof(e), 0, false))
		know(e.nodeid, e.attr.mode);
}

static u32 some_bytes(void)
{
	return 1 + below(below(8) ? below(4) ? 3000 : 20000 : DATA);
}

static void read_or_write(bool write)
{
	u64 node = any(S_IFREG), off = below(below(2) ? 10000 : 100000);
	struct fuse_attr attr;
	u32 len = some_bytes();
	struct fuse_read_in r = { .offset = off, .size = len };
	struct fuse_write_in w = {
		.offset = off, .size = len, .write_flags = below(8) ? 0 : FUSE_WRITE_KILL_SUIDGID,
	};
	struct fuse_write_out out;

	if (!open_file(node))
		return;
	if (write) {
		fill_pattern(data_a, len, 0, next_random(&rnd));
		if (below(3) && !fs_getattr(twin, node, &attr))
			w.offset = attr.size;
		call(FUSE_WRITE, node, &w, sizeof(w), NULL, NULL, &out, sizeof(out), len,
		     true);
	} else {
		call(FUSE_READ, node, &r, sizeof(r), NULL, NULL, NULL, 0, len, false);
	}
	close_file(node);
}

static void fallocate_some(void)
{
	static const u32 modes[] = {
		0, FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		FALLOC_FL_ZERO_RANGE, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE,
	};
	struct fuse_fallocate_in in = {
		.offset = below(50000), .length = some_bytes(), .mode = modes[below(5)],
	};

	u64 node = any(S_IFREG);

	if (!open_file(node))
		return;
	call(FUSE_FALLOCATE, node, &in, sizeof(in), NULL, NULL, NULL, 0, 0, false);
	close_file(node);
}

static void open_any(void)
{
	struct fuse_open_in in = { .flags = O_RDWR | (below(2) ? O_TRUNC : 0) };
	struct fuse_open_out out;

	u64 node = any(S_IFREG);

	if (!call(FUSE_OPEN, node, &in, sizeof(in), NULL, NULL, &out, sizeof(out), 0, false))
		close_file(node);
}

static void xattr_any(u32 opcode)
{
	char name[32];
	u32 len = below(below(8) ? 200 : 30000);
	struct fuse_setxattr_in set = { .size = len, .flags = below(3) };
	struct fuse_getxattr_in get = { .size = 30000 };
	u64 node = any(0);

	sprintf(name, below(4) ? "user.name%u" : "security.capability", below(5));
	switch (opcode) {
	case FUSE_SETXATTR:
		fill_pattern(data_a, len, 0, next_random(&rnd));
		call(opcode, node, &set, FUSE_COMPAT_SETXATTR_IN_SIZE, name, NULL, NULL, 0, len,
		     len);
		break;
	case FUSE_REMOVEXATTR:
		call(opcode, node, NULL, 0, name, NULL, NULL, 0, 0, false);
		break;
	case FUSE_LISTXATTR:
		call(opcode, node, &get, sizeof(get), NULL, NULL, NULL, 0, get.size, false);
		break;
	default:
		call(opcode, node, &get, sizeof(get), name, NULL, NULL, 0, get.size, false);
	}
}

static void readdir_any(bool plus)
{
	struct fuse_read_in in = { .size = 300 + below(7000) };
	u64 dir = any(S_IFDIR);
	static u8 entries[8192];
	int n, at = 0;

	if (of_host)
		return;
	n = call(plus ? FUSE_READDIRPLUS : FUSE_READDIR, dir, &in, sizeof(in), NULL, NULL, NULL, 0,
		 in.size, false);
	if (n <= 0 || !plus)
		return;
	memcpy(entries, data_a, n);
	while (at < n) {
		const struct fuse_direntplus *de = (void *)(entries + at);

		if (de->entry_out.nodeid)
			know(de->entry_out.nodeid, de->entry_out.attr.mode);
		at += FUSE_DIRENTPLUS_SIZE(de);
	}
}

static void statfs(void)
{
	struct fuse_statfs_out out;

	call(FUSE_STATFS, ROOT, NULL, 0, NULL, NULL, &out, sizeof(out), 0, false);
}

static void random_step(void)
{
	static const u32 makes[] = { FUSE_MKNOD, FUSE_MKDIR, FUSE_SYMLINK, FUSE_CREATE };
	static const u32 xattrs[] = {
		FUSE_SETXATTR, FUSE_SETXATTR, FUSE_GETXATTR, FUSE_LISTXATTR, FUSE_REMOVEXATTR,
	};

	switch (below(16)) {
	case 0:
	case 1:
		make(makes[below(4)]);
		break;
	case 2:
		lookup();
		break;
	case 3:
		forget_some();
		break;
	case 4:
		below(2) ? getattr() : statfs();
		break;
	case 5:
		setattr();
		break;
	case 6:
		take_away(below(2) ? FUSE_UNLINK : FUSE_RMDIR);
		break;
	case 7:
	case 8:
		rename_any();
		break;
	case 9:
		link_any();
		break;
	case 10:
	case 11:
		read_or_write(true);
		break;
	case 12:
		read_or_write(false);
		break;
	case 13:
		below(2) ? fallocate_some() : open_any();
		break;
	case 14:
		xattr_any(xattrs[below(5)]);
		break;
	default:
		readdir_any(below(2));
	}
}

static const char *fresh_dir(unsigned int seed, const char *name)
{
	static unsigned int nr;
	char path[64];

	snprintf(path, sizeof(path), "%s%u.%u", name, seed, nr++);
	DO(mkdir(path, 0755));
	return realpath(path, NULL);
}

static void begin(unsigned int seed)
{
	rnd = seed * 0x9e3779b97f4a7c15ULL;
	kill_rnd = seed * 0xbf58476d1ce4e5b9ULL;
	now_sec = 0;
	memset(known, 0, sizeof(known));
	fs_clock(1);
	of_host = !strcmp(ferry_backend.name, "mirror");
	if (of_host) {
		const char *a = fresh_dir(seed, "living"), *b = fresh_dir(seed, "mortal");

		twin = fs_start(a);
		mortal_start(b);
		return;
	}
	twin = fs_start(ARGS);
	mortal_start(ARGS);
}

/* Descriptors that are kept. */
static unsigned int kept_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *de;
	unsigned int n = 0;

	while ((de = readdir(dir)))
		n += atoi(de->d_name) >= FERRY_KEPT_FD;
	closedir(dir);
	return n;
}

/* Bytes that the state holds in the end. */
static u64 run(unsigned int seed, unsigned int steps)
{
	u64 used;
	u32 i;

	begin(seed);
	for (step = 0; step < steps; step++)
		random_step();
	deadly = false;
	/* All that can be told of it, before and behind a last death. */
	mortal_kill();
	for (i = 0; i < NODES; i++)
		if (known[i].id)
			forget(i, known[i].count);
	statfs();
	mortal_kill();
	statfs();
	used = mortal_used();
	/* mirror's root */
	CHECK_EQ(kept_fds(), of_host);
	claim_note("%llu bytes of state in the end", used);
	mortal_end();
	fs_stop(twin);
	return used;
}

static void exactly_once(void)
{
	unsigned int steps = test_scale(6000), deaths, marked;
	u64 used, never;

	claim_note("FERRY_TEST_SEED=%u", test_seed());
	deadly = true;
	used = run(test_seed(), steps);
	deaths = mortal_deaths(&marked);
	claim_note("%u deaths in %u requests, %u of them with the request done, %u given up",
		   deaths, steps, marked, nr_dropped);
	CHECK(deaths > steps / 4);
	CHECK(marked > 0);
	never = run(test_seed(), steps);
	/* What a death leaves behind in the heap nobody would find. */
	CHECK_EQ(used, never);
}

static u32 other_stores;
static unsigned int others;

static int change(u32 stores, u32 opcode, const void *in, u32 in_len, const char *name,
		  const char *name2)
{
	return mortal_call(stores, false, opcode, ROOT, in, in_len, name, name2, NULL, 0, NULL, 0,
			   false);
}

static int make_dir(u32 stores, const char *name)
{
	const struct fuse_mkdir_in in = { .mode = 0755 };
	const struct fuse_forget_in once = { .nlookup = 1 };
	struct fuse_entry_out e;
	int err = mortal_call(stores, false, FUSE_MKDIR, ROOT, &in, sizeof(in), name, NULL, &e,
			      sizeof(e), NULL, 0, false);

	if (!err)
		mortal_call(0, false, FUSE_FORGET, e.nodeid, &once, sizeof(once), NULL, NULL, NULL,
			    0, NULL, 0, false);
	return err;
}

/* These come between, and their server may die as well. */
static void make_others(void)
{
	others++;
	CHECK_EQ(make_dir(other_stores, "other"), 0);
	CHECK_EQ(change(other_stores, FUSE_RMDIR, NULL, 0, "other", NULL), 0);
}

/* Each of the three would be refused if it were done twice. */
static void overtaken(void)
{
	const struct fuse_rename2_in in = { .newdir = ROOT };
	unsigned int before;
	u32 stores = 0;

	begin(test_seed());
	do {
		before = others;
		other_stores = stores++ / 2;
		mortal_overtake(make_others);
		CHECK_EQ(make_dir(stores, "a"), 0);
		mortal_overtake(make_others);
		CHECK_EQ(change(stores, FUSE_RENAME2, &in, sizeof(in), "a", "b"), 0);
		mortal_overtake(make_others);
		CHECK_EQ(change(stores, FUSE_RMDIR, NULL, 0, "b", NULL), 0);
	} while (others > before);
	mortal_overtake(NULL);
	claim_note("%u times", others);
	mortal_end();
	fs_stop(twin);
}

/* The descriptor that is kept for a name, or -1 */
static int kept_fd(const char *name)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *de;
	char path[PATH_MAX];
	int found = -1;
	ssize_t n;

	while ((de = readdir(dir))) {
		n = readlinkat(dirfd(dir), de->d_name, path, sizeof(path) - 1);
		path[max(n, (ssize_t)0)] = '\0';
		if (atoi(de->d_name) >= FERRY_KEPT_FD && strrchr(path, '/') &&
		    !strcmp(strrchr(path, '/') + 1, name))
			found = atoi(de->d_name);
	}
	closedir(dir);
	return found;
}

/* As on an overlay, when it is written to, or where the host's server has lost it. */
static void files_change(void)
{
	const struct fuse_mkdir_in in = { .mode = 0755 };
	struct fuse_entry_out e;
	int other;

	begin(test_seed());
	CHECK_EQ(mortal_call(0, false, FUSE_MKDIR, ROOT, &in, sizeof(in), "changes", NULL, &e,
			     sizeof(e), NULL, 0, false), 0);
	if (of_host) {
		other = DO(open("/", O_PATH));
		CHECK(kept_fd("changes") >= 0);
		DO(dup2(other, kept_fd("changes")));
		close(other);
	}
	mortal_kill();
	CHECK_EQ(make_dir(0, "a"), 0);
	mortal_end();
	fs_stop(twin);
}

static const struct claim claims[] = {
	{ "each request takes effect once, whenever the server dies", exactly_once, 300 },
	{ "it does so, too, if others come before it comes again", overtaken, 60 },
	{ "who follows does not care for a file of the host's that is another one by now", files_change },
};

CLAIMS_MAIN(claims)
