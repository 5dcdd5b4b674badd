/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * ferry bench: the same workloads on every placement and wait style, and on
 * FUSE and tmpfs beside them. Private to the bench*.c files.
 *
 * The process that orchestrates never touches a file below a mount: that is
 * done by children (bench_child()), which can be killed whatever they wait for.
 */
#ifndef FERRY_BENCH_H
#define FERRY_BENCH_H

#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/types.h>

#define BENCH_SYSTEMS_MAX	12
#define BENCH_CASES_MAX		16
#define BENCH_PATH_MAX		256

/**
 * struct bench_opts - the command line
 * @systems: bit mask, by index in bench_systems
 * @cases: bit mask, by index in bench_cases
 * @runs: repetitions, not counting the warm-up
 * @cpu: where client and server of the BENCH_PINNED cases are
 * @base: our directory on tmpfs; everything is below it
 */
struct bench_opts {
	const char *json;
	const char *plot;
	unsigned int systems;
	unsigned int cases;
	unsigned int runs;
	bool icount;
	bool quick;
	bool check;
	int cpu;
	char base[64];
	char command[1024];
};

/** struct bench_samples - growing array */
struct bench_samples {
	double *v;
	size_t nr;
	size_t max;
};

/**
 * struct bench_system - one of what is compared
 * @id: its name for --systems
 * @label: its name for people
 * @system, @placement, @wait: its name in JSON
 */
struct bench_system {
	const char *id;
	const char *label;
	const char *system;
	const char *placement;
	const char *wait;
};

extern const struct bench_system bench_systems[];
extern const unsigned int bench_nr_systems;

/**
 * struct bench_mount - a system that serves a case, or a case without any
 * @sys: NULL: there is no mount, @dir is a plain directory
 * @daemon: its server process, or 0
 */
struct bench_mount {
	const struct bench_system *sys;
	pid_t daemon;
	bool mounted;
	char dir[BENCH_PATH_MAX];
};

#define BENCH_SHARED_MAX	16384

/**
 * struct bench_shared - memory that a child reports in
 * @nr: samples in @v; more than BENCH_SHARED_MAX are dropped
 * @error: one line that says what failed
 */
struct bench_shared {
	char error[200];
	size_t nr;
	double v[BENCH_SHARED_MAX];
};

/** struct bench_run - what a workload is given, in a child process */
struct bench_run {
	const struct bench_opts *opts;
	const struct bench_mount *mount;
	struct bench_shared *shared;
};

#define BENCH_SMALL	(1U << 0)	/* a small operation: runs with --icount */
#define BENCH_HEAVY	(1U << 1)	/* takes seconds: about half of the repetitions */
#define BENCH_RATE	(1U << 2)	/* more is better */
#define BENCH_DIRECT	(1U << 3)	/* O_DIRECT, which tmpfs does not know */
#define BENCH_HOST	(1U << 4)	/* about the machine: no filesystem */
#define BENCH_PINNED	(1U << 5)	/* client and server on one CPU: they take turns anyway */

/**
 * struct bench_case - a workload
 * @unit: of its samples: "us" or "MB/s"
 * @backend: ferry's name of it
 * @writeback: the kernel may cache writes
 * @options: mount options, the same for ferry and FUSE
 * @fio: lines of a fio job, NULL if @measure does it. Where both are given,
 *	@measure is for --icount.
 * @ready: in the parent, before anything is mounted; may be NULL. 0, or 1 after
 *	a line that says why the case is left out
 * @prepare: in a child, once per mount; may be NULL
 * @measure: in a child, once per repetition
 * Return of both: 0, or 1 after bench_fail()
 */
struct bench_case {
	const char *name;
	const char *what;
	const char *unit;
	const char *backend;
	bool writeback;
	const char *options;
	const char *fio;
	unsigned int flags;
	int (*ready)(const struct bench_opts *opts);
	int (*prepare)(struct bench_run *run);
	int (*measure)(struct bench_run *run);
};

extern const struct bench_case bench_cases[];
extern const unsigned int bench_nr_cases;

