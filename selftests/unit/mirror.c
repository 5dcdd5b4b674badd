// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* mirror serves a directory of the host, and nothing else of it. */
#include <dirent.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "../claim.h"
#include "fsclient.h"

#define ROOT	FERRY_ROOT_NODE

static struct ferry_server *serve_here(void)
{
	DO(mkdir("served", 0755));
	return fs_start("served");
}

static unsigned int open_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned int n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static void files_belong_to_the_caller(void)
{
	struct ferry_server *s;
	struct fuse_entry_out e;
	struct stat st;
	u64 fh;

	need_root();
	s = serve_here();
	DO(chmod("served", 0700));
	fs_as(1234, 5678);
	CHECK_EQ(fs_create(s, ROOT, "f", 0640, &e, &fh), 0);
	CHECK_EQ(fs_release(s, e.nodeid, fh), 0);
	CHECK_EQ(fs_mkdir(s, ROOT, "d", 01777, &e), 0);
	CHECK_EQ(fs_symlink(s, ROOT, "l", "f", &e), 0);
	CHECK_EQ(fs_mknod(s, ROOT, "n", S_IFCHR | 0666, 0x103, &e), 0);
	CHECK_EQ(e.attr.rdev, 0x103);
	fs_as(0, 0);
	CHECK_EQ(fs_mkdir(s, ROOT, "root", 0755, &e), 0);

	DO(lstat("served/f", &st));
	CHECK_EQ(st.st_uid, 1234);
	CHECK_EQ(st.st_gid, 5678);
	CHECK_EQ(st.st_mode, S_IFREG | 0640);
	DO(lstat("served/d", &st));
	CHECK_EQ(st.st_uid, 1234);
	CHECK_EQ(st.st_mode, S_IFDIR | 01777);
	DO(lstat("served/l", &st));
	CHECK_EQ(st.st_uid, 1234);
	DO(lstat("served/n", &st));
	CHECK_EQ(st.st_uid, 1234);
	CHECK_EQ(st.st_rdev, makedev(1, 3));
	DO(lstat("served/root", &st));
	CHECK_EQ(st.st_uid, 0);
	fs_stop(s);
}

static void links_do_not_lead_out(void)
{
	struct ferry_server *s = serve_here();
	struct fuse_entry_out e;
	char target[64], buf[8];
	int err;

	make_file("outside", 100, 1);
	DO(symlink("../outside", "served/file"));
	DO(symlink("..", "served/up"));

	CHECK_EQ(fs_lookup(s, ROOT, "up", &e), 0);
	CHECK(S_ISLNK(e.attr.mode));
	CHECK_EQ(fs_lookup(s, e.nodeid, "outside", NULL), -ENOTDIR);
	err = fs_readlink(s, e.nodeid, target, sizeof(target));
	CHECK_EQ(err, 2);
	CHECK_EQ(fs_lookup(s, ROOT, "..", NULL), -EINVAL);
	CHECK_EQ(fs_lookup(s, ROOT, "up/outside", NULL), -EINVAL);

	CHECK_EQ(fs_lookup(s, ROOT, "file", &e), 0);
	CHECK_EQ(fs_open(s, e.nodeid, O_RDWR, NULL), -EINVAL);
	CHECK(fs_truncate(s, e.nodeid, 0) < 0);
	CHECK(fs_chmod(s, e.nodeid, 0777) < 0);
	CHECK(fs_getxattr(s, e.nodeid, "user.x", buf, 8) < 0);
	CHECK(fs_create(s, ROOT, "file", 0644, &e, NULL) < 0);
	check_file("outside", 100, 1);
	fs_stop(s);
}

static void names_of_a_file_are_one_node(void)
{
	struct ferry_server *s = serve_here();
	struct fuse_entry_out a, b;
	struct fuse_attr attr;

	make_file("served/a", 10, 1);
	DO(link("served/a", "served/b"));
	CHECK_EQ(fs_lookup(s, ROOT, "a", &a), 0);
	CHECK_EQ(fs_lookup(s, ROOT, "b", &b), 0);
	CHECK_EQ(a.nodeid, b.nodeid);
	CHECK_EQ(a.attr.nlink, 2);
	/* renamed behind its back, it is still the same file */
	DO(rename("served/a", "served/c"));
	CHECK_EQ(fs_getattr(s, a.nodeid, &attr), 0);
	fs_forget(s, a.nodeid, 1);
	CHECK_EQ(fs_getattr(s, a.nodeid, &attr), 0);
	fs_forget(s, a.nodeid, 1);
	CHECK_EQ(fs_getattr(s, a.nodeid, &attr), -ESTALE);
	CHECK_EQ(fs_lookup(s, ROOT, "c", &b), 0);
	CHECK(b.nodeid != a.nodeid);
	CHECK_EQ(fs_getattr(s, a.nodeid, &attr), -ESTALE);
	fs_stop(s);
}

