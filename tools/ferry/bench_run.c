// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * ferry bench: one case. All its systems are mounted at a time and take turns,
 * so that whatever drifts on the machine drifts for all of them.
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
static void drop(struct bench_mount *mounts, unsigned int *nr, unsigned int i)
{
	bench_umount(&mounts[i]);
	memmove(&mounts[i], &mounts[i + 1], (*nr - i - 1) * sizeof(*mounts));
	(*nr)--;
}

static unsigned int mount_all(const struct bench_opts *opts, const struct bench_case *cs,
			      struct bench_mount *mounts, int *status)
{
	unsigned int nr = 0;

	for (unsigned int i = 0; i < bench_nr_systems && !bench_stop; i++) {
		const struct bench_system *sys = &bench_systems[i];
		struct bench_mount *m = &mounts[nr];
		const char *why = NULL;

		if (!(opts->systems & (1U << i)))
			continue;
		if (!bench_system_fits(sys, cs, &why)) {
			bench_say("%s on %s is left out: %s", cs->name, sys->label, why);
			continue;
		}
		bench_progress("%s: mounting %s", cs->name, sys->label);
		*m = (struct bench_mount){ .sys = sys };
		snprintf(m->dir, sizeof(m->dir), "%s/%s", opts->base, sys->id);
		nr++;
		if (bench_mount(opts, m, cs) ||
		    (cs->prepare && step(opts, cs, m, cs->prepare))) {
			drop(mounts, &nr, nr - 1);
			*status = 1;
		}
	}
	return nr;
}

/* Round 0 is the warm-up. */
static int take_turns(const struct bench_opts *opts, const struct bench_case *cs,
		      struct bench_mount *mounts, unsigned int *nr, struct bench_results *res)
{
	unsigned int runs = bench_case_runs(opts, cs);
	int status = 0;

	for (unsigned int round = 0; round <= runs; round++) {
		for (unsigned int i = 0; i < *nr && !bench_stop; i++) {
			bench_progress("%s: %s, run %u of %u", cs->name, name_of(&mounts[i]), round,
				       runs);
			if (step(opts, cs, &mounts[i], cs->measure)) {
				bench_forget(res, cs, mounts[i].sys);
				drop(mounts, nr, i--);
				status = 1;
				continue;
			}
			for (size_t k = 0; round && k < shared->nr; k++)
				if (bench_add(res, cs, mounts[i].sys, shared->v[k]))
					return 1;
		}
	}
	return status;
}

/* Return: 0, or 1 after a message if anything of it could not be measured */
int bench_case_run(const struct bench_opts *opts, const struct bench_case *cs,
		   struct bench_results *res)
{
	struct bench_mount mounts[BENCH_SYSTEMS_MAX] = { 0 };
	unsigned int nr = 1;
	int status = 0;

	if (!shared) {
		shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		if (shared == MAP_FAILED) {
			bench_say("no memory");
			exit(1);
		}
	}
	if (cs->ready && cs->ready(opts))
		return 0;
	if (!(cs->flags & BENCH_HOST))
		nr = mount_all(opts, cs, mounts, &status);
	if (nr && !bench_stop) {
		if (cs->fio && !opts->icount)
			status |= bench_fio(opts, cs, mounts, nr, res);
		else
			status |= take_turns(opts, cs, mounts, &nr, res);
	}
	for (unsigned int i = 0; i < nr; i++)
		bench_umount(&mounts[i]);
	return status;
}