/** struct bench_row - a result */
struct bench_row {
	const struct bench_case *cs;
	const struct bench_system *sys;	/* NULL: the machine itself */
	struct bench_samples samples;
	double median, p10, p90;
};

struct bench_results {
	struct bench_row rows[BENCH_CASES_MAX * BENCH_SYSTEMS_MAX];
	unsigned int nr;
};

/* bench_proc.c: child processes and messages */
extern volatile sig_atomic_t bench_stop;

/* No time limits: a clock that counts instructions skips the time in which all wait for a disk. */
extern bool bench_patient;

/**
 * bench_child() - run a function in a process of its own
 * @fn: its return value is the exit status
 * @timeout: seconds
 * Return: the exit status; -EINTR: somebody wants us to end; -ETIMEDOUT; -EIO: it
 *	died by a signal. The process and its group are gone in each case.
 */
int bench_child(int (*fn)(void *), void *arg, unsigned int timeout);

/**
 * bench_exec() - run a program
 * @opts: its standard error goes to a file in opts->base, and its first line into
 *	the message if it fails
 * @out: file for its standard output, or NULL
 * Return: as bench_child(), after a message if it is not 0 and the program had one
 */
int bench_exec(const struct bench_opts *opts, const char *const *argv, const char *out,
	       unsigned int timeout);
void bench_first_line(const char *path, char *line, int size);
bool bench_have_program(const char *name);
unsigned int bench_children(pid_t *pids, unsigned int max);
int bench_wait(pid_t pid, unsigned int timeout);
void bench_pin(pid_t pid, int cpu);
double bench_now_us(void);
void bench_say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void bench_progress_end(void);
void bench_progress(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* bench_systems.c */
int bench_systems_check(struct bench_opts *opts);
bool bench_system_fits(const struct bench_system *sys, const struct bench_case *cs,
		       const char **why);
int bench_mount(const struct bench_opts *opts, struct bench_mount *mount,
		const struct bench_case *cs);
void bench_umount(struct bench_mount *mount);
int bench_beside(const char *name, char *path, size_t size);

/* bench_run.c: repetitions of one case */
int bench_case_run(const struct bench_opts *opts, const struct bench_case *cs,
		   struct bench_results *res);
unsigned int bench_case_runs(const struct bench_opts *opts, const struct bench_case *cs);
void bench_sample(struct bench_run *run, double v);
int bench_fail(struct bench_run *run, const char *what);

/* bench_fio.c */
int bench_fio(const struct bench_opts *opts, const struct bench_case *cs,
	      const struct bench_mount *mounts, unsigned int nr_mounts,
	      struct bench_results *res);

/* bench_small.c, bench_tree.c: the workloads */
int bench_measure_pipe(struct bench_run *run);
int bench_measure_stat(struct bench_run *run);
int bench_measure_fstat(struct bench_run *run);
int bench_measure_create(struct bench_run *run);
int bench_measure_read(struct bench_run *run);
int bench_measure_write(struct bench_run *run);
int bench_prepare_readdir(struct bench_run *run);
int bench_measure_readdir(struct bench_run *run);
int bench_ready_untar(const struct bench_opts *opts);
int bench_measure_untar(struct bench_run *run);
int bench_ready_compile(const struct bench_opts *opts);
int bench_prepare_compile(struct bench_run *run);
int bench_measure_compile(struct bench_run *run);

/* bench_results.c */
int bench_add(struct bench_results *res, const struct bench_case *cs,
	      const struct bench_system *sys, double v);
void bench_forget(struct bench_results *res, const struct bench_case *cs,
		  const struct bench_system *sys);
void bench_summarize(struct bench_results *res);
void bench_free(struct bench_results *res);
const struct bench_row *bench_find(const struct bench_results *res, const char *name,
				   const char *id);
double bench_ratio(const struct bench_row *row, const struct bench_row *to);

/* bench_report.c, bench_json.c, bench_plot.c */
void bench_print(const struct bench_opts *opts, const struct bench_results *res);
bool bench_bars(const struct bench_results *res);
int bench_json(const struct bench_opts *opts, const struct bench_results *res);
int bench_plot(const struct bench_opts *opts, const struct bench_results *res);

#endif