static void descriptors_come_back(void)
{
	unsigned int before, i;
	struct ferry_server *s;
	struct fuse_entry_out *e = calloc(3000, sizeof(*e));
	struct rlimit lim;
	char name[32];
	u64 fh;

	before = open_fds();
	s = serve_here();
	for (i = 0; i < 3000; i++) {
		snprintf(name, sizeof(name), "%u", i);
		CHECK_EQ(fs_create(s, ROOT, name, 0644, &e[i], &fh), 0);
		CHECK_EQ(fs_release(s, e[i].nodeid, fh), 0);
	}
	CHECK_EQ(open_fds(), before + 3001);
	for (i = 0; i < 3000; i++)
		fs_forget(s, e[i].nodeid, 1);
	CHECK_EQ(open_fds(), before + 1);
	CHECK_EQ(fs_lookup(s, ROOT, "7", &e[0]), 0);

	/* where there are no more, that is an error like another */
	DO(getrlimit(RLIMIT_NOFILE, &lim));
	lim.rlim_cur = open_fds();
	DO(setrlimit(RLIMIT_NOFILE, &lim));
	for (i = 0; i < 10; i++) {
		snprintf(name, sizeof(name), "1%u", i);
		if (fs_lookup(s, ROOT, name, NULL) == -EMFILE)
			break;
	}
	CHECK(i < 10);
	lim.rlim_cur = lim.rlim_max;
	DO(setrlimit(RLIMIT_NOFILE, &lim));
	fs_stop(s);
	CHECK_EQ(open_fds(), before);
	free(e);
}

static unsigned int nr_seen;

static void see(void *arg, const char *name, const struct fuse_dirent *de,
		const struct fuse_entry_out *e)
{
	struct ferry_server *s = arg;
	struct stat st;
	char path[300];

	nr_seen++;
	if (name[0] == '.')
		return;
	snprintf(path, sizeof(path), "served/%s", name);
	DO(lstat(path, &st));
	CHECK_EQ(de->ino, st.st_ino);
	CHECK_EQ(de->type, st.st_mode >> 12);
	if (e) {
		CHECK_EQ(e->attr.ino, st.st_ino);
		fs_forget(s, e->nodeid, 1);
	}
}

static void listings_show_what_is_there(void)
{
	struct ferry_server *s = serve_here();
	u64 fh, off;
	char path[300] = "served/";
	unsigned int i, plus;

	for (i = 0; i < 500; i++) {
		snprintf(path + 7, 16, "%u", i);
		make_file(path, 0, 1);
	}
	memset(path + 7, 'x', 255);
	path[262] = '\0';
	DO(mkdir(path, 0755));
	for (plus = 0; plus < 2; plus++) {
		off = 0;
		nr_seen = 0;
		CHECK_EQ(fs_open(s, ROOT, O_DIRECTORY, &fh), 0);
		while (fs_readdir(s, ROOT, fh, &off, 1000, plus, see, s) > 0)
			;
		CHECK_EQ(nr_seen, 503);
		CHECK_EQ(fs_releasedir(s, ROOT, fh), 0);
	}
	fs_stop(s);
}

static void another_ones_file_is_opened(void)
{
	const struct fuse_create_in in = { .flags = O_RDWR | O_CREAT, .mode = 0600 };
	struct {
		struct fuse_entry_out e;
		struct fuse_open_out o;
	} out;
	struct ferry_server *s = serve_here();
	struct fuse_entry_out e;
	char buf[8];

	make_file("served/f", 5, 1);
	/* the client believed that there was none */
	CHECK_EQ(fs_call(s, FUSE_CREATE, ROOT, &in, sizeof(in), "f", NULL, &out, sizeof(out),
			 NULL, 0, false), 0);
	CHECK_EQ(fs_read(s, out.e.nodeid, out.o.fh, 0, buf, 8), 5);
	CHECK_EQ(fs_create(s, ROOT, "f", 0600, &e, NULL), -EEXIST);
	fs_stop(s);
}

