// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* Names: lookup, creation, directories, removal, what a name may be. */
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../claim.h"

static void touch(const char *name)
{
	DO(close(DO(open(name, O_CREAT | O_EXCL | O_WRONLY, 0644))));
}

static void missing(void)
{
	struct stat st;
	int i;

	for (i = 0; i < 3; i++) {
		CHECK_ERR(stat("x", &st), ENOENT);
		CHECK_ERR(open("x", O_RDWR), ENOENT);
		touch("x");
		DO(stat("x", &st));
		DO(unlink("x"));
	}
	CHECK_ERR(unlink("x"), ENOENT);
	CHECK_ERR(rmdir("x"), ENOENT);
	CHECK_ERR(stat("x/y", &st), ENOENT);
	CHECK_ERR(stat("", &st), ENOENT);
}

static void missing_made_by_other(void)
{
	pid_t pid;

	CHECK_ERR(access("x", F_OK), ENOENT);
	pid = DO(fork());
	if (!pid) {
		touch("x");
		_exit(0);
	}
	wait_ok(pid);
	DO(access("x", F_OK));
}

static void below_file(void)
{
	struct stat st;

	touch("f");
	CHECK_ERR(stat("f/x", &st), ENOTDIR);
	CHECK_ERR(open("f/x", O_CREAT | O_RDWR, 0644), ENOTDIR);
	CHECK_ERR(mkdir("f/x", 0755), ENOTDIR);
	CHECK_ERR(stat("f/", &st), ENOTDIR);
	CHECK_ERR(rmdir("f"), ENOTDIR);
	CHECK_ERR(open("f", O_RDONLY | O_DIRECTORY), ENOTDIR);
	CHECK_ERR(chdir("f"), ENOTDIR);
}

static void create_excl(void)
{
	touch("x");
	CHECK_ERR(open("x", O_CREAT | O_EXCL | O_RDWR, 0644), EEXIST);
	DO(symlink("nowhere", "s"));
	CHECK_ERR(open("s", O_CREAT | O_EXCL | O_RDWR, 0644), EEXIST);
	CHECK_ERR(access("nowhere", F_OK), ENOENT);
	DO(mkdir("d", 0755));
	CHECK_ERR(open("d", O_CREAT | O_EXCL | O_RDWR, 0644), EEXIST);
}

static void create_excl_race(void)
{
	int round, i, status, made;
	int procs = 4;

	for (round = 0; round < 20; round++) {
		char name[16];

		snprintf(name, sizeof(name), "x%d", round);
		for (i = 0; i < procs; i++) {
			if (!DO(fork())) {
				int fd = open(name, O_CREAT | O_EXCL | O_WRONLY, 0644);

				_exit(fd >= 0 ? 10 : errno == EEXIST ? 11 : 12);
			}
		}
		for (made = 0, i = 0; i < procs; i++) {
			DO(wait(&status));
			CHECK(WIFEXITED(status) && WEXITSTATUS(status) != 12);
			made += WEXITSTATUS(status) == 10;
		}
		CHECK_EQ(made, 1);
	}
}

static void create_through_symlink(void)
{
	DO(symlink("target", "s"));
	DO(close(DO(open("s", O_CREAT | O_WRONLY, 0644))));
	CHECK(S_ISREG(stat_of("target").st_mode));
	CHECK(S_ISLNK(stat_of("s").st_mode));
	CHECK_ERR(open("s", O_RDONLY | O_NOFOLLOW), ELOOP);
}

static void create_mode(void)
{
	umask(027);
	DO(close(DO(open("f", O_CREAT | O_WRONLY, 0666))));
	DO(mkdir("d", 0777));
	CHECK_EQ(stat_of("f").st_mode, S_IFREG | 0640);
	CHECK_EQ(stat_of("d").st_mode, S_IFDIR | 0750);
	umask(0);
	DO(close(DO(open("g", O_CREAT | O_WRONLY, 06777))));
	CHECK_EQ(stat_of("g").st_mode, S_IFREG | 06777);
	DO(mkdir("e", 01777));
	CHECK_EQ(stat_of("e").st_mode, S_IFDIR | 01777);
}

