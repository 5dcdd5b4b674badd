// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* Who may do what: as root, as the owner, as a member of the group, as anybody. */
#include <fcntl.h>
#include <grp.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../claim.h"

enum { OWNER = 2001, GROUP = 2002, STRANGER = 2003 };

/* Runs the block that follows as @uid and @gid, in a process of its own. */
#define AS(uid, gid) for (pid_t pid_ = as(uid, gid); pid_ >= 0; \
			  pid_ ? (void)(wait_ok(pid_), pid_ = -1) : _exit(0)) if (!pid_)

static pid_t as(uid_t uid, gid_t gid)
{
	pid_t pid;

	need_root();
	pid = DO(fork());
	if (!pid)
		become(uid, gid);
	return pid;
}

static void owned_file(const char *name, mode_t mode)
{
	make_file(name, 100, 1);
	DO(chown(name, OWNER, GROUP));
	DO(chmod(name, mode));
}

static int try_open(const char *name, int flags)
{
	int fd = open(name, flags);

	if (fd < 0)
		return errno;
	close(fd);
	return 0;
}

static void three_classes(void)
{
	need_root();
	owned_file("f", 0640);
	AS(OWNER, OWNER) {
		CHECK_EQ(try_open("f", O_RDWR), 0);
		CHECK_EQ(access("f", R_OK | W_OK), 0);
	}
	AS(STRANGER, GROUP) {
		CHECK_EQ(try_open("f", O_RDONLY), 0);
		CHECK_EQ(try_open("f", O_WRONLY), EACCES);
		CHECK_ERR(access("f", W_OK), EACCES);
	}
	AS(STRANGER, STRANGER) {
		CHECK_EQ(try_open("f", O_RDONLY), EACCES);
		CHECK_ERR(access("f", R_OK), EACCES);
		CHECK_ERR(truncate("f", 0), EACCES);
		DO(access("f", F_OK));
		CHECK_EQ(stat_of("f").st_size, 100);
	}
	owned_file("g", 0004);
	AS(OWNER, GROUP)
		CHECK_EQ(try_open("g", O_RDONLY), EACCES);
	AS(STRANGER, STRANGER)
		CHECK_EQ(try_open("g", O_RDONLY), 0);
}

static void other_groups(void)
{
	gid_t groups[2] = { 7, GROUP };
	pid_t pid;

	need_root();
	owned_file("f", 0060);
	pid = DO(fork());
	if (!pid) {
		DO(setgroups(2, groups));
		DO(setresgid(STRANGER, STRANGER, STRANGER));
		DO(setresuid(STRANGER, STRANGER, STRANGER));
		CHECK_EQ(try_open("f", O_RDWR), 0);
		_exit(0);
	}
	wait_ok(pid);
}

static void directories(void)
{
	need_root();
	DO(mkdir("d", 0755));
	owned_file("d/f", 0666);
	DO(chmod("d", 0700));
	AS(STRANGER, STRANGER) {
		CHECK_EQ(try_open("d/f", O_RDONLY), EACCES);
		CHECK_EQ(try_open("d", O_RDONLY), EACCES);
		CHECK_ERR(chdir("d"), EACCES);
		CHECK_ERR(access("d/missing", F_OK), EACCES);
	}
	DO(chmod("d", 0711));
	AS(STRANGER, STRANGER) {
		CHECK_EQ(try_open("d/f", O_RDWR), 0);
		CHECK_EQ(try_open("d", O_RDONLY), EACCES);
		CHECK_ERR(open("d/new", O_CREAT | O_RDWR, 0644), EACCES);
		CHECK_ERR(unlink("d/f"), EACCES);
		CHECK_ERR(mkdir("d/e", 0755), EACCES);
		CHECK_ERR(symlink("x", "d/s"), EACCES);
		CHECK_ERR(rename("d/f", "d/g"), EACCES);
	}
}

static void new_owner(void)
{
	need_root();
	DO(mkdir("d", 0777));
	DO(chmod("d", 0777));
	AS(STRANGER, GROUP) {
		make_file("d/f", 1, 1);
		DO(mkdir("d/e", 0755));
		DO(symlink("x", "d/s"));
		DO(mkfifo("d/p", 0644));
	}
	for (const char *const *n = (const char *const[]){ "d/f", "d/e", "d/s", "d/p", NULL }; *n; n++) {
		CHECK_EQ(stat_of(*n).st_uid, STRANGER);
		CHECK_EQ(stat_of(*n).st_gid, GROUP);
	}
}

static void sticky(void)
{
	need_root();
	DO(mkdir("d", 0777));
	DO(chmod("d", 01777));
	owned_file("d/f", 0666);
	owned_file("d/mine", 0666);
	AS(STRANGER, STRANGER) {
		CHECK_ERR(unlink("d/f"), EPERM);
		CHECK_ERR(rename("d/f", "d/g"), EPERM);
		make_file("d/own", 1, 1);
		CHECK_ERR(rename("d/own", "d/f"), EPERM);
		DO(unlink("d/own"));
	}
	AS(OWNER, OWNER)
		DO(unlink("d/mine"));
}

