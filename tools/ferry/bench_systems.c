// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* ferry bench: what is compared, and how each is mounted and taken away. */
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

const struct bench_system bench_systems[] = {
	{ "ferry-sync", "ferry user sync", "ferry", "user", "sync" },
	{ "ferry-poll", "ferry user poll", "ferry", "user", "poll" },
	{ "ferry-uring", "ferry user uring", "ferry", "user", "uring" },
	{ "ferry-rw", "ferry user rw", "ferry", "user", "rw" },
	{ "ferry-kernel", "ferry kernel", "ferry", "kernel", "" },
	{ "fuse", "FUSE", "fuse", "", "" },
	{ "fuse-uring", "FUSE io_uring", "fuse", "", "uring" },
	{ "fuse-pass", "FUSE passthrough", "fuse", "", "passthrough" },
	{ "tmpfs", "tmpfs", "tmpfs", "", "" },
};
const unsigned int bench_nr_systems = sizeof(bench_systems) / sizeof(bench_systems[0]);

static bool is(const struct bench_system *sys, const char *system)
{
	return !strcmp(sys->system, system);
}

static bool is_passthrough(const struct bench_system *sys)
{
	return !strcmp(sys->wait, "passthrough");
}

static bool is_fuse_uring(const struct bench_system *sys)
{
	return is(sys, "fuse") && !strcmp(sys->wait, "uring");
}

/* Path of a program in the directory of our own executable. */
int bench_beside(const char *name, char *path, size_t size)
{
	ssize_t len = readlink("/proc/self/exe", path, size - 1);
	char *slash;

	if (len < 0)
		return -errno;
	path[len] = '\0';
	slash = strrchr(path, '/');
	if ((size_t)snprintf(slash + 1, path + size - slash - 1, "%s", name) >=
	    (size_t)(path + size - slash - 1))
		return -ENAMETOOLONG;
	return access(path, F_OK) ? -errno : 0;
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
	if (bench_exec(opts, argv, out, 10))
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
		return "no fuse-uring beside ferry, which wants the headers of Linux 6.14 and liburing";
	if (bench_beside("fuse-peer", path, sizeof(path)))
		return "no fuse-peer beside ferry: apt-get install libfuse3-dev, then make";
	if (!kernel_knows("fuse") && bench_have_program("modprobe"))
		bench_exec(opts, modprobe, NULL, 10);
	if (!kernel_knows("fuse"))
		return "this kernel has no FUSE";
	if (is_fuse_uring(sys) && access("/sys/module/fuse/parameters/enable_uring", W_OK))
		return "this kernel's FUSE has no io_uring";
	if (is_passthrough(sys) && !peer_can(opts, path, "passthrough"))
		return "this libfuse has no passthrough: 3.17 has";
	return NULL;
}

/* Takes away what is not there; ferry itself is what this is about, so it must be. */
int bench_systems_check(struct bench_opts *opts)
{
	for (unsigned int i = 0; i < bench_nr_systems; i++) {
		const struct bench_system *sys = &bench_systems[i];
		const char *why = NULL;

		if (!(opts->systems & (1U << i)))
			continue;
		if (is(sys, "ferry") && !kernel_knows("ferry")) {
			bench_say("the ferry modules are not loaded: make load "
				  "(without ferry: --systems fuse,tmpfs)");
			return -ENODEV;
		}
		if (is(sys, "fuse"))
			why = fuse_missing(opts, sys);
		if (why) {
			bench_say("%s is left out: %s", sys->label, why);
			opts->systems &= ~(1U << i);
		}
	}
	if (!opts->systems) {
		bench_say("nothing is left to be measured");
		return -ENODEV;
	}
	return 0;
}

/*
 * Where attributes are not cached, the kernel would ask for them once more to
 * check permissions; null has none to check.
 */
static bool is_null(const struct bench_case *cs)
{
	return !strcmp(cs->backend, "null");
}

