// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * ferry bench: cases whose loops fio does. One fio a case: starting it is
 * expensive, and its jobs run one after the other in the order that we want.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "bench.h"

#define FIO_TIMEOUT	1800

static int write_jobs(const struct bench_opts *opts, const struct bench_case *cs,
		      const struct bench_mount *mounts, unsigned int nr, const char *path)
{
	unsigned int runs = bench_case_runs(opts, cs);
	FILE *file = fopen(path, "we");

	if (!file)
		return -errno;
	fprintf(file, "[global]\nthread=1\nstonewall\nfallocate=none\nclocksource=clock_gettime\n");
	if (cs->flags & BENCH_PINNED)
		fprintf(file, "cpus_allowed=%d\n", opts->cpu);
	if (cs->flags & BENCH_RATE)
		fprintf(file, "size=%um\n", opts->quick ? 32 : 64);
	fputs(cs->fio, file);
	for (unsigned int round = 0; round <= runs; round++)
		for (unsigned int i = 0; i < nr; i++)
			fprintf(file, "[%u.%u]\nfilename=%s/N\n", round, i, mounts[i].dir);
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

/*
 * What a job took, of the direction in which there was any I/O. Its run time has
 * the fsync at the end in it, but is in whole milliseconds, so that reads are
 * better off with the sum of their latencies.
 */
static double job_value(struct json_object *job, const struct bench_case *cs)
{
	struct json_object *dir = get(job, "read"), *latency;
	double bytes = json_object_get_double(get(dir, "io_bytes"));

	if (cs->flags & BENCH_RATE && !bytes)
		return json_object_get_double(get(get(job, "write"), "bw_bytes")) / 1e6;
	if (!bytes)
		dir = get(job, "write");
	latency = get(dir, "lat_ns");
	if (cs->flags & BENCH_RATE)
		return bytes * 1e3 / (json_object_get_double(get(latency, "mean")) *
				      json_object_get_double(get(latency, "N")));
	return json_object_get_double(get(latency, "mean")) / 1e3;
}

static int take_job(struct json_object *job, const struct bench_case *cs,
		    const struct bench_mount *mounts, unsigned int nr, struct bench_results *res,
		    unsigned int *failed)
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
	return round && bench_add(res, cs, mounts[i].sys, value) ? 1 : 0;
}

/* Return: 0, or 1 after a message */
int bench_fio(const struct bench_opts *opts, const struct bench_case *cs,
	      const struct bench_mount *mounts, unsigned int nr, struct bench_results *res)
{
	char jobs_path[BENCH_PATH_MAX], out[BENCH_PATH_MAX], output[BENCH_PATH_MAX + 16];
	const char *const argv[] = { "fio", "--output-format=json", "--eta=never", output, jobs_path,
				     NULL };
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
	bench_progress("%s: fio, %u runs of each of %u systems", cs->name, bench_case_runs(opts, cs),
		       nr);
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
			status |= take_job(json_object_array_get_idx(jobs, i), cs, mounts, nr, res,
					   &failed);
	}
	for (unsigned int i = 0; i < nr; i++)
		if (failed & (1U << i))
			bench_forget(res, cs, mounts[i].sys);
	json_object_put(root);
	return status;
}
