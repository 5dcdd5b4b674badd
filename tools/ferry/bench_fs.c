// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* ferry bench: the filesystems that are compared, and how each is mounted and taken away. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

#define MOUNT_TIMEOUT	60
#define UMOUNT_TIMEOUT	20

static const struct bench_system systems[] = {
	BENCH_FERRY_DAEMONS,
	BENCH_FERRY_SLOT,
	{ "ferry-transfer", "ferry transfer", "ferry", "user", "sync", "transfer" },
	{ "ferry-kernel", "ferry kernel", "ferry", "kernel", "", "" },
	{ "fuse", "FUSE", "fuse", "", "", "" },
	{ "fuse-uring", "FUSE io_uring", "fuse", "", "uring", "" },
	{ "fuse-pass", "FUSE passthrough", "fuse", "", "passthrough", "" },
	{ "tmpfs", "tmpfs", "tmpfs", "", "", "" },
	{ "host", "the directory", "host", "", "", "" },
};

static bool is_passthrough(const struct bench_system *sys)
{
	return !strcmp(sys->wait, "passthrough");
}

static bool is_fuse_uring(const struct bench_system *sys)
{
	return bench_is(sys, "fuse") && !strcmp(sys->wait, "uring");
}

static bool kernel_knows(const char *type)
{
	FILE *file = fopen("/proc/filesystems", "re");
	char line[64];
	bool found = false;

	while (file && !found && fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = '\0';
		found = !strcmp(line + strcspn(line, "\t") + 1, type);
	}
	if (file)
		fclose(file);
	return found;
}

/* What libfuse of this fuse-peer can beyond the usual. */
static bool peer_can(const struct bench_opts *opts, const char *peer, const char *feature)
{
	const char *const argv[] = { peer, "--features", NULL };
	char out[BENCH_PATH_MAX], line[64];
	bool found = false;
	FILE *file;

	snprintf(out, sizeof(out), "%s/features", opts->base);
	if (bench_try(opts, argv, out, 10))
		return false;
	file = fopen(out, "re");
	while (file && !found && fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = '\0';
		found = !strcmp(line, feature);
	}
	if (file)
		fclose(file);
	return found;
}

static const char *fuse_missing(const struct bench_opts *opts, const struct bench_system *sys)
{
	static const char *const modprobe[] = { "modprobe", "-q", "fuse", NULL };
	char path[PATH_MAX];

	if (is_fuse_uring(sys) && bench_beside("fuse-uring", path, sizeof(path)))
		return "no fuse-uring beside ferry: it wants the headers of Linux 6.14 and liburing";
	if (bench_beside("fuse-peer", path, sizeof(path)))
		return "no fuse-peer beside ferry: apt-get install libfuse3-dev, then make";
	if (!kernel_knows("fuse") && bench_have_program("modprobe"))
		bench_try(opts, modprobe, NULL, 10);
	if (!kernel_knows("fuse"))
		return "this kernel has no FUSE";
	if (is_fuse_uring(sys) && access("/sys/module/fuse/parameters/enable_uring", W_OK))
		return "this kernel's FUSE has no io_uring";
	if (is_passthrough(sys) && !peer_can(opts, path, "passthrough"))
		return "this libfuse has no passthrough: 3.17 has";
	return NULL;
}

static const char *missing(const struct bench_opts *opts, const struct bench_system *sys,
			   bool *fatal)
{
	if (bench_is(sys, "ferry") && !kernel_knows("ferry")) {
		*fatal = true;
		return "the ferry modules are not loaded: make load "
		       "(without ferry: --systems fuse,tmpfs)";
	}
	return bench_is(sys, "fuse") ? fuse_missing(opts, sys) : NULL;
}

/*
 * Where attributes are not cached, the kernel would ask for them once more to
 * check permissions; null has none to check.
 */
static bool is_null(const struct bench_case *cs)
{
	return !strcmp(cs->backend, "null");
}

static bool is_mirror(const struct bench_case *cs)
{
	return !strcmp(cs->backend, "mirror");
}

