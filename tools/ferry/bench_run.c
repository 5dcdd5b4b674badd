// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * ferry bench: case after case. All systems of one are mounted at a time and take
 * turns, so that whatever drifts on the machine drifts for all of them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench.h"

#define STEP_TIMEOUT	600

static struct bench_shared *shared;

/* What is mounted now; with a class that keeps its mounts, for more than one case. */
static struct bench_mount mounts[BENCH_SYSTEMS_MAX];
static unsigned int nr_mounts;

struct step {
	struct bench_run run;
	const struct bench_case *cs;
	int (*fn)(struct bench_run *run);
};

void bench_sample(struct bench_run *run, double v)
{
	struct bench_shared *s = run->shared;

	/* One nanosecond is one instruction there. */
	if (run->opts->icount)
		v *= 1000;
	if (s->nr < BENCH_SHARED_MAX)
		s->v[s->nr++] = v;
}

/* Return: 1, the exit status */
int bench_fail(struct bench_run *run, const char *what)
{
	snprintf(run->shared->error, sizeof(run->shared->error), "%s: %s", what, strerror(errno));
	return 1;
}

static int step_child(void *arg)
{
	struct step *step = arg;

	if (step->cs->flags & BENCH_PINNED)
		bench_pin(getpid(), step->run.opts->cpu);
	return step->fn(&step->run);
}

static const char *name_of(const struct bench_mount *mount)
{
	return mount->sys ? mount->sys->label : "this machine";
}

static int step(const struct bench_opts *opts, const struct bench_case *cs,
		const struct bench_mount *mount, int (*fn)(struct bench_run *run))
{
	struct step step = {
		.run = { .opts = opts, .mount = mount, .shared = shared },
		.cs = cs,
		.fn = fn,
	};
	int err;

	shared->nr = 0;
	memset(&shared->hist, 0, sizeof(shared->hist));
	shared->error[0] = '\0';
	err = bench_child(step_child, &step, STEP_TIMEOUT);
	if (err && err != -EINTR)
		bench_say("%s on %s is left out: %s", cs->name, name_of(mount),
			  err == -ETIMEDOUT ? "it took longer than ten minutes" :
			  *shared->error ? shared->error : "the workload died");
	return err;
}

unsigned int bench_case_runs(const struct bench_opts *opts, const struct bench_case *cs)
{
	return cs->flags & BENCH_HEAVY ? (opts->runs + 1) / 2 : opts->runs;
}

/* Forgets a system that failed; the others go on. */
static void drop(const struct bench_opts *opts, unsigned int i)
{
	bench_umount(opts, &mounts[i]);
	memmove(&mounts[i], &mounts[i + 1], (nr_mounts - i - 1) * sizeof(*mounts));
	nr_mounts--;
}

static void umount_all(const struct bench_opts *opts)
{
	for (unsigned int i = 0; i < nr_mounts; i++)
		bench_umount(opts, &mounts[i]);
	nr_mounts = 0;
}

/* Return: 0, or 1 after a message about something that could not be mounted */
static int mount_all(const struct bench_opts *opts, const struct bench_case *cs)
{
	int status = 0;

	for (unsigned int i = 0; i < opts->class->nr_systems && !bench_stop; i++) {
		const struct bench_system *sys = &opts->class->systems[i];
		struct bench_mount *m = &mounts[nr_mounts];
		const char *why = NULL;

		if (!(opts->systems & (1U << i)))
			continue;
		if (!opts->class->fits(sys, cs, &why)) {
			if (why)
				bench_say("%s on %s is left out: %s", cs->name, sys->label, why);
			continue;
		}
		bench_progress("%s: mounting %s", cs->name, sys->label);
		*m = (struct bench_mount){ .sys = sys };
		snprintf(m->dir, sizeof(m->dir), "%s/%s", opts->base, sys->id);
		nr_mounts++;
		if (bench_mount(opts, m, cs) ||
		    (cs->prepare && step(opts, cs, m, cs->prepare))) {
			drop(opts, nr_mounts - 1);
			status = 1;
		}
	}
	return status;
}

