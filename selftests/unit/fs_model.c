// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * A backend does what the host's filesystem does: the same random operations on
 * both, each with the same outcome, and the same tree in the end. FERRY_TEST_SEED
 * repeats a run. Linked with memfs, and with mirror.
 */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../claim.h"
#include "fsclient.h"

#define ROOT	FERRY_ROOT_NODE
#define FILES	8	/* kept open at a time */
#define SPAN	300000	/* bytes of a file that are written at all */

extern const struct ferry_backend ferry_backend;

static struct ferry_server *s;
static const char *args;
static uint64_t rnd;
static unsigned int step;

static struct {
	u64 node;
	u64 fh;
	int fd;
} files[FILES];

static u32 below(u32 n)
{
	return next_random(&rnd) % n;
}

static void differ(const char *op, const char *path, long long is, long long should)
{
	claim_fail(__FILE__, __LINE__, "step %u: %s %s gave %lld, the host %lld", step, op, path,
		   is, should);
}

/* What a call of the host gave, before anything of ours, which may be the same call, sets errno. */
static long long host(long long ret)
{
	return ret == -1 ? -errno : ret;
}

static void compare(const char *op, const char *path, long long is, long long should)
{
	if (should == -1)
		should = -errno;
	if (is != should)
		differ(op, path, is, should);
}

/* One to four names deep; few names, so that they meet. */
static void random_path(char *path)
{
	static const char *const names[] = { "a", "b", "c", "dd" };
	int depth = 1 + below(4);

	*path = '\0';
	while (depth--) {
		strcat(path, names[below(4)]);
		if (depth)
			strcat(path, "/");
	}
}

/* Nodes looked up on the way stay known until the step is done. */
static u64 held[16];
static u32 nr_held;

static void hold(u64 node)
{
	CHECK(nr_held < ARRAY_SIZE(held));
	held[nr_held++] = node;
}

static void let_go(void)
{
	while (nr_held)
		fs_forget(s, held[--nr_held], 1);
}

/* The node of the directory that holds the last name of @path; 0 or -errno. */
static int walk(const char *path, u64 *dir, const char **last)
{
	struct fuse_entry_out e;
	char part[NAME_MAX + 1];
	const char *slash;
	int err;

	*dir = ROOT;
	while ((slash = strchr(path, '/'))) {
		memcpy(part, path, slash - path);
		part[slash - path] = '\0';
		err = fs_lookup(s, *dir, part, &e);
		if (err)
			return err;
		hold(e.nodeid);
		/* all symlinks dangle */
		if (S_ISLNK(e.attr.mode))
			return -ENOENT;
		if (!S_ISDIR(e.attr.mode))
			return -ENOTDIR;
		*dir = e.nodeid;
		path = slash + 1;
	}
	*last = path;
	return 0;
}

static int lookup(const char *path, struct fuse_entry_out *e)
{
	const char *name;
	u64 dir;
	int err = walk(path, &dir, &name);

	if (err)
		return err;
	err = fs_lookup(s, dir, name, e);
	if (!err)
		hold(e->nodeid);
	return err;
}

static void do_make(void)
{
	struct fuse_entry_out e = { 0 };
	char path[64];
	const char *name;
	u64 dir;
	int err, kind = below(5);
	mode_t mode = below(01000);

	random_path(path);
	err = walk(path, &dir, &name);
	switch (kind) {
	case 0:
	case 1:
		err = err ? err : fs_mkdir(s, dir, name, mode | 0700, &e);
		compare("mkdir", path, err, mkdir(path, mode | 0700));
		break;
	case 2:
		err = err ? err : fs_symlink(s, dir, name, "some/where", &e);
		compare("symlink", path, err, symlink("some/where", path));
		break;
	case 3:
		err = err ? err : fs_mknod(s, dir, name, S_IFIFO | mode, 0, &e);
		compare("mkfifo", path, err, mkfifo(path, mode));
		break;
	default:
		err = err ? err : fs_mknod(s, dir, name, S_IFREG | mode, 0, &e);
		compare("mknod", path, err, mknod(path, S_IFREG | mode, 0));
	}
	if (!err)
		fs_forget(s, e.nodeid, 1);
}