static void create_readonly_writable(void)
{
	int fd = DO(open("f", O_CREAT | O_RDWR, 0));

	write_all(fd, "abc", 3);
	DO(close(fd));
	CHECK_EQ(stat_of("f").st_size, 3);
}

static void open_existing(void)
{
	struct stat st;

	make_file("f", 100, 1);
	st = stat_of("f");
	DO(close(DO(open("f", O_CREAT | O_WRONLY, 0))));
	CHECK_EQ(stat_of("f").st_ino, st.st_ino);
	CHECK_EQ(stat_of("f").st_mode, st.st_mode);
	check_file("f", 100, 1);
}

static void open_trunc(void)
{
	struct stat st;
	char c;
	int old, fd;

	make_file("f", 10000, 1);
	st = stat_of("f");
	old = DO(open("f", O_RDONLY));
	fd = DO(open("f", O_WRONLY | O_TRUNC));
	CHECK_EQ(stat_of("f").st_size, 0);
	CHECK_EQ(stat_of("f").st_ino, st.st_ino);
	CHECK_EQ(read(old, &c, 1), 0);
	pwrite_all(fd, "x", 1, 9999);
	CHECK_EQ(pread(old, &c, 1, 5000), 1);
	CHECK_EQ(c, 0);
}

static void open_dir(void)
{
	char c;
	int fd;

	DO(mkdir("d", 0755));
	CHECK_ERR(open("d", O_WRONLY), EISDIR);
	CHECK_ERR(open("d", O_RDWR), EISDIR);
	CHECK_ERR(open("d", O_RDONLY | O_CREAT, 0644), EISDIR);
	fd = DO(open("d", O_RDONLY | O_DIRECTORY));
	CHECK_ERR(read(fd, &c, 1), EISDIR);
	CHECK_ERR(unlink("d"), EISDIR);
	CHECK_ERR(truncate("d", 0), EISDIR);
}

static void mkdir_new(void)
{
	struct stat st, up;

	DO(mkdir("d", 0755));
	st = stat_of("d");
	up = stat_of(".");
	CHECK(S_ISDIR(st.st_mode));
	CHECK_EQ(stat_of("d/.").st_ino, st.st_ino);
	CHECK_EQ(stat_of("d/..").st_ino, up.st_ino);
	CHECK_ERR(mkdir("d", 0755), EEXIST);
	CHECK_ERR(mkdir("d/", 0755), EEXIST);
	CHECK_ERR(mkdir("missing/d", 0755), ENOENT);
	touch("f");
	CHECK_ERR(mkdir("f", 0755), EEXIST);
	DO(mkdir("e/", 0755));
}

static void dir_nlink(void)
{
	struct stat st = stat_of(".");

	if (st.st_nlink == 1)
		claim_skip("directories have no link count here");
	CHECK_EQ(st.st_nlink, 2);
	DO(mkdir("a", 0755));
	DO(mkdir("b", 0755));
	DO(mkdir("a/c", 0755));
	touch("f");
	CHECK_EQ(stat_of(".").st_nlink, 4);
	CHECK_EQ(stat_of("a").st_nlink, 3);
	CHECK_EQ(stat_of("b").st_nlink, 2);
	DO(rmdir("a/c"));
	CHECK_EQ(stat_of("a").st_nlink, 2);
	DO(rmdir("b"));
	CHECK_EQ(stat_of(".").st_nlink, 3);
}

static void rmdir_full(void)
{
	DO(mkdir("d", 0755));
	touch("d/f");
	CHECK_ERR(rmdir("d"), ENOTEMPTY);
	DO(unlink("d/f"));
	DO(mkdir("d/e", 0755));
	CHECK_ERR(rmdir("d"), ENOTEMPTY);
	CHECK_ERR(rmdir("d/."), EINVAL);
	CHECK_ERR(rmdir("d/e/.."), ENOTEMPTY);
	DO(rmdir("d/e"));
	DO(rmdir("d"));
	CHECK_ERR(access("d", F_OK), ENOENT);
}