/* What has nothing to do with a case is not even told: there would be a line for each. */
static bool fits(const struct bench_system *sys, const struct bench_case *cs, const char **why)
{
	bool user = bench_is(sys, "ferry") && !strcmp(sys->placement, "user");

	if (is_mirror(cs))
		return bench_is(sys, "host") || (user && !*bench_data_option(sys));
	if (*bench_data_option(sys) && !cs->bytes)
		return false;
	if (bench_is(sys, "host") || !strcmp(sys->data, "transfer") ||
	    (cs->flags & BENCH_SERVER && !user && strcmp(sys->id, "fuse")))
		return false;
	if (is_passthrough(sys) && !(cs->flags & BENCH_DIRECT))
		*why = "the same as FUSE there";
	if (is_fuse_uring(sys) && !is_null(cs))
		*why = "it serves null alone";
	if (bench_is(sys, "tmpfs") && cs->flags & BENCH_DIRECT)
		*why = "no O_DIRECT there";
	return !*why;
}

/* The directory that is mirrored: one for each, all on our tmpfs. */
static int mirrored(const struct bench_opts *opts, const struct bench_mount *m, char *path,
		    size_t size)
{
	snprintf(path, size, "%s/mirrored-%s", opts->base, m->sys->id);
	if (!mkdir(path, 0755) || errno == EEXIST)
		return 0;
	bench_say("%s: %s", path, strerror(errno));
	return -errno;
}

static int mount_ferry(const struct bench_opts *opts, struct bench_mount *m,
		       const struct bench_case *cs)
{
	const char *argv[12];
	char ferry[PATH_MAX], source[128], dir[96], options[192];
	int nr = 0;

	if (bench_beside("ferry", ferry, sizeof(ferry)))
		return -ENOENT;
	snprintf(source, sizeof(source), "%s%s", cs->backend, cs->writeback ? ":writeback" : "");
	if (is_mirror(cs)) {
		if (mirrored(opts, m, dir, sizeof(dir)))
			return -ENOENT;
		snprintf(source, sizeof(source), "mirror:%s%s", dir,
			 *m->sys->data ? ",passthrough=no" : "");
	}
	snprintf(options, sizeof(options), "%s%s%s%s%s", cs->options,
		 is_null(cs) ? ",no_default_permissions" : "",
		 *m->sys->wait ? ",wait=" : "", m->sys->wait, bench_data_option(m->sys));
	if (opts->queues && *m->sys->wait) {
		size_t len = strlen(options);

		snprintf(options + len, sizeof(options) - len, ",queues=%u", opts->queues);
	}
	argv[nr++] = ferry;
	argv[nr++] = "mount";
	if (!strcmp(m->sys->placement, "kernel"))
		argv[nr++] = "--in-kernel";
	argv[nr++] = "-o";
	argv[nr++] = options;
	argv[nr++] = source;
	argv[nr++] = m->dir;
	argv[nr] = NULL;
	return bench_exec(opts, argv, NULL, MOUNT_TIMEOUT);
}

static int mount_fuse_uring(const struct bench_opts *opts, struct bench_mount *m,
			    const struct bench_case *cs)
{
	char peer[PATH_MAX];
	const char *argv[] = { peer, "-o", cs->options, m->dir, NULL };

	if (bench_beside("fuse-uring", peer, sizeof(peer)))
		return -ENOENT;
	return bench_exec(opts, argv, NULL, MOUNT_TIMEOUT);
}

/* By what FUSE's limit of dirty pages was lifted, for JSON; NULL: it was not */
const char *bench_fs_dirty_limit;

/* Return: false: there is no such mount */
static bool device_of(const char *dir, char *device, size_t size)
{
	FILE *file = fopen("/proc/self/mountinfo", "re");
	char line[1024], dev[32], at[BENCH_PATH_MAX];
	bool found = false;

	while (file && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%*s %*s %31s %*s %255s", dev, at) != 2 || strcmp(at, dir))
			continue;
		snprintf(device, size, "%s", dev);
		found = true;
	}
	if (file)
		fclose(file);
	return found;
}

