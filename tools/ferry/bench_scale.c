// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * ferry bench --scale: operations a second of 1 to N clients at a time, each on a CPU of its
 * own as long as there are enough, with 1 to N queues of the server, whose threads may be
 * anywhere. The others have no queues that one could choose.
 */
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <json-c/json.h>

#include "bench.h"

#define CLIENTS_MAX	64
#define STEPS_MAX	8
#define STEP_TIMEOUT	120

/* Of one run: all clients wait for @go, so that none has the server for itself. */
struct stage {
	unsigned int nr;
	int cpus[CLIENTS_MAX];
	const struct bench_case *cs;
	struct bench_run run;
	struct bench_shared *shared;
};

static int client(const struct stage *stage, unsigned int i, int go)
{
	struct bench_run run = stage->run;
	char c;

	run.shared = &stage->shared[i];
	bench_pin(getpid(), stage->cpus[i]);
	if (read(go, &c, 1))
		return 1;
	return stage->cs->measure(&run);
}

/* In a child, which with all of its own can be killed. */
static int all_clients(void *arg)
{
	const struct stage *stage = arg;
	int go[2], status, failed = 0;

	if (pipe(go))
		return 1;
	for (unsigned int i = 0; i < stage->nr; i++) {
		pid_t pid = fork();

		if (pid < 0)
			return 1;
		if (!pid) {
			close(go[1]);
			_exit(client(stage, i, go[0]));
		}
	}
	close(go[1]);
	while (wait(&status) > 0)
		failed |= !WIFEXITED(status) || WEXITSTATUS(status);
	return failed;
}

/* Return: operations a second of all clients, or negative after a message */
static double run_once(const struct bench_opts *opts, struct stage *stage,
		       const struct bench_mount *mount)
{
	double rate = 0;
	int err;

	for (unsigned int i = 0; i < stage->nr; i++) {
		stage->shared[i].nr = 0;
		stage->shared[i].ops = stage->shared[i].us = 0;
		stage->shared[i].error[0] = '\0';
	}
	stage->run = (struct bench_run){ .opts = opts, .mount = mount };
	err = bench_child(all_clients, stage, STEP_TIMEOUT);
	for (unsigned int i = 0; i < stage->nr; i++) {
		/* Each by its own time, which ends with its last batch. */
		if (stage->shared[i].us > 0)
			rate += stage->shared[i].ops * 1e6 / stage->shared[i].us;
		if (err && err != -EINTR && *stage->shared[i].error) {
			bench_say("%s on %s: %s", stage->cs->name, mount->sys->label,
				  stage->shared[i].error);
			return -1;
		}
	}
	if (err && err != -EINTR)
		bench_say("%s on %s, %u clients: %s", stage->cs->name, mount->sys->label, stage->nr,
			  err == -ETIMEDOUT ? "it took too long" : "a client died");
	return err ? -1 : rate;
}

static void add_row(struct json_object *rows, const struct bench_case *cs,
		    const struct bench_system *sys, unsigned int queues, unsigned int clients,
		    const struct bench_samples *rates)
{
	static const struct {
		const char *name;
		double q;
	} quantiles[] = { { "median", .5 }, { "p10", .1 }, { "p90", .9 } };
	struct json_object *obj = json_object_new_object();

	json_object_object_add(obj, "case", json_object_new_string(cs->name));
	json_object_object_add(obj, "system", json_object_new_string(sys->system));
	json_object_object_add(obj, "placement", json_object_new_string(sys->placement));
	json_object_object_add(obj, "wait", json_object_new_string(sys->wait));
	if (*sys->data)
		json_object_object_add(obj, "data", json_object_new_string(sys->data));
	json_object_object_add(obj, "queues", json_object_new_int64(queues));
	json_object_object_add(obj, "clients", json_object_new_int64(clients));
	json_object_object_add(obj, "unit", json_object_new_string("ops/s"));
	for (unsigned int i = 0; i < sizeof(quantiles) / sizeof(quantiles[0]); i++)
		json_object_object_add(obj, quantiles[i].name, json_object_new_int64((int64_t)
			bench_quantile(rates, quantiles[i].q)));
	json_object_object_add(obj, "n", json_object_new_int64((int64_t)rates->nr));
	json_object_array_add(rows, obj);
}

/* 1, 2, 4 ... and @max itself. Return: how many */
static unsigned int steps_to(unsigned int max, unsigned int *steps)
{
	unsigned int nr = 0;

	for (unsigned int n = 1; n < max && nr < STEPS_MAX - 1; n *= 2)
		steps[nr++] = n;
	steps[nr++] = max;
	return nr;
}

