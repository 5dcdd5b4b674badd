// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * ferry bench: cases whose loops fio does. One fio a case: starting it is
 * expensive, and its jobs run one after the other in the order that we want.
 * What a job costs all CPUs together is read before and after it, by its shell.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <json-c/json.h>

#include "bench.h"

#define FIO_TIMEOUT	1800
#define WARM_UP		0.1	/* seconds at most of the round that is thrown away */

/* Its output is fio's "JOB.prerun.txt" in the folder where it runs. */
#define CLOCKS "read up idle </proc/uptime && read all </proc/stat && echo $up $all"

static int write_jobs(const struct bench_opts *opts, const struct bench_case *cs,
		      const struct bench_mount *mounts, unsigned int nr, const char *path)
{
	unsigned int runs = bench_case_runs(opts, cs);
	FILE *file = fopen(path, "we");

	if (!file)
		return -errno;
	fprintf(file, "[global]\nthread=1\nstonewall\nfallocate=none\nclocksource=clock_gettime\n"
		"lat_percentiles=1\nclat_percentiles=0\n"
		"exec_prerun=" CLOCKS "\nexec_postrun=" CLOCKS "\n");
	if (cs->flags & BENCH_PINNED)
		fprintf(file, "cpus_allowed=%d\n", opts->cpu);
	if (cs->flags & BENCH_TIMED)
		fputs("time_based=1\nsize=32m\n", file);
	else if (cs->flags & BENCH_RATE)
		fprintf(file, "size=%um\n", opts->quick ? 32 : 64);
	fprintf(file, "bs=%u\n", cs->bytes);
	fputs(cs->fio, file);
	for (unsigned int round = 0; round <= runs; round++)
		for (unsigned int i = 0; i < nr; i++) {
			fprintf(file, "[%u.%u]\nfilename=%s\n", round, i, mounts[i].file);
			if (cs->flags & BENCH_TIMED)
				fprintf(file, "runtime=%.0fms\n", (round || opts->seconds < WARM_UP ?
					opts->seconds : WARM_UP) * 1e3);
		}
	return fclose(file) ? -errno : 0;
}

/* fio may say something before its JSON. */
static struct json_object *read_output(const char *path)
{
	struct json_object *root = NULL;
	FILE *file = fopen(path, "re");
	char *text = NULL;
	const char *start;
	size_t size = 0;

	if (!file)
		return NULL;
	if (getdelim(&text, &size, '\0', file) > 0) {
		start = strstr(text, "{\n");
		root = start ? json_tokener_parse(start) : NULL;
	}
	free(text);
	fclose(file);
	return root;
}

static struct json_object *get(struct json_object *obj, const char *key)
{
	struct json_object *value = NULL;

	json_object_object_get_ex(obj, key, &value);
	return value;
}

/* The direction in which there was any I/O. */
static struct json_object *direction(struct json_object *job)
{
	struct json_object *dir = get(job, "read");

	return json_object_get_int64(get(dir, "io_bytes")) ? dir : get(job, "write");
}

/*
 * What a job took. Its run time is in whole milliseconds, of which some cases take ten: so it is
 * asked where a run is long, or has an fsync at its end, which is no operation's. Otherwise it is
 * the sum of the latencies.
 */
static double job_value(struct json_object *job, const struct bench_case *cs)
{
	struct json_object *dir = direction(job), *latency = get(dir, "lat_ns");
	double bytes = json_object_get_double(get(dir, "io_bytes"));

	if (!strcmp(cs->unit, "IOPS"))
		return json_object_get_double(get(dir, "iops"));
	if (cs->flags & BENCH_RATE && cs->flags & (BENCH_TIMED | BENCH_FSYNC))
		return json_object_get_double(get(dir, "bw_bytes")) / 1e6;
	if (cs->flags & BENCH_RATE)
		return bytes * 1e3 / (json_object_get_double(get(latency, "mean")) *
				      json_object_get_double(get(latency, "N")));
	return json_object_get_double(get(latency, "mean")) / 1e3;
}

static void take_latencies(struct json_object *job, struct bench_hist *hist)
{
	struct json_object *bins = get(get(direction(job), "lat_ns"), "bins");

	if (!json_object_is_type(bins, json_type_object))
		return;
	json_object_object_foreach(bins, ns, nr)
		bench_hist_add(hist, strtod(ns, NULL), (uint64_t)json_object_get_int64(nr));
}