static bool set_bdi(const char *device, const char *name, const char *value)
{
	char path[96];
	int fd, len;

	snprintf(path, sizeof(path), "/sys/class/bdi/%s/%s", device, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	len = (int)write(fd, value, strlen(value));
	close(fd);
	return len == (int)strlen(value);
}

/*
 * One FUSE mount may have 1 % of all pages that may be dirty, and strictly: whoever writes more
 * waits for the disk, 0.2 s at a time, also with a server that has none. It is the line that is
 * compared and not this limit, which an administrator may lift, too. Before 6.2 it stays strict,
 * but no longer bites below the half that the mount is promised.
 */
static void lift_dirty_limit(const struct bench_mount *m)
{
	char device[32];

	if (!device_of(m->dir, device, sizeof(device)) || !set_bdi(device, "max_ratio", "100"))
		return;
	if (set_bdi(device, "strict_limit", "0"))
		bench_fs_dirty_limit = "max_ratio=100 strict_limit=0";
	else if (set_bdi(device, "min_ratio", "50"))
		bench_fs_dirty_limit = "max_ratio=100 min_ratio=50";
}

static int mount_fuse(const struct bench_opts *opts, struct bench_mount *m,
		      const struct bench_case *cs)
{
	char peer[PATH_MAX], options[128];
	const char *kind = is_passthrough(m->sys) ? "passthrough" :
			   is_null(cs) ? "null" : "memory";
	const char *argv[] = { peer, "-o", options, kind, m->dir, NULL };
	int err;

	if (bench_beside("fuse-peer", peer, sizeof(peer)))
		return -ENOENT;
	snprintf(options, sizeof(options), "allow_other,%s%s%s", cs->options,
		 is_null(cs) ? "" : ",default_permissions", cs->writeback ? ",writeback" : "");
	err = bench_exec(opts, argv, NULL, MOUNT_TIMEOUT);
	if (!err && cs->writeback)
		lift_dirty_limit(m);
	return err;
}

/* By a bind mount, so that it is taken away like all others. */
static int mount_host(const struct bench_opts *opts, const struct bench_mount *m)
{
	char dir[96];

	if (mirrored(opts, m, dir, sizeof(dir)))
		return -ENOENT;
	if (!mount(dir, m->dir, NULL, MS_BIND, NULL))
		return 0;
	bench_say("%s: %s", dir, strerror(errno));
	return -errno;
}

static int mount_tmpfs(const struct bench_mount *m)
{
	if (!mount("tmpfs", m->dir, "tmpfs", 0, "mode=755"))
		return 0;
	bench_say("%s: %s", m->dir, strerror(errno));
	return -errno;
}

static int mount_any(const struct bench_opts *opts, struct bench_mount *m,
		     const struct bench_case *cs)
{
	snprintf(m->file, sizeof(m->file), "%s/N", m->dir);
	if (bench_is(m->sys, "host"))
		return mount_host(opts, m);
	if (bench_is(m->sys, "tmpfs"))
		return mount_tmpfs(m);
	if (is_fuse_uring(m->sys))
		return mount_fuse_uring(opts, m, cs);
	if (bench_is(m->sys, "fuse"))
		return mount_fuse(opts, m, cs);
	return mount_ferry(opts, m, cs);
}

static int umount_child(void *arg)
{
	const struct bench_mount *m = arg;

	/* Write-back may still hold it for a moment. */
	for (int i = 0; i < 50; i++) {
		if (!umount2(m->dir, 0) || errno != EBUSY)
			return 0;
		usleep(100000);
	}
	return 1;
}

static void umount_any(const struct bench_opts *opts, struct bench_mount *m)
{
	if (!bench_child(umount_child, m, UMOUNT_TIMEOUT))
		return;
	bench_say("%s: cannot be unmounted, detached", m->sys->label);
	if (m->daemon)
		kill(m->daemon, SIGKILL);
	umount2(m->dir, MNT_DETACH);
}

const struct bench_class bench_fs = {
	.name = "fs",
	.peer = "fuse",
	.peer_label = "FUSE",
	.systems = systems,
	.nr_systems = sizeof(systems) / sizeof(systems[0]),
	.cases = bench_fs_cases,
	.nr_cases = BENCH_NR_FS_CASES,
	.missing = missing,
	.fits = fits,
	.mount = mount_any,
	.umount = umount_any,
};