/* Round 0 is the warm-up. */
static int take_turns(const struct bench_opts *opts, const struct bench_case *cs,
		      struct bench_results *res)
{
	unsigned int runs = bench_case_runs(opts, cs);
	int status = 0;

	for (unsigned int round = 0; round <= runs; round++) {
		for (unsigned int i = 0; i < nr_mounts && !bench_stop; i++) {
			bench_progress("%s: %s, run %u of %u", cs->name, name_of(&mounts[i]), round,
				       runs);
			if (step(opts, cs, &mounts[i], cs->measure)) {
				bench_forget(res, cs, mounts[i].sys);
				drop(opts, i--);
				status = 1;
				continue;
			}
			for (size_t k = 0; round && k < shared->nr; k++)
				if (bench_add(res, cs, mounts[i].sys, shared->v[k]))
					return 1;
			if (round && shared->hist.total)
				bench_hist_merge(bench_hist_of(res, cs, mounts[i].sys),
						 &shared->hist);
		}
	}
	return status;
}

static bool shared_make(void)
{
	if (shared)
		return true;
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	if (shared != MAP_FAILED)
		return true;
	shared = NULL;
	bench_say("no memory");
	return false;
}

/* Of --split, which has a result for each of a case's systems at once. */
int bench_split_case(const struct bench_opts *opts, const struct bench_case *cs)
{
	int status;

	if (!shared_make())
		return 1;
	status = mount_all(opts, cs);
	printf("%s: %s\n", cs->name, cs->what);
	fflush(stdout);
	for (unsigned int i = 0; i < nr_mounts && !bench_stop; i++) {
		if (step(opts, cs, &mounts[i], cs->measure))
			status = 1;
		else
			bench_split_print(mounts[i].sys, shared->v);
	}
	umount_all(opts);
	return status;
}

/* fio's part. What is mounted still for another case may have nothing to do with this one. */
static int run_fio(const struct bench_opts *opts, const struct bench_case *cs,
		   struct bench_results *res)
{
	struct bench_mount fit[BENCH_SYSTEMS_MAX];
	unsigned int nr = 0;

	for (unsigned int i = 0; i < nr_mounts; i++) {
		const char *why = NULL;

		if (!mounts[i].sys || opts->class->fits(mounts[i].sys, cs, &why))
			fit[nr++] = mounts[i];
	}
	return nr ? bench_fio(opts, cs, fit, nr, res) : 0;
}

/* Return: 0, or 1 after a message if anything of it could not be measured */
static int case_run(const struct bench_opts *opts, const struct bench_case *cs,
		    struct bench_results *res)
{
	int status = 0, left_out = cs->ready ? cs->ready(opts) : 0;

	if (left_out)
		return left_out < 0;
	if (cs->flags & BENCH_HOST)
		mounts[nr_mounts++] = (struct bench_mount){ 0 };
	else if (!nr_mounts)
		status = mount_all(opts, cs);
	for (unsigned int i = 0; i < nr_mounts; i++)
		bench_place(opts, &mounts[i], cs);
	if (!nr_mounts || bench_stop)
		return status;
	if (cs->fio && !opts->icount)
		return status | run_fio(opts, cs, res);
	return status | take_turns(opts, cs, res);
}

/* Return: 0, or 1 after a message if anything could not be measured */
int bench_cases_run(const struct bench_opts *opts, struct bench_results *res)
{
	const struct bench_class *class = opts->class;
	const struct bench_case *last = NULL;
	int status = 0;

	if (!shared_make())
		return 1;
	for (unsigned int i = 0; i < class->nr_cases && !bench_stop; i++) {
		const struct bench_case *cs = &class->cases[i];

		if (!(opts->cases & (1U << i)))
			continue;
		if (!class->keep || !last || strcmp(cs->backend, last->backend))
			umount_all(opts);
		status |= case_run(opts, cs, res);
		last = cs;
	}
	umount_all(opts);
	return status;
}