/* One system with so many queues: a line, a column for each number of clients. */
static int one_line(const struct bench_opts *opts, struct stage *stage,
		    const struct bench_mount *mount, struct json_object *rows)
{
	struct bench_samples rates = { .v = calloc(opts->runs, sizeof(*rates.v)) };
	unsigned int steps[STEPS_MAX], nr;

	if (!rates.v)
		return 1;
	nr = steps_to(2 * (unsigned int)sysconf(_SC_NPROCESSORS_ONLN), steps);
	printf("  %-16s", mount->sys->label);
	if (opts->queues)
		printf("%7u", opts->queues);
	else
		printf("%7s", "");
	for (unsigned int k = 0; k < nr && !bench_stop; k++) {
		stage->nr = steps[k] < CLIENTS_MAX ? steps[k] : CLIENTS_MAX;
		rates.nr = 0;
		for (unsigned int i = 0; i <= opts->runs; i++) {
			double rate = run_once(opts, stage, mount);

			if (rate < 0) {
				free(rates.v);
				putchar('\n');
				return 1;
			}
			/* The first is the warm-up. */
			if (i)
				rates.v[rates.nr++] = rate;
		}
		bench_sort(&rates);
		printf("%11.0f", bench_quantile(&rates, .5));
		fflush(stdout);
		add_row(rows, stage->cs, mount->sys, opts->queues, stage->nr, &rates);
	}
	putchar('\n');
	free(rates.v);
	return 0;
}

static int one_system(const struct bench_opts *opts, struct stage *stage,
		      const struct bench_system *sys, unsigned int queues, struct json_object *rows)
{
	struct bench_opts with = *opts;
	struct bench_mount mount = { .sys = sys };
	struct bench_case free_case = *stage->cs;
	int status;

	with.queues = queues;
	/* The server may be where it likes. */
	free_case.flags &= ~BENCH_PINNED;
	snprintf(mount.dir, sizeof(mount.dir), "%s/%s", opts->base, sys->id);
	status = bench_mount(&with, &mount, &free_case) || one_line(&with, stage, &mount, rows);
	bench_umount(&with, &mount);
	return status;
}

static int one_case(const struct bench_opts *opts, struct stage *stage, struct json_object *rows)
{
	unsigned int steps[STEPS_MAX], nr, status = 0, cpus;

	cpus = (unsigned int)sysconf(_SC_NPROCESSORS_ONLN);
	printf("%s: %s\n  %-16s%7s", stage->cs->name, stage->cs->what, "", "queues");
	nr = steps_to(2 * cpus, steps);
	for (unsigned int k = 0; k < nr; k++)
		printf("%3u client%s", steps[k], steps[k] > 1 ? "s" : " ");
	putchar('\n');
	nr = steps_to(cpus, steps);
	for (unsigned int i = 0; i < opts->class->nr_systems; i++) {
		const struct bench_system *sys = &opts->class->systems[i];
		bool queues = bench_is(sys, "ferry") && *sys->wait;
		const char *why = NULL;

		if (!(opts->systems & (1U << i)) || !opts->class->fits(sys, stage->cs, &why))
			continue;
		for (unsigned int k = 0; k < (queues ? nr : 1) && !bench_stop; k++)
			status |= (unsigned int)one_system(opts, stage, sys, queues ? steps[k] : 0,
							   rows);
	}
	return status ? 1 : 0;
}

/* Those on which we may run, again and again. */
static void choose_cpus(struct stage *stage)
{
	cpu_set_t set;
	int cpu = -1;

	if (sched_getaffinity(0, sizeof(set), &set))
		CPU_SET(0, &set);
	for (unsigned int i = 0; i < CLIENTS_MAX; i++) {
		do {
			cpu = (cpu + 1) % CPU_SETSIZE;
		} while (!CPU_ISSET(cpu, &set));
		stage->cpus[i] = cpu;
	}
}

int bench_scale(const struct bench_opts *opts)
{
	struct stage stage = { .nr = 0 };
	struct json_object *root, *rows;
	int status = 0;

	stage.shared = mmap(NULL, CLIENTS_MAX * sizeof(*stage.shared), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (stage.shared == MAP_FAILED) {
		bench_say("no memory");
		return 1;
	}
	choose_cpus(&stage);
	root = bench_json_root(opts);
	rows = json_object_new_array();
	json_object_object_add(root, "rows", rows);
	printf("Operations a second of all clients together.\n");
	for (unsigned int i = 0; i < opts->class->nr_cases && !bench_stop; i++) {
		if (!(opts->cases & (1U << i)))
			continue;
		stage.cs = &opts->class->cases[i];
		status |= one_case(opts, &stage, rows);
	}
	if (opts->json && !bench_stop)
		return status | bench_json_write(opts, root);
	json_object_put(root);
	return status;
}