/* Some hosts' disks say EAGAIN to whoever has it, not only to whoever opens a fifo. */
static void made_files_are_waited_for(void)
{
	struct ferry_server *s = serve_here();
	struct fuse_entry_out e;
	u64 fh;

	CHECK_EQ(fs_create(s, ROOT, "f", 0600, &e, &fh), 0);
	CHECK_EQ(fcntl((int)fh, F_GETFL) & (O_NONBLOCK | O_ACCMODE), O_RDWR);
	CHECK_EQ(fs_release(s, e.nodeid, fh), 0);
	fs_stop(s);
}

static void writing_may_drop_suid(void)
{
	struct ferry_server *s = serve_here();
	struct fuse_setattr_in cut = { .valid = FATTR_SIZE | FATTR_KILL_SUIDGID, .size = 1 };
	struct fuse_entry_out e;
	struct fuse_attr attr;
	u64 fh;

	CHECK_EQ(fs_create(s, ROOT, "f", 0600, &e, &fh), 0);
	CHECK_EQ(fs_chmod(s, e.nodeid, 06755), 0);
	CHECK_EQ(fs_write(s, e.nodeid, fh, 0, "abc", 3), 3);
	CHECK_EQ(fs_setattr(s, e.nodeid, &cut, &attr), 0);
	CHECK_EQ(attr.mode & 07777, 0755);
	CHECK_EQ(attr.size, 1);
	CHECK_EQ(fs_release(s, e.nodeid, fh), 0);
	fs_stop(s);
}

static void times_have_nanoseconds(void)
{
	struct ferry_server *s = serve_here();
	struct fuse_setattr_in set = {
		.valid = FATTR_ATIME | FATTR_MTIME, .atime = 1, .atimensec = 2, .mtime = 3,
		.mtimensec = 999999999,
	};
	struct fuse_entry_out e;
	struct stat st;

	CHECK_EQ(fs_symlink(s, ROOT, "l", "nowhere", &e), 0);
	CHECK_EQ(fs_setattr(s, e.nodeid, &set, NULL), 0);
	DO(lstat("served/l", &st));
	CHECK_EQ(st.st_atim.tv_sec, 1);
	CHECK_EQ(st.st_atim.tv_nsec, 2);
	CHECK_EQ(st.st_mtim.tv_sec, 3);
	CHECK_EQ(st.st_mtim.tv_nsec, 999999999);
	fs_stop(s);
}

static void arguments_are_read(void)
{
	static const char *const bad[] = {
		"", ",timeout=1", "none", "served,timeout=", "served,timeout=x", "served,timeout=-1",
		"served,timeout=nan", "served,junk", "file",
	};
	struct ferry_server s;
	struct fuse_entry_out e;
	unsigned int i;

	DO(mkdir("served", 0755));
	make_file("file", 1, 1);
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		CHECK(fs_try_start(&s, bad[i]) < 0);
	CHECK_EQ(fs_try_start(&s, "served,timeout=2.5"), 0);
	CHECK_EQ(fs_mkdir(&s, ROOT, "d", 0755, &e), 0);
	CHECK_EQ(e.entry_valid, 2);
	CHECK_EQ(e.entry_valid_nsec, 500000000);
	ferry_server_destroy(&s, 1);
}

static u64 ino_of(const char *path)
{
	struct stat st;

	DO(lstat(path, &st));
	return st.st_ino;
}

static void mounts_of_our_own(void)
{
	need_root();
	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		claim_skip("no mount namespace: %s", strerror(errno));
}

static u64 ino_of_dir;

static void see_dir(void *arg, const char *name, const struct fuse_dirent *de,
		    const struct fuse_entry_out *e)
{
	if (!strcmp(name, "dir"))
		ino_of_dir = de->ino;
}