static void rmdir_current(void)
{
	struct stat st;

	DO(mkdir("d", 0755));
	DO(chdir("d"));
	DO(rmdir("../d"));
	CHECK_ERR(open("f", O_CREAT | O_WRONLY, 0644), ENOENT);
	CHECK_ERR(mkdir("e", 0755), ENOENT);
	CHECK_ERR(symlink("a", "s"), ENOENT);
	DO(fstatat(AT_FDCWD, ".", &st, 0));
	CHECK(st.st_nlink < 2);
}

static void unlink_open(void)
{
	struct stat st;
	char buf[5000];
	int fd = DO(open("f", O_CREAT | O_RDWR, 0644));

	fill_pattern(buf, sizeof(buf), 0, 7);
	write_all(fd, buf, 2500);
	DO(unlink("f"));
	CHECK_ERR(access("f", F_OK), ENOENT);
	DO(fstat(fd, &st));
	CHECK_EQ(st.st_nlink, 0);
	CHECK_EQ(st.st_size, 2500);
	write_all(fd, buf + 2500, 2500);
	memset(buf, 0, sizeof(buf));
	CHECK_EQ(pread_all(fd, buf, sizeof(buf), 0), 5000);
	CHECK_EQ(find_difference(buf, 5000, 0, 7), -1);
	DO(ftruncate(fd, 10));
	DO(fchmod(fd, 0600));
	DO(fstat(fd, &st));
	CHECK_EQ(st.st_size, 10);
	CHECK_EQ(st.st_mode, S_IFREG | 0600);
	/* A new file of that name is another one. */
	touch("f");
	CHECK(stat_of("f").st_ino != st.st_ino);
	CHECK_EQ(stat_of("f").st_size, 0);
}

static void long_names(void)
{
	char name[257], other[257], buf[8];

	memset(name, 'n', 255);
	name[255] = 0;
	memset(other, 'o', 255);
	other[255] = 0;

	touch(name);
	DO(access(name, F_OK));
	DO(link(name, other));
	DO(unlink(name));
	DO(rename(other, name));
	DO(unlink(name));
	DO(mkdir(name, 0755));
	DO(rename(name, other));
	DO(rmdir(other));
	DO(symlink("x", name));
	CHECK_EQ(readlink(name, buf, sizeof(buf)), 1);
	DO(unlink(name));
	DO(mknod(name, S_IFIFO | 0644, 0));
}

static void too_long_names(void)
{
	char name[257];
	struct stat st;

	memset(name, 'n', 256);
	name[256] = 0;
	touch("f");
	CHECK_ERR(stat(name, &st), ENAMETOOLONG);
	CHECK_ERR(open(name, O_CREAT | O_WRONLY, 0644), ENAMETOOLONG);
	CHECK_ERR(mkdir(name, 0755), ENAMETOOLONG);
	CHECK_ERR(mknod(name, S_IFIFO | 0644, 0), ENAMETOOLONG);
	CHECK_ERR(symlink("x", name), ENAMETOOLONG);
	CHECK_ERR(link("f", name), ENAMETOOLONG);
	CHECK_ERR(rename("f", name), ENAMETOOLONG);
	CHECK_ERR(rename(name, "f"), ENAMETOOLONG);
	CHECK_ERR(unlink(name), ENAMETOOLONG);
	CHECK_ERR(rmdir(name), ENAMETOOLONG);
}

