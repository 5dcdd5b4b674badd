// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * ferry bench: how each disk is made and taken away. m->dir is a folder of its own for what
 * belongs to it, m->file the disk.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench_disks.h"

#define DISK_MB		"32"
#define COMMAND_TIMEOUT	60
#define NBD_MAX		64
#define LOCK		"/run/ferry-bench-disks.lock"

/*
 * brd's disks are all of one size, and take as much memory as was written to: the first
 * holds the filesystem that the files of `file` are in, the second is the one to measure.
 */
#define BRD_KB		"524288"
#define BRD_HOST	"/dev/ram0"
#define BRD_DISK	"/dev/ram1"

/* What we have loaded is unloaded at the end. */
static bool our_brd, our_null_blk, our_nbd, host_mounted, configfs_mounted;

/* A program with up to 12 words, the last NULL. @out: its first line, or NULL */
static int run(const struct bench_opts *opts, char *out, int size, ...)
{
	char path[BENCH_PATH_MAX];
	const char *argv[13];
	unsigned int n = 0;
	va_list ap;
	int err;

	va_start(ap, size);
	do {
		argv[n] = va_arg(ap, const char *);
	} while (argv[n] && ++n < 12);
	va_end(ap);
	argv[n] = NULL;
	snprintf(path, sizeof(path), "%s/stdout", opts->base);
	err = bench_exec(opts, argv, path, COMMAND_TIMEOUT);
	if (out)
		bench_first_line(path, out, size);
	return err;
}

static bool is_loaded(const char *module)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/module/%s", module);
	return !access(path, F_OK);
}

/* Return: it was not loaded before, and is now */
static bool load(const struct bench_opts *opts, const char *module, const char *arg1,
		 const char *arg2)
{
	const char *const argv[] = { "modprobe", "-q", module, arg1, arg2, NULL };

	if (is_loaded(module))
		return false;
	bench_try(opts, argv, NULL, COMMAND_TIMEOUT);
	return is_loaded(module);
}

static bool write_file(const char *dir, const char *name, const char *text)
{
	char path[PATH_MAX];
	bool good;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	good = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	close(fd);
	return good;
}

/* Return: 1, after a message */
static int fail(const struct bench_mount *m, const char *what)
{
	bench_say("%s: %s: %s", m->sys->label, what, strerror(errno));
	return 1;
}

/*
 * Modules, brd's disks and the free ones of nbd are the machine's: two of us would take each
 * other's away. The lock is held until we end.
 */