static void close_file(u32 i)
{
	int err;

	if (!files[i].node)
		return;
	err = fs_release(s, files[i].node, files[i].fh);
	CHECK(!err || err == -ENOSYS);
	fs_forget(s, files[i].node, 1);
	close(files[i].fd);
	files[i].node = 0;
}

static void do_open(void)
{
	u32 i = below(FILES), trunc = below(4) ? 0 : O_TRUNC;
	struct fuse_entry_out e;
	const char *name;
	char path[64];
	u64 dir;
	int err, fd;

	close_file(i);
	random_path(path);
	err = walk(path, &dir, &name);
	err = err ? err : fs_create(s, dir, name, 0600, &e, &files[i].fh);
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
	if (err == -EEXIST) {
		if (fd != -1 || errno != EEXIST)
			differ("create", path, err, fd == -1 ? -errno : 0);
		CHECK_EQ(fs_lookup(s, dir, name, &e), 0);
		if (!S_ISREG(e.attr.mode)) {
			fs_forget(s, e.nodeid, 1);
			return;
		}
		fd = DO(open(path, O_RDWR | trunc));
		CHECK_EQ(fs_open(s, e.nodeid, O_RDWR | trunc, &files[i].fh), 0);
	} else {
		compare("create", path, err, fd == -1 ? -1 : 0);
		if (err)
			return;
	}
	files[i].node = e.nodeid;
	files[i].fd = fd;
}

static void do_unlink(void)
{
	char path[64];
	const char *name;
	u64 dir;
	int err;

	random_path(path);
	err = walk(path, &dir, &name);
	if (below(2)) {
		err = err ? err : fs_unlink(s, dir, name);
		compare("unlink", path, err, unlink(path));
	} else {
		err = err ? err : fs_rmdir(s, dir, name);
		compare("rmdir", path, err, rmdir(path));
	}
}

static void do_rename(void)
{
	static const u32 flags[] = { 0, 0, 0, FERRY_RENAME_NOREPLACE, FERRY_RENAME_EXCHANGE };
	u32 flag = flags[below(ARRAY_SIZE(flags))];
	char from[64], to[64], both[136];
	const char *name, *new_name;
	u64 dir, new_dir;
	int err;

	random_path(from);
	random_path(to);
	snprintf(both, sizeof(both), "%s %s (%u)", from, to, flag);
	err = walk(from, &dir, &name);
	err = err ? err : walk(to, &new_dir, &new_name);
	err = err ? err : fs_rename(s, dir, name, new_dir, new_name, flag);
	compare("rename", both, err, renameat2(AT_FDCWD, from, AT_FDCWD, to, flag));
}

static void do_link(void)
{
	struct fuse_entry_out e;
	char from[64], to[64];
	const char *name;
	u64 dir;
	int err, ret;

	random_path(from);
	random_path(to);
	err = lookup(from, &e);
	/* the order of these two errors is the kernel's business */
	if (!err && S_ISDIR(e.attr.mode))
		return;
	err = err ? err : walk(to, &dir, &name);
	err = err ? err : fs_link(s, e.nodeid, dir, name, &e);
	ret = linkat(AT_FDCWD, from, AT_FDCWD, to, 0);
	compare("link", to, err, ret);
	if (!err)
		fs_forget(s, e.nodeid, 1);
}

static void check_size(u32 i, const char *op)
{
	struct fuse_attr attr;
	struct stat st;

	CHECK_EQ(fs_getattr(s, files[i].node, &attr), 0);
	DO(fstat(files[i].fd, &st));
	compare(op, "size", attr.size, st.st_size);
	compare(op, "blocks", attr.blocks, st.st_blocks);
	compare(op, "nlink", attr.nlink, st.st_nlink);
}

