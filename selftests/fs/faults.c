// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* Each allocation that an operation makes on its way fails once: ENOMEM, and all is well. */
#include <dirent.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/xattr.h>

#include "../faults.h"

static char buf[65536] __attribute__((aligned(4096)));
static int fd;

static int do_create(void)
{
	int new = open("new", O_CREAT | O_EXCL | O_RDWR, 0644);

	if (new < 0)
		return -1;
	close(new);
	return 0;
}
static void undo_new(void) { CHECK(!remove("new") || errno == ENOENT); }
static int do_mkdir(void) { return mkdir("new", 0755); }
static int do_symlink(void) { return symlink("target", "new"); }
static int do_link(void) { return link("file", "new"); }
static int do_rename(void) { return rename("file", "new"); }
static void undo_rename(void) { CHECK(!rename("new", "file") || errno == ENOENT); }
static int do_xattr(void) { return setxattr("file", "user.x", buf, 1000, 0); }
static int do_write(void) { return pwrite(fd, buf, sizeof(buf), 0) < 0 ? -1 : 0; }
static int do_read(void) { return pread(fd, buf, sizeof(buf), 0) < 0 ? -1 : 0; }
static int do_fsync(void) { return fsync(fd); }
static void dirty(void) { pwrite_all(fd, buf, sizeof(buf), 0); }
static int do_truncate(void) { return ftruncate(fd, 100); }
static int do_chmod(void) { return fchmod(fd, 0600); }

static int do_stat(void)
{
	struct stat st;

	return stat("file", &st);
}

static int do_statfs(void)
{
	struct statfs st;

	return statfs(".", &st);
}

static int do_list(void)
{
	int dir = open(".", O_RDONLY | O_DIRECTORY), n;

	if (dir < 0)
		return -1;
	do
		n = getdents64(dir, buf, sizeof(buf));
	while (n > 0);
	n = n < 0 ? errno : 0;
	close(dir);
	errno = n;
	return n ? -1 : 0;
}

static void set_up(int flags)
{
	make_file("file", sizeof(buf), 1);
	fd = DO(open("file", O_RDWR | flags));
	drop_caches();
}

static void names(void)
{
	set_up(0);
	each_fault_of("create", do_create, undo_new, true);
	each_fault_of("mkdir", do_mkdir, undo_new, true);
	each_fault_of("symlink", do_symlink, undo_new, true);
	each_fault_of("link", do_link, undo_new, true);
	each_fault_of("rename", do_rename, undo_rename, true);
	each_fault("stat", do_stat, drop_caches);
	each_fault("list", do_list, drop_caches);
	each_fault("statfs", do_statfs, NULL);
	CHECK_ERR(access("new", F_OK), ENOENT);
	check_file("file", sizeof(buf), 1);
}

static void attributes(void)
{
	set_up(0);
	each_fault("setxattr", do_xattr, NULL);
	each_fault("chmod", do_chmod, NULL);
	each_fault("truncate", do_truncate, dirty);
}

static void data(void)
{
	set_up(0);
	each_fault("read", do_read, drop_caches);
	each_fault("write", do_write, drop_caches);
	each_fault("fsync", do_fsync, dirty);
	close(fd);
	set_up(O_DIRECT);
	each_fault("direct read", do_read, NULL);
	each_fault("direct write", do_write, NULL);
}

static const struct claim claims[] = {
	{ "names: each allocation fails once", names },
	{ "attributes: each allocation fails once", attributes },
	{ "data: each allocation fails once", data },
};
CLAIMS_MAIN(claims)