bool bench_system_fits(const struct bench_system *sys, const struct bench_case *cs,
		       const char **why)
{
	if (is_passthrough(sys) && !(cs->flags & BENCH_DIRECT))
		*why = "the same as FUSE there";
	if (is_fuse_uring(sys) && !is_null(cs))
		*why = "it serves null alone";
	if (!is(sys, "tmpfs"))
		return !*why;
	if (cs->flags & BENCH_DIRECT)
		*why = "no O_DIRECT there";
	return !*why;
}

static int mount_ferry(const struct bench_opts *opts, struct bench_mount *m,
		       const struct bench_case *cs)
{
	const char *argv[12];
	char ferry[PATH_MAX], source[32], options[128];
	int nr = 0;

	if (bench_beside("ferry", ferry, sizeof(ferry)))
		return -ENOENT;
	snprintf(source, sizeof(source), "%s%s", cs->backend, cs->writeback ? ":writeback" : "");
	snprintf(options, sizeof(options), "%s%s%s%s", cs->options,
		 is_null(cs) ? ",no_default_permissions" : "",
		 *m->sys->wait ? ",wait=" : "", m->sys->wait);
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

static int mount_fuse(const struct bench_opts *opts, struct bench_mount *m,
		      const struct bench_case *cs)
{
	char peer[PATH_MAX], options[128];
	const char *kind = is_passthrough(m->sys) ? "passthrough" :
			   is_null(cs) ? "null" : "memory";
	const char *argv[] = { peer, "-o", options, kind, m->dir, NULL };

	if (bench_beside("fuse-peer", peer, sizeof(peer)))
		return -ENOENT;
	snprintf(options, sizeof(options), "allow_other,%s%s%s", cs->options,
		 is_null(cs) ? "" : ",default_permissions", cs->writeback ? ",writeback" : "");
	return bench_exec(opts, argv, NULL, MOUNT_TIMEOUT);
}

/* The server went into the background, and so became a child of ours. */
static pid_t new_child(const pid_t *before, unsigned int nr_before)
{
	pid_t after[64];
	unsigned int nr = bench_children(after, 64);

	for (unsigned int i = 0; i < nr; i++) {
		unsigned int k = 0;

		while (k < nr_before && before[k] != after[i])
			k++;
		if (k == nr_before)
			return after[i];
	}
	return 0;
}

/* Return: 0, or not after a message. bench_umount() is wanted in either case. */
int bench_mount(const struct bench_opts *opts, struct bench_mount *m,
		const struct bench_case *cs)
{
	pid_t before[64];
	unsigned int nr;
	int err;

	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	nr = bench_children(before, 64);
	if (mkdir(m->dir, 0755) && errno != EEXIST) {
		bench_say("%s: %s", m->dir, strerror(errno));
		return -1;
	}
	m->mounted = true;
	if (is(m->sys, "tmpfs"))
		err = mount("tmpfs", m->dir, "tmpfs", 0, "mode=755");
	else if (is_fuse_uring(m->sys))
		err = mount_fuse_uring(opts, m, cs);
	else if (is(m->sys, "fuse"))
		err = mount_fuse(opts, m, cs);
	else
		err = mount_ferry(opts, m, cs);
	m->daemon = new_child(before, nr);
	if (m->daemon && (cs->flags & BENCH_PINNED))
		bench_pin(m->daemon, opts->cpu);
	return err;
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

/* Also where mounting went wrong half-way; and when we are to end, so it waits for no signal. */
void bench_umount(struct bench_mount *m)
{
	sig_atomic_t stop = bench_stop;

	if (!m->mounted)
		return;
	bench_stop = 0;
	if (bench_child(umount_child, m, UMOUNT_TIMEOUT)) {
		bench_say("%s: cannot be unmounted, detached", m->sys->label);
		if (m->daemon)
			kill(m->daemon, SIGKILL);
		umount2(m->dir, MNT_DETACH);
	}
	if (m->daemon) {
		if (bench_wait(m->daemon, UMOUNT_TIMEOUT) == -ETIMEDOUT) {
			bench_say("%s: the server did not end, killed", m->sys->label);
			kill(m->daemon, SIGKILL);
		}
		waitpid(m->daemon, NULL, 0);
	}
	rmdir(m->dir);
	m->mounted = false;
	m->daemon = 0;
	if (stop)
		bench_stop = stop;
}