static void odd_names(void)
{
	bool seen[256] = { false };
	struct dirent *d;
	char name[8];
	int c, nr = 0;
	DIR *dir;

	for (c = 1; c < 256; c++) {
		if (c == '/')
			continue;
		snprintf(name, sizeof(name), "%c%c", c, c == '.' ? 'x' : c);
		touch(name);
	}
	dir = opendir(".");
	CHECK(dir);
	while ((d = readdir(dir))) {
		if (!strcmp(d->d_name, ".") || !strcmp(d->d_name, ".."))
			continue;
		c = (unsigned char)d->d_name[0];
		CHECK_EQ(strlen(d->d_name), 2);
		CHECK(!seen[c]);
		seen[c] = true;
		nr++;
	}
	CHECK_EQ(nr, 254);
	closedir(dir);
}

static void case_matters(void)
{
	touch("name");
	CHECK_ERR(access("Name", F_OK), ENOENT);
	touch("Name");
	CHECK(stat_of("name").st_ino != stat_of("Name").st_ino);
}

static void deep_tree(void)
{
	char path[4096] = "";
	int depth, len = 0;

	for (depth = 0; depth < 200; depth++) {
		len += sprintf(path + len, "%sdirectory%03d", depth ? "/" : "", depth);
		DO(mkdir(path, 0755));
	}
	strcpy(path + len, "/file");
	touch(path);
	DO(access(path, R_OK));
}

static void tmpfile_flag(void)
{
	struct stat st;
	int fd = open(".", O_TMPFILE | O_RDWR, 0600);

	if (fd < 0 && errno == EOPNOTSUPP)
		return;
	CHECK(fd >= 0);
	DO(fstat(fd, &st));
	CHECK_EQ(st.st_nlink, 0);
	write_all(fd, "abc", 3);
	DO(linkat(AT_FDCWD, ({ static char p[64]; sprintf(p, "/proc/self/fd/%d", fd); p; }),
		  AT_FDCWD, "named", AT_SYMLINK_FOLLOW));
	CHECK_EQ(stat_of("named").st_size, 3);
}

static void inode_numbers(void)
{
	ino_t ino[100];
	char name[16];
	int i, j;

	for (i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		touch(name);
		ino[i] = stat_of(name).st_ino;
		CHECK_EQ(stat_of(name).st_dev, stat_of(".").st_dev);
		for (j = 0; j < i; j++)
			CHECK(ino[i] != ino[j]);
	}
}

static const struct claim claims[] = {
	{ "a missing name is ENOENT, found once it is made, and gone once removed", missing },
	{ "a name that another process made is found at once", missing_made_by_other },
	{ "a name below a file is ENOTDIR", below_file },
	{ "O_CREAT|O_EXCL makes a name once and follows no symlink", create_excl },
	{ "O_CREAT|O_EXCL in several processes succeeds in exactly one", create_excl_race },
	{ "O_CREAT makes the target of a dangling symlink", create_through_symlink },
	{ "a new file has the mode asked for, without the umask", create_mode },
	{ "a file created with mode 0 can be written by its creator", create_readonly_writable },
	{ "O_CREAT on a file that exists opens it and changes nothing", open_existing },
	{ "O_TRUNC empties the same file, also for who has it open", open_trunc },
	{ "a directory cannot be written, unlinked or truncated", open_dir },
	{ "mkdir makes a directory with . and .., once", mkdir_new },
	{ "a directory's link count is 2 and one per subdirectory", dir_nlink },
	{ "rmdir takes an empty directory only", rmdir_full },
	{ "nothing can be made in a removed directory", rmdir_current },
	{ "an unlinked open file lives on without a name", unlink_open },
	{ "names of 255 bytes work everywhere", long_names },
	{ "names of 256 bytes are ENAMETOOLONG everywhere", too_long_names },
	{ "a name may hold any byte but / and NUL", odd_names },
	{ "names that differ in case are two names", case_matters },
	{ "a path 200 directories deep works", deep_tree },
	{ "O_TMPFILE works or is EOPNOTSUPP", tmpfile_flag },
	{ "each file has an inode number of its own", inode_numbers },
};
CLAIMS_MAIN(claims)