int bench_disks_begin(const struct bench_opts *opts)
{
	int fd = open(LOCK, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	(void)opts;
	if (fd >= 0 && !flock(fd, LOCK_EX | LOCK_NB))
		return 0;
	if (fd >= 0 && errno == EWOULDBLOCK)
		bench_say("another ferry bench measures disks: wait for it");
	else
		bench_say("%s: %s", LOCK, strerror(errno));
	if (fd >= 0)
		close(fd);
	return 1;
}

/* --- what is there ------------------------------------------------------------------- */

/* Its disks have fixed names, so those of somebody else's would be written over. */
static const char *brd_missing(const struct bench_opts *opts)
{
	if (!our_brd && is_loaded("brd"))
		return "brd is loaded already, and what is on its disks is not ours: modprobe -r brd";
	if (load(opts, "brd", "rd_nr=2", "rd_size=" BRD_KB))
		our_brd = true;
	return our_brd && !access(BRD_DISK, F_OK) ? NULL : "this kernel has no brd";
}

static const char *null_blk_missing(const struct bench_opts *opts)
{
	if (load(opts, "null_blk", "nr_devices=0", NULL))
		our_null_blk = true;
	return is_loaded("null_blk") ? NULL : "this kernel has no null_blk";
}

static const char *nbd_missing(const struct bench_opts *opts)
{
	if (!bench_have_program("nbdkit"))
		return "no nbdkit: apt-get install nbdkit";
	if (!bench_have_program("nbd-client"))
		return "no nbd-client: apt-get install nbd-client";
	if (load(opts, "nbd", NULL, NULL))
		our_nbd = true;
	return is_loaded("nbd") ? NULL : "this kernel has no nbd";
}

static const char *loop_missing(const struct bench_opts *opts)
{
	load(opts, "loop", NULL, NULL);
	if (access("/dev/loop-control", F_OK))
		return "this kernel has no loop";
	return bench_have_program("losetup") ? NULL : "no losetup: apt-get install mount";
}

static const char *ublk_missing(const struct bench_opts *opts)
{
	char path[PATH_MAX];

	load(opts, "ublk_drv", NULL, NULL);
	if (access("/dev/ublk-control", F_OK))
		return "this kernel has no ublk: Debian's have it from 6.12 on";
	return bench_beside("ublk-peer", path, sizeof(path)) ?
	       "no ublk-peer beside ferry: it wants the headers of Linux 6.4 and liburing" : NULL;
}

const char *bench_disk_missing(const struct bench_opts *opts, const struct bench_system *sys,
			       bool *fatal)
{
	if (bench_is(sys, "ferry")) {
		*fatal = access("/dev/ferryblk", F_OK) != 0;
		if (*fatal)
			return "the ferry modules are not loaded: make load "
			       "(without ferry: --systems null_blk,brd,loop,nbd,ublk)";
		return NULL;
	}
	if (bench_is(sys, "null_blk"))
		return null_blk_missing(opts);
	if (bench_is(sys, "brd"))
		return brd_missing(opts);
	if (bench_is(sys, "loop"))
		return loop_missing(opts);
	return bench_is(sys, "nbd") ? nbd_missing(opts) : ublk_missing(opts);
}

/* --- files for `file` -------------------------------------------------------------------- */

int bench_ready_files(const struct bench_opts *opts)
{
	static bool told;
	const char *why = brd_missing(opts);

	if (why && !told)
		bench_say("file-* are left out, there is no place for the files: %s", why);
	told |= why != NULL;
	return why ? 1 : 0;
}

/* A filesystem that knows O_DIRECT, on memory: tmpfs does not. */
static int host_mount(const struct bench_opts *opts, const char *host)
{
	if (host_mounted)
		return 0;
	mkdir(host, 0755);
	if (run(opts, NULL, 0, "mkfs.ext4", "-q", "-F", BRD_HOST, NULL))
		return 1;
	if (mount(BRD_HOST, host, "ext4", 0, NULL)) {
		bench_say("%s: %s", host, strerror(errno));
		return 1;
	}
	host_mounted = true;
	return 0;
}

/* Written once, so that nothing is allocated while it is measured. */
static int make_file(const struct bench_opts *opts, const struct bench_mount *m, char *path,
		     size_t size)
{
	char host[sizeof(opts->base) + 8], of[BENCH_PATH_MAX + 32];

	snprintf(host, sizeof(host), "%s/host", opts->base);
	if (host_mount(opts, host))
		return 1;
	snprintf(path, size, "%s/%s", host, m->sys->id);
	snprintf(of, sizeof(of), "of=%s", path);
	return run(opts, NULL, 0, "dd", "if=/dev/zero", of, "bs=1M", "count=" DISK_MB, "conv=fsync",
		   NULL);
}

/* --- one function a kind of disk --------------------------------------------------------- */

/* In the kernel its null does as null_blk, which leaves the memory that is read to as it was. */
static int add_ferry(const struct bench_opts *opts, struct bench_mount *m,
		     const struct bench_case *cs)
{
	const bool kernel = !strcmp(m->sys->placement, "kernel");
	char ferry[PATH_MAX], source[BENCH_PATH_MAX + 64], path[BENCH_PATH_MAX], options[64];

	if (bench_beside("ferry", ferry, sizeof(ferry)))
		return 1;
	if (!strcmp(cs->backend, "file")) {
		if (make_file(opts, m, path, sizeof(path)))
			return 1;
		snprintf(source, sizeof(source), "file:path=%s,direct", path);
	} else {
		snprintf(source, sizeof(source), "%s:size=" DISK_MB "M%s", cs->backend,
			 kernel && !strcmp(cs->backend, "null") ? ",untouched" : "");
	}
	if (kernel)
		return run(opts, m->file, sizeof(m->file), ferry, "disk", "add", "--in-kernel",
			   source, NULL);
	snprintf(options, sizeof(options), "wait=%s%s", m->sys->wait, bench_data_option(m->sys));
	return run(opts, m->file, sizeof(m->file), ferry, "disk", "add", "-o", options, source,
		   NULL);
}

static void del_ferry(const struct bench_opts *opts, struct bench_mount *m)
{
	char ferry[PATH_MAX];

	if (!bench_beside("ferry", ferry, sizeof(ferry)))
		run(opts, NULL, 0, ferry, "disk", "del", "--force", m->file, NULL);
}

/* Its folder has a name that no dead run of ours has left behind. */
static void null_blk_dir(const struct bench_opts *opts, char *dir, size_t size)
{
	snprintf(dir, size, "%s/configfs/nullb/ferry-bench-%d", opts->base, getpid());
}

/* As fast as it can: completed where it was submitted. */
static int add_null_blk(const struct bench_opts *opts, struct bench_mount *m)
{
	char dir[BENCH_PATH_MAX], path[BENCH_PATH_MAX + 8], line[16], queues[16];

	snprintf(dir, sizeof(dir), "%s/configfs", opts->base);
	mkdir(dir, 0755);
	if (!configfs_mounted && mount("configfs", dir, "configfs", 0, NULL))
		return fail(m, "configfs");
	configfs_mounted = true;
	null_blk_dir(opts, dir, sizeof(dir));
	snprintf(queues, sizeof(queues), "%ld", sysconf(_SC_NPROCESSORS_ONLN));
	if (mkdir(dir, 0755))
		return fail(m, dir);
	if (!write_file(dir, "size", DISK_MB) || !write_file(dir, "irqmode", "0") ||
	    !write_file(dir, "submit_queues", queues) || !write_file(dir, "power", "1"))
		return fail(m, "its attributes");
	snprintf(path, sizeof(path), "%s/index", dir);
	bench_first_line(path, line, sizeof(line));
	/* Newer kernels name it after its folder. */
	snprintf(m->file, sizeof(m->file), "/dev/ferry-bench-%d", getpid());
	if (access(m->file, F_OK))
		snprintf(m->file, sizeof(m->file), "/dev/nullb%s", line);
	return 0;
}

static void del_null_blk(const struct bench_opts *opts)
{
	char dir[BENCH_PATH_MAX];

	null_blk_dir(opts, dir, sizeof(dir));
	rmdir(dir);
}

static int add_loop(const struct bench_opts *opts, struct bench_mount *m)
{
	char path[BENCH_PATH_MAX];

	return make_file(opts, m, path, sizeof(path)) ||
	       run(opts, m->file, sizeof(m->file), "losetup", "--direct-io=on", "--show", "-f",
		   path, NULL);
}

/* One that nobody has connected. */
static bool free_nbd(char *path, size_t size)
{
	for (unsigned int i = 0; i < NBD_MAX; i++) {
		snprintf(path, size, "/sys/block/nbd%u", i);
		if (access(path, F_OK))
			return false;
		snprintf(path, size, "/sys/block/nbd%u/pid", i);
		if (!access(path, F_OK))
			continue;
		snprintf(path, size, "/dev/nbd%u", i);
		return true;
	}
	return false;
}

/*
 * nbdkit has a plugin for each of our backends; a connection a CPU, as ferry has queues, and as
 * many threads for each: its usual 16 were slower.
 */
static int add_nbd(const struct bench_opts *opts, struct bench_mount *m,
		   const struct bench_case *cs)
{
	char socket[BENCH_PATH_MAX + 16], path[BENCH_PATH_MAX], connections[16];
	const char *plugin = !strcmp(cs->backend, "ramdisk") ? "memory" : cs->backend;
	const char *arg = DISK_MB "M";

	snprintf(socket, sizeof(socket), "%s/socket", m->dir);
	snprintf(connections, sizeof(connections), "%ld", sysconf(_SC_NPROCESSORS_ONLN));
	if (!strcmp(plugin, "file")) {
		if (make_file(opts, m, path, sizeof(path)))
			return 1;
		arg = path;
	}
	if (run(opts, NULL, 0, "nbdkit", "-U", socket, "-t", connections, plugin, arg, NULL))
		return 1;
	if (!free_nbd(m->file, sizeof(m->file))) {
		bench_say("nbd: all its disks are in use");
		m->file[0] = '\0';
		return 1;
	}
	if (!run(opts, NULL, 0, "nbd-client", "-unix", socket, m->file, "-b", "512", "-C",
		 connections, NULL))
		return 0;
	/* It may be somebody else's by now. */
	m->file[0] = '\0';
	return 1;
}

static int add_ublk(const struct bench_opts *opts, struct bench_mount *m,
		    const struct bench_case *cs)
{
	char peer[PATH_MAX];

	return bench_beside("ublk-peer", peer, sizeof(peer)) ||
	       run(opts, m->file, sizeof(m->file), peer, cs->backend, DISK_MB, NULL);
}

/*
 * What a disk in memory allocates at the first write to each page is not what is compared,
 * and some have all of it from the beginning.
 */
static int fill(const struct bench_opts *opts, const struct bench_mount *m)
{
	char of[BENCH_PATH_MAX + 16];

	snprintf(of, sizeof(of), "of=%s", m->file);
	return run(opts, NULL, 0, "dd", "if=/dev/zero", of, "bs=1M", "count=" DISK_MB,
		   "oflag=direct", NULL);
}

/*
 * The requests as they come, for all alike. nbd's are no longer than 128 KiB unless one says so,
 * and the others take 1 MiB at once.
 */
static void no_scheduler(const char *disk)
{
	char dir[BENCH_PATH_MAX];

	snprintf(dir, sizeof(dir), "/sys/block/%s/queue", strrchr(disk, '/') + 1);
	write_file(dir, "scheduler", "none");
	if (!strncmp(disk, "/dev/nbd", 8))
		write_file(dir, "max_sectors_kb", "1024");
}

int bench_disk_add(const struct bench_opts *opts, struct bench_mount *m,
		   const struct bench_case *cs)
{
	int err = 0;

	if (bench_is(m->sys, "ferry"))
		err = add_ferry(opts, m, cs);
	else if (bench_is(m->sys, "null_blk"))
		err = add_null_blk(opts, m);
	else if (bench_is(m->sys, "brd"))
		snprintf(m->file, sizeof(m->file), BRD_DISK);
	else if (bench_is(m->sys, "loop"))
		err = add_loop(opts, m);
	else if (bench_is(m->sys, "nbd"))
		err = add_nbd(opts, m, cs);
	else
		err = add_ublk(opts, m, cs);
	if (!err && (strncmp(m->file, "/dev/", 5) || access(m->file, R_OK | W_OK))) {
		bench_say("%s: no disk has come up", m->sys->label);
		err = 1;
	}
	if (!err)
		no_scheduler(m->file);
	if (!err && !strcmp(cs->backend, "ramdisk"))
		err = fill(opts, m);
	return err;
}

void bench_disk_del(const struct bench_opts *opts, struct bench_mount *m)
{
	char path[BENCH_PATH_MAX + 16];

	snprintf(path, sizeof(path), "%s/socket", m->dir);
	if (bench_is(m->sys, "null_blk"))
		del_null_blk(opts);
	else if (m->file[0] && bench_is(m->sys, "ferry"))
		del_ferry(opts, m);
	else if (m->file[0] && bench_is(m->sys, "loop"))
		run(opts, NULL, 0, "losetup", "-d", m->file, NULL);
	else if (m->file[0] && bench_is(m->sys, "nbd"))
		run(opts, NULL, 0, "nbd-client", "-d", m->file, NULL);
	if (m->daemon && !bench_is(m->sys, "ferry"))
		kill(m->daemon, SIGTERM);
	unlink(path);
	snprintf(path, sizeof(path), "%s/host/%s", opts->base, m->sys->id);
	unlink(path);
}

void bench_disks_end(const struct bench_opts *opts)
{
	sig_atomic_t stop = bench_stop;
	char dir[BENCH_PATH_MAX];

	bench_stop = 0;
	if (host_mounted) {
		snprintf(dir, sizeof(dir), "%s/host", opts->base);
		umount2(dir, 0);
	}
	if (configfs_mounted) {
		snprintf(dir, sizeof(dir), "%s/configfs", opts->base);
		umount2(dir, 0);
	}
	if (our_brd)
		run(opts, NULL, 0, "modprobe", "-q", "-r", "brd", NULL);
	if (our_null_blk)
		run(opts, NULL, 0, "modprobe", "-q", "-r", "null_blk", NULL);
	if (our_nbd)
		run(opts, NULL, 0, "modprobe", "-q", "-r", "nbd", NULL);
	bench_stop = stop;
}