static void do_file(void)
{
	static const int modes[] = {
		0, FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
	};
	static u8 a[SPAN], b[SPAN];
	u32 i = below(FILES), off = below(SPAN), len = 1 + below(below(2) ? 5000 : SPAN - off);
	int fd = files[i].fd, mode;
	long long should;
	u64 node = files[i].node, fh = files[i].fh;

	if (!node)
		return;
	if (len > SPAN - off)
		len = SPAN - off;
	switch (below(6)) {
	case 0:
	case 1:
		fill_pattern(a, len, 0, next_random(&rnd));
		should = host(pwrite(fd, a, len, off));
		compare("write", "", fs_write(s, node, fh, off, a, len), should);
		break;
	case 2:
		should = host(pread(fd, b, len, off));
		compare("read", "", fs_read(s, node, fh, off, a, len), should);
		len = max(0, (int)should);
		if (memcmp(a, b, len))
			differ("read", "other bytes", off, len);
		break;
	case 3:
		should = host(ftruncate(fd, off));
		compare("truncate", "", fs_truncate(s, node, off), should);
		break;
	case 4:
		mode = modes[below(3)];
		should = host(fallocate(fd, mode, off, len));
		compare("fallocate", "", fs_fallocate(s, node, fh, mode, off, len), should);
		break;
	default:
		mode = below(2) ? SEEK_DATA : SEEK_HOLE;
		/* the host may call preallocated pages data or hole */
		should = host(lseek(fd, off, mode));
		if (mode == SEEK_HOLE && should < 0)
			compare("lseek", "", fs_lseek(s, node, fh, off, mode), should);
	}
	check_size(i, "after");
}

static void do_chmod(void)
{
	struct fuse_entry_out e;
	mode_t mode = below(010000);
	char path[64];
	int err;

	random_path(path);
	err = lookup(path, &e);
	if (!err && S_ISLNK(e.attr.mode))
		return;
	if (!err && S_ISDIR(e.attr.mode))
		mode = (mode | 0700) & ~02000;
	err = err ? err : fs_chmod(s, e.nodeid, mode);
	compare("chmod", path, err, chmod(path, mode));
}

/* A backend may have no handles of directories. */
static u64 open_dir(u64 dir)
{
	u64 fh = 0;
	int err = fs_open(s, dir, O_DIRECTORY, &fh);

	CHECK(!err || err == -ENOSYS);
	return fh;
}

static void close_dir(u64 dir, u64 fh)
{
	int err = fs_releasedir(s, dir, fh);

	CHECK(!err || err == -ENOSYS);
}

struct listing {
	const char *path;
	u32 names;
};

static void check_tree(u64 dir, const char *path);

static void check_name(void *arg, const char *name, const struct fuse_dirent *de,
		       const struct fuse_entry_out *e)
{
	struct listing *l = arg;
	char path[256], target[64], host_target[64];
	struct stat st;
	u8 *a, *b;
	u64 fh;

	if (!strcmp(name, ".") || !strcmp(name, ".."))
		return;
	l->names++;
	snprintf(path, sizeof(path), "%s/%s", l->path, name);
	if (lstat(path, &st))
		differ("list", path, 0, -errno);
	compare("ino", path, e->attr.ino, de->ino);
	compare("type", path, de->type, st.st_mode >> 12);
	compare("mode", path, e->attr.mode, st.st_mode);
	compare("nlink", path, e->attr.nlink, st.st_nlink);
	if (S_ISLNK(st.st_mode)) {
		compare("readlink", path, fs_readlink(s, e->nodeid, target, 64),
			readlink(path, host_target, 64));
		if (memcmp(target, host_target, st.st_size))
			differ("readlink", path, 0, 0);
	}
	if (S_ISREG(st.st_mode)) {
		int fd = DO(open(path, O_RDONLY));

		compare("size", path, e->attr.size, st.st_size);
		a = xmalloc(SPAN);
		b = xmalloc(SPAN);
		CHECK_EQ(fs_open(s, e->nodeid, O_RDONLY, &fh), 0);
		compare("read", path, fs_read(s, e->nodeid, fh, 0, a, SPAN),
			pread(fd, b, SPAN, 0));
		fs_release(s, e->nodeid, fh);
		if (memcmp(a, b, SPAN))
			differ("read", path, 0, 0);
		free(a);
		free(b);
		close(fd);
	}
	if (S_ISDIR(st.st_mode))
		check_tree(e->nodeid, path);
	fs_forget(s, e->nodeid, 1);
}

