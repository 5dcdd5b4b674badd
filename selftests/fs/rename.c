// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* rename() and renameat2(). */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../claim.h"

static bool links_counted(void)
{
	return stat_of(".").st_nlink > 1;
}

static int rename2(const char *from, const char *to, unsigned int flags)
{
	return renameat2(AT_FDCWD, from, AT_FDCWD, to, flags);
}

static void moves_file(void)
{
	ino_t ino;

	make_file("a", 5000, 1);
	ino = stat_of("a").st_ino;
	DO(mkdir("d", 0755));
	DO(rename("a", "b"));
	CHECK_ERR(access("a", F_OK), ENOENT);
	DO(rename("b", "d/c"));
	CHECK_ERR(access("b", F_OK), ENOENT);
	CHECK_EQ(stat_of("d/c").st_ino, ino);
	check_file("d/c", 5000, 1);
	CHECK_ERR(rename("missing", "x"), ENOENT);
	CHECK_ERR(rename("d/c", "missing/x"), ENOENT);
}

static void replaces_file(void)
{
	struct stat st;
	char c;
	int fd;

	make_file("a", 100, 1);
	make_file("b", 200, 2);
	DO(link("b", "b2"));
	fd = DO(open("b", O_RDONLY));
	DO(rename("a", "b"));
	CHECK_ERR(access("a", F_OK), ENOENT);
	check_file("b", 100, 1);
	check_file("b2", 200, 2);
	DO(fstat(fd, &st));
	CHECK_EQ(st.st_nlink, 1);
	CHECK_EQ(st.st_size, 200);
	CHECK_EQ(read(fd, &c, 1), 1);
}

static void replaces_kinds(void)
{
	make_file("f", 1, 1);
	DO(mkdir("d", 0755));
	DO(mkdir("full", 0755));
	make_file("full/x", 1, 1);
	CHECK_ERR(rename("f", "d"), EISDIR);
	CHECK_ERR(rename("d", "f"), ENOTDIR);
	CHECK(rename("d", "full") == -1 && (errno == ENOTEMPTY || errno == EEXIST));
	DO(rename("full", "d"));
	DO(access("d/x", F_OK));
	CHECK_ERR(access("full", F_OK), ENOENT);
	DO(symlink("nowhere", "s"));
	DO(rename("s", "f"));
	CHECK(S_ISLNK(stat_of("f").st_mode));
}

static void same_file(void)
{
	make_file("a", 10, 1);
	DO(link("a", "b"));
	DO(rename("a", "b"));
	DO(access("a", F_OK));
	DO(access("b", F_OK));
	CHECK_EQ(stat_of("a").st_nlink, 2);
	DO(rename("a", "a"));
	check_file("a", 10, 1);
}

static void below_itself(void)
{
	DO(mkdir("d", 0755));
	DO(mkdir("d/e", 0755));
	DO(mkdir("d/e/f", 0755));
	CHECK_ERR(rename("d", "d/x"), EINVAL);
	CHECK_ERR(rename("d", "d/e/f/x"), EINVAL);
	CHECK_ERR(rename("d/e/f", "d"), ENOTEMPTY);
	CHECK_ERR(rename2("d", "d/e/f", RENAME_EXCHANGE), EINVAL);
	CHECK(rename("d/.", "y") == -1);
	DO(access("d/e/f", F_OK));
}

static void moves_dir(void)
{
	DO(mkdir("a", 0755));
	DO(mkdir("b", 0755));
	DO(mkdir("a/d", 0755));
	make_file("a/d/f", 10, 1);
	DO(rename("a/d", "b/d2"));
	check_file("b/d2/f", 10, 1);
	CHECK_EQ(stat_of("b/d2/..").st_ino, stat_of("b").st_ino);
	CHECK_ERR(access("a/d/f", F_OK), ENOENT);
	DO(rmdir("a"));
	if (links_counted()) {
		CHECK_EQ(stat_of("b").st_nlink, 3);
		CHECK_EQ(stat_of(".").st_nlink, 3);
	}
}

static void replaced_dir_links(void)
{
	if (!links_counted())
		claim_skip("directories have no link count here");
	DO(mkdir("a", 0755));
	DO(mkdir("b", 0755));
	DO(mkdir("b/c", 0755));
	CHECK_EQ(stat_of(".").st_nlink, 4);
	DO(rename("b", "a"));
	CHECK_EQ(stat_of(".").st_nlink, 3);
	DO(mkdir("e", 0755));
	DO(rename("a/c", "e"));
	CHECK_EQ(stat_of("a").st_nlink, 2);
	CHECK_EQ(stat_of(".").st_nlink, 4);
}

static void noreplace(void)
{
	make_file("a", 10, 1);
	make_file("b", 20, 2);
	CHECK_ERR(rename2("a", "b", RENAME_NOREPLACE), EEXIST);
	check_file("b", 20, 2);
	DO(rename2("a", "c", RENAME_NOREPLACE));
	check_file("c", 10, 1);
	CHECK_ERR(access("a", F_OK), ENOENT);
	DO(link("c", "c2"));
	CHECK_ERR(rename2("c", "c2", RENAME_NOREPLACE), EEXIST);
}