/* Three of them count from the same number on, as filesystems do. */
static void filesystems_are_apart(void)
{
	struct fuse_entry_out one, two, dir;
	struct ferry_server *s;
	struct fuse_attr attr;
	u64 fh, off = 0;

	mounts_of_our_own();
	DO(mkdir("served", 0755));
	DO(mount("none", "served", "tmpfs", 0, NULL));
	s = fs_start("served");
	DO(mkdir("served/one", 0755));
	DO(mkdir("served/two", 0755));
	DO(mount("one", "served/one", "tmpfs", 0, NULL));
	DO(mount("two", "served/two", "tmpfs", 0, NULL));
	DO(mkdir("served/two/dir", 0755));
	CHECK_EQ(ino_of("served"), ino_of("served/one"));
	CHECK_EQ(ino_of("served/one"), ino_of("served/two"));

	CHECK_EQ(fs_getattr(s, ROOT, &attr), 0);
	CHECK_EQ(fs_lookup(s, ROOT, "one", &one), 0);
	CHECK_EQ(fs_lookup(s, ROOT, "two", &two), 0);
	CHECK_EQ(attr.ino, ino_of("served"));
	CHECK(one.attr.ino != attr.ino && two.attr.ino != attr.ino);
	CHECK(one.attr.ino != two.attr.ino);
	CHECK_EQ(fs_lookup(s, two.nodeid, "dir", &dir), 0);
	CHECK_EQ(fs_open(s, two.nodeid, O_DIRECTORY, &fh), 0);
	while (fs_readdir(s, two.nodeid, fh, &off, 1000, false, see_dir, NULL) > 0)
		;
	CHECK_EQ(ino_of_dir, dir.attr.ino);
	fs_stop(s);
}

/* In place of a name that was made a mount point: what lies under it. */
static void check_below(struct ferry_server *s, const char *name, u64 ino)
{
	struct fuse_entry_out e;

	CHECK_EQ(fs_lookup(s, ROOT, name, &e), 0);
	CHECK_EQ(e.attr.ino, ino);
	fs_forget(s, e.nodeid, 1);
}

static void see_below(void *arg, const char *name, const struct fuse_dirent *de,
		      const struct fuse_entry_out *e)
{
	nr_seen++;
	if (!strcmp(name, "there"))
		CHECK_EQ(e->attr.ino, *(u64 *)arg);
}

/* A mount of another's on "there", a directory of it on "dir", and a file of it on "file". */
static void own_mount_is_not_entered(void)
{
	const struct fuse_create_in in = { .flags = O_RDWR | O_CREAT, .mode = 0600 };
	struct {
		struct fuse_entry_out e;
		struct fuse_open_out o;
	} out;
	struct ferry_server *s;
	struct fuse_entry_out e;
	u64 there, dir, file, fh, off = 0;
	struct stat st;
	char buf[8];

	mounts_of_our_own();
	s = serve_here();
	DO(mkdir("served/there", 0755));
	DO(mkdir("served/there/below", 0755));
	DO(mkdir("served/dir", 0755));
	make_file("served/file", 5, 1);
	there = ino_of("served/there");
	dir = ino_of("served/dir");
	file = ino_of("served/file");
	DO(mount("own", "served/there", "tmpfs", 0, NULL));
	DO(mkdir("served/there/dir", 0755));
	make_file("served/there/file", 7, 2);
	DO(mount("served/there/dir", "served/dir", NULL, MS_BIND, NULL));
	DO(mount("served/there/file", "served/file", NULL, MS_BIND, NULL));
	DO(stat("served/there", &st));

	/* as any other mount */
	CHECK_EQ(fs_lookup(s, ROOT, "there", &e), 0);
	CHECK(e.attr.ino != there);
	fs_forget(s, e.nodeid, 1);

	s->mounted = st.st_dev;
	check_below(s, "there", there);
	check_below(s, "dir", dir);
	check_below(s, "file", file);
	CHECK_EQ(fs_lookup(s, ROOT, "there", &e), 0);
	CHECK_EQ(fs_lookup(s, e.nodeid, "dir", NULL), -ENOENT);
	CHECK_EQ(fs_lookup(s, e.nodeid, "below", NULL), 0);
	CHECK_EQ(fs_mkdir(s, e.nodeid, "new", 0755, &out.e), 0);
	CHECK_EQ(fs_mkdir(s, ROOT, "there", 0755, &out.e), -EEXIST);
	CHECK_EQ(fs_rmdir(s, ROOT, "there"), -EBUSY);
	CHECK_EQ(fs_rename(s, ROOT, "dir", ROOT, "other", 0), -EBUSY);
	CHECK_EQ(fs_call(s, FUSE_CREATE, ROOT, &in, sizeof(in), "file", NULL, &out, sizeof(out),
			 NULL, 0, false), 0);
	CHECK_EQ(out.e.attr.ino, file);
	CHECK_EQ(fs_read(s, out.e.nodeid, out.o.fh, 0, buf, 8), 5);
	CHECK_EQ(fs_create(s, ROOT, "file", 0600, &e, NULL), -EEXIST);

	nr_seen = 0;
	CHECK_EQ(fs_open(s, ROOT, O_DIRECTORY, &fh), 0);
	while (fs_readdir(s, ROOT, fh, &off, 4096, true, see_below, &there) > 0)
		;
	CHECK_EQ(nr_seen, 5);

	/* Nothing of it is held. */
	DO(umount("served/file"));
	DO(umount("served/dir"));
	DO(umount("served/there"));
	DO(rmdir("served/there/new"));
	fs_stop(s);
}