static void owner_only(void)
{
	struct timespec past[2] = { { 1, 0 }, { 2, 0 } };

	need_root();
	owned_file("f", 0666);
	owned_file("r", 0644);
	AS(STRANGER, STRANGER) {
		CHECK_ERR(chmod("f", 0777), EPERM);
		CHECK_ERR(chown("f", STRANGER, -1), EPERM);
		CHECK_ERR(utimensat(AT_FDCWD, "f", past, 0), EPERM);
		DO(utimensat(AT_FDCWD, "f", NULL, 0));
		CHECK_ERR(utimensat(AT_FDCWD, "r", NULL, 0), EACCES);
	}
	AS(OWNER, GROUP) {
		DO(chmod("f", 0600));
		CHECK_ERR(chown("f", STRANGER, -1), EPERM);
		CHECK_ERR(chown("f", -1, STRANGER), EPERM);
		DO(chown("f", -1, GROUP));
		DO(utimensat(AT_FDCWD, "f", past, 0));
	}
}

static void write_kills_suid(void)
{
	need_root();
	owned_file("f", 06777);
	AS(STRANGER, STRANGER) {
		int fd = DO(open("f", O_WRONLY));

		write_all(fd, "x", 1);
		DO(close(fd));
	}
	CHECK_EQ(stat_of("f").st_mode & 07777, 0777);
	owned_file("t", 06777);
	AS(STRANGER, STRANGER)
		DO(truncate("t", 10));
	CHECK_EQ(stat_of("t").st_mode & 07777, 0777);
	owned_file("u", 06777);
	AS(STRANGER, STRANGER)
		DO(close(DO(open("u", O_WRONLY | O_TRUNC))));
	CHECK_EQ(stat_of("u").st_mode & 07777, 0777);
	drop_caches();
	CHECK_EQ(stat_of("f").st_mode & 07777, 0777);
	CHECK_EQ(stat_of("t").st_mode & 07777, 0777);
}

static void hole_kills_suid(void)
{
	need_root();
	owned_file("f", 06777);
	AS(STRANGER, STRANGER) {
		int fd = DO(open("f", O_WRONLY));

		DO(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 50));
		DO(close(fd));
	}
	CHECK_EQ(stat_of("f").st_mode & 07777, 0777);
	drop_caches();
	CHECK_EQ(stat_of("f").st_mode & 07777, 0777);
}

static void setgid_dir(void)
{
	need_root();
	DO(mkdir("d", 0777));
	DO(chown("d", 0, GROUP));
	DO(chmod("d", 02777));
	AS(STRANGER, STRANGER) {
		make_file("d/f", 1, 1);
		DO(mkdir("d/e", 0755));
		DO(symlink("x", "d/s"));
	}
	CHECK_EQ(stat_of("d/f").st_gid, GROUP);
	CHECK_EQ(stat_of("d/s").st_gid, GROUP);
	CHECK_EQ(stat_of("d/e").st_gid, GROUP);
	CHECK_EQ(stat_of("d/e").st_mode & 07777, 02755);
	drop_caches();
	CHECK_EQ(stat_of("d/e").st_mode & 07777, 02755);
}

static void chmod_sgid_foreign_group(void)
{
	need_root();
	owned_file("f", 0755);
	AS(OWNER, OWNER)
		DO(chmod("f", 06755));
	CHECK_EQ(stat_of("f").st_mode & 07777, 04755);
}

static void open_survives(void)
{
	char c;
	int fd;

	need_root();
	owned_file("f", 0644);
	AS(STRANGER, STRANGER) {
		fd = DO(open("f", O_RDONLY));
		CHECK_EQ(read(fd, &c, 1), 1);
	}
	fd = DO(open("f", O_RDWR));
	DO(chmod("f", 0));
	become(STRANGER, STRANGER);
	CHECK_EQ(try_open("f", O_RDONLY), EACCES);
	CHECK_EQ(pread(fd, &c, 1, 0), 1);
	CHECK_EQ(pwrite(fd, &c, 1, 0), 1);
}

static void change_seen(void)
{
	need_root();
	owned_file("f", 0644);
	AS(STRANGER, STRANGER)
		CHECK_EQ(try_open("f", O_RDONLY), 0);
	DO(chmod("f", 0600));
	AS(STRANGER, STRANGER)
		CHECK_EQ(try_open("f", O_RDONLY), EACCES);
	DO(chmod("f", 0604));
	AS(STRANGER, STRANGER)
		CHECK_EQ(try_open("f", O_RDONLY), 0);
}

static void root_may(void)
{
	need_root();
	owned_file("f", 0);
	CHECK_EQ(try_open("f", O_RDWR), 0);
	DO(mkdir("d", 0));
	make_file("d/f", 1, 1);
	DO(chmod("f", 0600));
	DO(chown("f", 1, 1));
}

static const struct claim claims[] = {
	{ "owner, group and others have the three classes of bits", three_classes },
	{ "supplementary groups count", other_groups },
	{ "a directory's bits guard search, listing and change", directories },
	{ "what one makes is one's own", new_owner },
	{ "in a sticky directory one removes only one's own", sticky },
	{ "mode, owner and times are the owner's to change", owner_only },
	{ "a stranger's write or truncate takes the set-id bits off", write_kills_suid },
	{ "a hole that a stranger makes takes the set-id bits off", hole_kills_suid },
	{ "a set-gid directory hands its group down", setgid_dir },
	{ "chmod of a foreign group's file loses the set-gid bit", chmod_sgid_foreign_group },
	{ "an open file stays open whatever becomes of its mode", open_survives },
	{ "a change of mode counts at once", change_seen },
	{ "root may do all that", root_may },
};
CLAIMS_MAIN(claims)