static void check_tree(u64 dir, const char *path)
{
	struct listing l = { .path = path };
	u64 off = 0, fh = open_dir(dir);
	struct dirent *de;
	u32 names = 0;
	DIR *d;

	while (fs_readdir(s, dir, fh, &off, 700, true, check_name, &l) > 0)
		;
	close_dir(dir, fh);
	d = opendir(path);
	CHECK(d);
	while ((de = readdir(d)))
		names++;
	closedir(d);
	compare("list", path, l.names, names - 2);
}

static void clear(u64 dir);

static void remove_name(void *arg, const char *name, const struct fuse_dirent *de,
			const struct fuse_entry_out *e)
{
	u64 dir = *(u64 *)arg;

	if (!strcmp(name, ".") || !strcmp(name, ".."))
		return;
	if (de->type == DT_DIR) {
		struct fuse_entry_out sub;

		CHECK_EQ(fs_lookup(s, dir, name, &sub), 0);
		clear(sub.nodeid);
		fs_forget(s, sub.nodeid, 1);
		CHECK_EQ(fs_rmdir(s, dir, name), 0);
	} else {
		CHECK_EQ(fs_unlink(s, dir, name), 0);
	}
}

static void clear(u64 dir)
{
	u64 off = 0, fh = open_dir(dir);

	while (fs_readdir(s, dir, fh, &off, 300, false, remove_name, &dir) > 0)
		;
	close_dir(dir, fh);
}

/* A tmpfs to compare with and one for mirror, which go with the process. */
static void enter_tmpfs(void)
{
	if (geteuid())
		claim_skip("wants to be root: permissions are not what this is about");
	DO(mkdir("host", 0755));
	DO(mkdir("served", 0755));
	if (unshare(CLONE_NEWNS) || mount("", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("tmpfs", "host", "tmpfs", 0, NULL) ||
	    mount("tmpfs", "served", "tmpfs", 0, NULL))
		claim_skip("no tmpfs to compare with: %s", strerror(errno));
	if (!strcmp(ferry_backend.name, "mirror"))
		args = realpath("served", NULL);
	DO(chdir("host"));
}

static void same_as_the_host(void)
{
	static void (*const ops[])(void) = {
		do_make, do_make, do_open, do_unlink, do_rename, do_rename, do_link,
		do_file, do_file, do_file, do_file, do_chmod,
	};
	unsigned int steps = test_scale(30000);
	struct fuse_kstatfs st;
	struct ferry_server *server;

	enter_tmpfs();
	rnd = test_seed() * 0x9e3779b97f4a7c15ULL;
	claim_note("FERRY_TEST_SEED=%u", test_seed());
	umask(0);
	s = fs_start(args);
	for (step = 0; step < steps; step++) {
		ops[below(ARRAY_SIZE(ops))]();
		let_go();
		if (step % 1000 == 999)
			check_tree(ROOT, ".");
	}
	check_tree(ROOT, ".");

	/* With all names and open files gone nothing is left. */
	for (step = 0; step < FILES; step++)
		close_file(step);
	clear(ROOT);
	fs_statfs(s, &st);
	CHECK_EQ(st.ffree, st.files - 1);
	CHECK_EQ(st.bfree, st.blocks);
	server = s;
	fs_stop(server);
}

static const struct claim claims[] = {
	{ "random operations end as on the host's filesystem", same_as_the_host, 120 },
};

CLAIMS_MAIN(claims)