static void exchange(void)
{
	ino_t a, b;

	make_file("a", 10, 1);
	make_file("b", 20, 2);
	a = stat_of("a").st_ino;
	b = stat_of("b").st_ino;
	DO(rename2("a", "b", RENAME_EXCHANGE));
	CHECK_EQ(stat_of("a").st_ino, b);
	CHECK_EQ(stat_of("b").st_ino, a);
	check_file("a", 20, 2);
	check_file("b", 10, 1);
	CHECK_ERR(rename2("a", "missing", RENAME_EXCHANGE), ENOENT);
	CHECK_ERR(rename2("a", "b", RENAME_EXCHANGE | RENAME_NOREPLACE), EINVAL);
}

static void exchange_kinds(void)
{
	DO(mkdir("x", 0755));
	DO(mkdir("y", 0755));
	DO(mkdir("x/dir", 0755));
	make_file("x/dir/in", 5, 1);
	make_file("y/file", 20, 2);
	DO(rename2("x/dir", "y/file", RENAME_EXCHANGE));
	check_file("x/dir", 20, 2);
	check_file("y/file/in", 5, 1);
	CHECK_EQ(stat_of("y/file/..").st_ino, stat_of("y").st_ino);
	if (links_counted()) {
		CHECK_EQ(stat_of("x").st_nlink, 2);
		CHECK_EQ(stat_of("y").st_nlink, 3);
	}
}

static void bad_flags(void)
{
	make_file("a", 1, 1);
	CHECK_ERR(rename2("a", "b", 0x80), EINVAL);
	check_file("a", 1, 1);
}

static void open_files(void)
{
	int fd;

	make_file("a", 100, 1);
	fd = DO(open("a", O_RDWR));
	DO(rename("a", "b"));
	pwrite_all(fd, "tail", 4, 100);
	DO(fsync(fd));
	CHECK_EQ(stat_of("b").st_size, 104);
	DO(mkdir("d", 0755));
	DO(chdir("d"));
	DO(rename("../d", "../e"));
	make_file("inside", 1, 1);
	DO(access("../e/inside", F_OK));
}

static void listing(void)
{
	struct dirent *d;
	int nr = 0;
	DIR *dir;

	make_file("a", 1, 1);
	dir = opendir(".");
	CHECK(dir);
	while (readdir(dir))
		;
	DO(rename("a", "b"));
	rewinddir(dir);
	while ((d = readdir(dir))) {
		CHECK(strcmp(d->d_name, "a"));
		nr += !strcmp(d->d_name, "b");
	}
	CHECK_EQ(nr, 1);
	closedir(dir);
}

/* What every editor and package manager relies on. */
static void never_missing(void)
{
	int i, rounds = test_scale(300), status;
	pid_t pid;

	make_file("f", 1, 0);
	pid = DO(fork());
	if (!pid) {
		for (;;) {
			char c;
			int fd = DO(open("f", O_RDONLY));

			CHECK_EQ(read(fd, &c, 1), 1);
			close(fd);
		}
	}
	for (i = 0; i < rounds; i++) {
		make_file("new", 1, 0);
		DO(rename("new", "f"));
		if (waitpid(pid, &status, WNOHANG) == pid)
			_exit(1);
	}
	DO(kill(pid, SIGKILL));
	waitpid(pid, &status, 0);
	CHECK(WIFSIGNALED(status));
}

static void crossing(void)
{
	int i, p, procs = 4, rounds = test_scale(200);
	pid_t pids[4];

	DO(mkdir("a", 0755));
	DO(mkdir("b", 0755));
	DO(mkdir("a/x", 0755));
	DO(mkdir("b/y", 0755));
	for (p = 0; p < procs; p++) {
		pids[p] = DO(fork());
		if (pids[p])
			continue;
		for (i = 0; i < rounds; i++) {
			static const char *const ways[4][2] = {
				{ "a/x", "b/x" }, { "b/x", "a/x" },
				{ "b/y", "a/y" }, { "a/y", "b/y" },
			};

			if (rename(ways[p][0], ways[p][1]))
				CHECK(errno == ENOENT);
		}
		_exit(0);
	}
	for (p = 0; p < procs; p++)
		wait_ok(pids[p]);
	CHECK_EQ(!access("a/x", F_OK) + !access("b/x", F_OK), 1);
	CHECK_EQ(!access("a/y", F_OK) + !access("b/y", F_OK), 1);
}

static const struct claim claims[] = {
	{ "rename moves a file, within and across directories", moves_file },
	{ "rename replaces a file, which lives on under its other names", replaces_file },
	{ "rename replaces like by like, and directories when empty", replaces_kinds },
	{ "rename to another name of the same file does nothing", same_file },
	{ "a directory does not move below itself", below_itself },
	{ "a directory moves with what is in it and has a new parent", moves_dir },
	{ "link counts of parents follow replaced directories", replaced_dir_links },
	{ "RENAME_NOREPLACE replaces nothing", noreplace },
	{ "RENAME_EXCHANGE swaps two files, and wants both", exchange },
	{ "RENAME_EXCHANGE swaps a file and a directory across directories", exchange_kinds },
	{ "unknown rename flags are EINVAL", bad_flags },
	{ "open files and working directories survive a rename", open_files },
	{ "a listing shows the new name and not the old one", listing },
	{ "a name that is replaced again and again is never missing", never_missing },
	{ "renames of directories across each other lose none", crossing },
};
CLAIMS_MAIN(claims)