/*
 * Seconds that CPUs were not idle until then: the kernel knows exactly how long they
 * were, while it guesses by ticks what they did otherwise. Return: negative: unknown
 */
static double busy_seconds(const struct bench_opts *opts, const char *job, const char *when)
{
	double uptime, idle, iowait, busy = -1;
	char path[BENCH_PATH_MAX];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s.%s.txt", opts->base, job, when);
	file = fopen(path, "re");
	if (!file)
		return -1;
	if (fscanf(file, "%lf cpu %*f %*f %*f %lf %lf", &uptime, &idle, &iowait) == 3)
		busy = uptime * (double)sysconf(_SC_NPROCESSORS_ONLN) -
		       (idle + iowait) / (double)sysconf(_SC_CLK_TCK);
	fclose(file);
	unlink(path);
	return busy;
}

static int take_cpu(const struct bench_opts *opts, struct json_object *job, const char *name,
		    const struct bench_case *cs, const struct bench_system *sys,
		    struct bench_results *res)
{
	double before = busy_seconds(opts, name, "prerun");
	double after = busy_seconds(opts, name, "postrun");
	double ops = json_object_get_double(get(direction(job), "total_ios"));

	if (before < 0 || after < before || ops <= 0)
		return 0;
	return bench_add_cpu(res, cs, sys, (after - before) * 1e6 / ops);
}

static int take_job(const struct bench_opts *opts, struct json_object *job,
		    const struct bench_case *cs, const struct bench_mount *mounts, unsigned int nr,
		    struct bench_results *res, unsigned int *failed)
{
	const char *name = json_object_get_string(get(job, "jobname"));
	int err = json_object_get_int(get(job, "error"));
	unsigned int round, i;
	double value;

	if (!name || sscanf(name, "%u.%u", &round, &i) != 2 || i >= nr)
		return 1;
	value = job_value(job, cs);
	if (err || value <= 0) {
		if (!(*failed & (1U << i)))
			bench_say("%s on %s is left out: run %u: %s", cs->name,
				  mounts[i].sys->label, round,
				  err ? strerror(err) : "fio measured nothing");
		*failed |= 1U << i;
		return 1;
	}
	if (!round)
		return 0;
	take_latencies(job, bench_hist_of(res, cs, mounts[i].sys));
	return bench_add(res, cs, mounts[i].sys, value) ||
	       take_cpu(opts, job, name, cs, mounts[i].sys, res);
}

/* Return: 0, or 1 after a message */
int bench_fio(const struct bench_opts *opts, const struct bench_case *cs,
	      const struct bench_mount *mounts, unsigned int nr, struct bench_results *res)
{
	char jobs_path[BENCH_PATH_MAX], out[BENCH_PATH_MAX], output[BENCH_PATH_MAX + 16];
	const char *const argv[] = { "fio", "--output-format=json+", "--eta=never", output,
				     jobs_path, NULL };
	struct json_object *root, *jobs;
	unsigned int failed = 0;
	int err, status = 0;

	snprintf(jobs_path, sizeof(jobs_path), "%s/jobs", opts->base);
	snprintf(out, sizeof(out), "%s/fio.json", opts->base);
	snprintf(output, sizeof(output), "--output=%s", out);
	err = write_jobs(opts, cs, mounts, nr, jobs_path);
	if (err) {
		bench_say("%s: %s", jobs_path, strerror(-err));
		return 1;
	}
	bench_progress("%s: fio, %u runs of each of %u systems", cs->name,
		       bench_case_runs(opts, cs), nr);
	err = bench_exec(opts, argv, NULL, FIO_TIMEOUT);
	if (err < 0)
		return 1;
	root = read_output(out);
	jobs = get(root, "jobs");
	if (!jobs || !json_object_is_type(jobs, json_type_array)) {
		bench_say("%s is left out: fio gave no result", cs->name);
		status = 1;
	} else {
		for (size_t i = 0; i < json_object_array_length(jobs); i++)
			status |= take_job(opts, json_object_array_get_idx(jobs, i), cs, mounts, nr,
					   res, &failed);
	}
	for (unsigned int i = 0; i < nr; i++)
		if (failed & (1U << i))
			bench_forget(res, cs, mounts[i].sys);
	json_object_put(root);
	return status;
}