static struct ferry_server *shared;

static void *hammer(void *arg)
{
	uint64_t rnd = (uintptr_t)arg;
	struct fuse_entry_out e;
	struct fuse_attr attr;
	char name[8];
	int i;

	for (i = 0; i < 5000; i++) {
		snprintf(name, sizeof(name), "%u", next_random(&rnd) % 5);
		switch (next_random(&rnd) % 4) {
		case 0:
			if (!fs_mknod(shared, ROOT, name, S_IFREG | 0644, 0, &e))
				fs_forget(shared, e.nodeid, 1);
			break;
		case 1:
			fs_unlink(shared, ROOT, name);
			break;
		default:
			if (!fs_lookup(shared, ROOT, name, &e)) {
				CHECK_EQ(fs_getattr(shared, e.nodeid, &attr), 0);
				fs_forget(shared, e.nodeid, 1);
			}
		}
	}
	return NULL;
}

static void threads_lose_no_descriptor(void)
{
	unsigned int before = open_fds(), i;
	pthread_t t[4];

	shared = serve_here();
	for (i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, hammer, (void *)(uintptr_t)(i + 1));
	for (i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	CHECK_EQ(open_fds(), before + 1);
	fs_stop(shared);
}

/* An ACL stands for all of them: it is what most hosts have. */
static void system_attributes_are_the_owners(void)
{
	static const char name[] = "system.posix_acl_access";
	const struct {
		u32 version;
		struct { u16 tag, perm; u32 id; } entry[4];
	} acl = { 2, { { 1, 6, ~0U }, { 4, 4, ~0U }, { 16, 6, ~0U }, { 32, 6, ~0U } } };
	struct ferry_server *s;
	struct fuse_entry_out e;
	struct stat st;

	need_root();
	s = serve_here();
	make_file("served/f", 10, 1);
	DO(chmod("served/f", 0600));
	if (setxattr("served/f", name, &acl, sizeof(acl), 0) && errno == EOPNOTSUPP)
		claim_skip("the host has no ACLs here");
	DO(chmod("served/f", 0600));
	CHECK_EQ(fs_lookup(s, ROOT, "f", &e), 0);
	fs_as(1234, 1234);
	CHECK_EQ(fs_setxattr(s, e.nodeid, name, &acl, sizeof(acl), 0), -EPERM);
	CHECK_EQ(fs_removexattr(s, e.nodeid, name), -EPERM);
	DO(stat("served/f", &st));
	CHECK_EQ(st.st_mode, S_IFREG | 0600);
	fs_as(0, 0);
	CHECK_EQ(fs_setxattr(s, e.nodeid, name, &acl, sizeof(acl), 0), 0);
	CHECK_EQ(fs_removexattr(s, e.nodeid, name), 0);
	DO(chown("served/f", 1234, 1234));
	fs_as(1234, 1234);
	CHECK_EQ(fs_setxattr(s, e.nodeid, name, &acl, sizeof(acl), 0), 0);
	CHECK_EQ(fs_removexattr(s, e.nodeid, name), 0);
	fs_stop(s);
}

static const struct claim claims[] = {
	{ "new files belong to the caller", files_belong_to_the_caller },
	{ "symbolic links do not lead out", links_do_not_lead_out },
	{ "attributes of the host's system are set by a file's owner", system_attributes_are_the_owners },
	{ "all names of a file are one node", names_of_a_file_are_one_node },
	{ "descriptors come back", descriptors_come_back },
	{ "a listing shows what is there", listings_show_what_is_there },
	{ "create opens what another made, unless O_EXCL", another_ones_file_is_opened },
	{ "the file that create made is no O_NONBLOCK one", made_files_are_waited_for },
	{ "writing may drop S_ISUID", writing_may_drop_suid },
	{ "times have nanoseconds, links have times", times_have_nanoseconds },
	{ "arguments are read", arguments_are_read },
	{ "files of several filesystems have numbers of their own", filesystems_are_apart },
	{ "what is mounted from the mount itself is not entered", own_mount_is_not_entered },
	{ "threads lose no descriptor", threads_lose_no_descriptor },
};

CLAIMS_MAIN(claims)
