// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* ferry bench: the order of things. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <json-c/json.h>

#include "bench.h"
#include "ferry.h"

/* The last CPU that we may use, since the first ones have the interrupts; and the one before. */
static void choose_cpus(struct bench_opts *opts)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set))
		return;
	opts->cpu = -1;
	for (int i = 0; i < CPU_SETSIZE; i++) {
		if (!CPU_ISSET(i, &set))
			continue;
		opts->other_cpu = opts->cpu < 0 ? i : opts->cpu;
		opts->cpu = i;
	}
}

static bool writable(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);

	if (fd < 0) {
		bench_say("%s: cannot be written: %s", path, strerror(errno));
		return false;
	}
	close(fd);
	return true;
}

/* Everything that would be found out in the end is found out before. */
static bool check(struct bench_opts *opts)
{
	bool fio = false;

	for (unsigned int i = 0; i < opts->class->nr_cases; i++)
		fio |= (opts->cases & (1U << i)) && opts->class->cases[i].fio && !opts->icount &&
		       !opts->scale && !opts->split;
	if (geteuid()) {
		bench_say("it makes mounts and disks: run it as root");
		return false;
	}
	if (opts->icount && sysconf(_SC_NPROCESSORS_ONLN) != 1) {
		bench_say("--icount is for a machine of one CPU whose clock counts instructions: "
			  "tools/vm/run --icount");
		return false;
	}
	if (fio && !bench_have_program("fio")) {
		bench_say("no fio: apt-get install fio");
		return false;
	}
	if (opts->plot && !bench_have_program("gnuplot")) {
		bench_say("--plot: no gnuplot: apt-get install gnuplot-nox");
		return false;
	}
	return (!opts->json || writable(opts->json)) && (!opts->plot || writable(opts->plot));
}

/* A pipe that nobody reads says so at each line, also at those of taking all away. */
static void stop(int number)
{
	if (number == SIGPIPE)
		signal(SIGPIPE, SIG_IGN);
	bench_stop = number;
}

/*
 * Mounts in a namespace of our own: nobody else stumbles over them, and none
 * stays behind when we and the servers are gone.
 */
static int base_make(struct bench_opts *opts)
{
	snprintf(opts->base, sizeof(opts->base), "/tmp/ferry-bench.XXXXXX");
	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL)) {
		bench_say("no mount namespace: %s", strerror(errno));
		return -1;
	}
	if (!mkdtemp(opts->base)) {
		bench_say("%s: %s", opts->base, strerror(errno));
		return -1;
	}
	if (mount("tmpfs", opts->base, "tmpfs", 0, "mode=755")) {
		bench_say("%s: no tmpfs: %s", opts->base, strerror(errno));
		rmdir(opts->base);
		return -1;
	}
	return 0;
}

static void base_remove(const struct bench_opts *opts)
{
	if (umount2(opts->base, 0))
		umount2(opts->base, MNT_DETACH);
	rmdir(opts->base);
}

static int report(const struct bench_opts *opts, struct bench_results *res,
		  struct json_object *before)
{
	int status = 0;

	bench_summarize(res);
	bench_print(opts, res);
	if (!bench_bars(opts, res) && opts->check)
		status = 1;
	if (before)
		status |= bench_regress(opts, res, before);
	fflush(stdout);
	if (opts->json)
		status |= bench_json(opts, res);
	if (opts->plot)
		status |= bench_plot(opts, res);
	return status;
}

static int run(const struct bench_opts *opts, struct bench_results *res,
	       struct json_object *before)
{
	int status;

	if (opts->scale)
		return bench_scale(opts);
	if (opts->split)
		return bench_split(opts);
	status = bench_cases_run(opts, res);
	if (bench_stop)
		return 1;
	bench_progress_end();
	return status | report(opts, res, before);
}

/* Whoever reads our standard output may have seen enough: so it ends by SIGPIPE as by any other. */
const int bench_signals[BENCH_NR_SIGNALS] = { SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGPIPE };

int cmd_bench(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = stop };
	struct bench_results *res;
	struct bench_opts opts = { 0 };
	struct json_object *before = NULL;
	int status = bench_parse(&opts, argc, argv);

	if (status >= 0)
		return status;
	choose_cpus(&opts);
	bench_patient = opts.icount;
	if (!check(&opts))
		return 1;
	if (opts.regress) {
		before = bench_regress_open(&opts);
		if (!before)
			return 1;
	}
	if (opts.class->begin && opts.class->begin(&opts)) {
		json_object_put(before);
		return 1;
	}
	res = calloc(1, sizeof(*res));
	if (!res || base_make(&opts)) {
		free(res);
		return 1;
	}
	for (unsigned int i = 0; i < sizeof(bench_signals) / sizeof(bench_signals[0]); i++)
		sigaction(bench_signals[i], &action, NULL);
	prctl(PR_SET_CHILD_SUBREAPER, 1);

	res->icount = opts.icount;
	status = bench_systems_check(&opts) ? 1 : run(&opts, res, before);
	bench_progress_end();
	if (opts.class->end)
		opts.class->end(&opts);
	base_remove(&opts);
	bench_free(res);
	free(res);
	json_object_put(before);
	return bench_stop ? 128 + bench_stop : status;
}
