// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* ferry bench: the systems of a class: which can be had, and the servers' processes. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

#define END_TIMEOUT	20
#define CHILDREN_MAX	64

bool bench_is(const struct bench_system *sys, const char *system)
{
	return !strcmp(sys->system, system);
}

/*
 * How a daemon is told to have data in the slot whatever fits there, or never. ferry's other
 * ways are those of a backend, not of an option.
 */
const char *bench_data_option(const struct bench_system *sys)
{
	if (!strcmp(sys->data, "slot"))
		return ",inline=65536";
	return strcmp(sys->data, "copy") ? "" : ",inline=1";
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

/* Takes away what is not there; ferry itself is what this is about, so it must be. */
int bench_systems_check(struct bench_opts *opts)
{
	const struct bench_class *class = opts->class;

	for (unsigned int i = 0; i < class->nr_systems; i++) {
		const struct bench_system *sys = &class->systems[i];
		bool fatal = false;
		const char *why;

		if (!(opts->systems & (1U << i)))
			continue;
		why = class->missing(opts, sys, &fatal);
		if (fatal) {
			bench_say("%s", why);
			return -ENODEV;
		}
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

/* The server went into the background, and so became a child of ours. */
static pid_t new_child(const pid_t *before, unsigned int nr_before)
{
	pid_t after[CHILDREN_MAX];
	unsigned int nr = bench_children(after, CHILDREN_MAX);

	for (unsigned int i = 0; i < nr; i++) {
		unsigned int k = 0;

		while (k < nr_before && before[k] != after[i])
			k++;
		if (k == nr_before)
			return after[i];
	}
	return 0;
}

/*
 * A server that waits in turn with its client is best off on its CPU; one that looks for
 * requests without sleeping, only on another. What we have not pinned stays where it is: a
 * server may have a thread for each CPU.
 */
void bench_place(const struct bench_opts *opts, struct bench_mount *m, const struct bench_case *cs)
{
	int cpu = -1;

	if (!m->daemon)
		return;
	if (cs->flags & BENCH_PINNED)
		cpu = strcmp(m->sys->wait, "poll") ? opts->cpu : opts->other_cpu;
	if (cpu >= 0 || m->pinned)
		bench_pin(m->daemon, cpu);
	m->pinned = cpu >= 0;
}

int bench_mount(const struct bench_opts *opts, struct bench_mount *m,
		const struct bench_case *cs)
{
	pid_t before[CHILDREN_MAX];
	unsigned int nr;
	int err;

	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	nr = bench_children(before, CHILDREN_MAX);
	if (mkdir(m->dir, 0755) && errno != EEXIST) {
		bench_say("%s: %s", m->dir, strerror(errno));
		return -1;
	}
	m->mounted = true;
	err = opts->class->mount(opts, m, cs);
	m->daemon = new_child(before, nr);
	bench_place(opts, m, cs);
	return err;
}

/* Also where mounting went wrong half-way; and when we are to end, so it waits for no signal. */
void bench_umount(const struct bench_opts *opts, struct bench_mount *m)
{
	sig_atomic_t stop = bench_stop;

	if (!m->mounted)
		return;
	bench_stop = 0;
	opts->class->umount(opts, m);
	if (m->daemon) {
		/* -EINTR: whoever stopped us once does not want to wait for this either. */
		if (bench_wait(m->daemon, END_TIMEOUT)) {
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
