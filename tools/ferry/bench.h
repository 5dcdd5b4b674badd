/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * ferry bench: the same workloads on every placement and wait style, and on
 * what one would use otherwise beside them. Private to the bench*.c files.
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
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#define BENCH_SYSTEMS_MAX	16
#define BENCH_CASES_MAX		32
#define BENCH_PATH_MAX		256

struct bench_class;
struct bench_case;
struct json_object;

/**
 * struct bench_opts - the command line
 * @systems: bit mask, by index in class->systems
 * @cases: bit mask, by index in class->cases
 * @runs: repetitions, not counting the warm-up
 * @regress, @tolerance: the file that results are compared with, and percent
 * @seconds: what one run of a case takes that runs for a time
 * @cpu: where client and server of the BENCH_PINNED cases are
 * @other_cpu: where a server is that must not share its client's; @cpu if there is only one
 * @queues: of ferry's daemons, 0 is their own choice
 * @base: our directory on tmpfs; everything is below it
 */
struct bench_opts {
	const struct bench_class *class;
	const char *json;
	const char *plot;
	const char *regress;
	double tolerance;
	unsigned int systems;
	unsigned int cases;
	unsigned int runs;
	bool icount;
	bool quick;
	bool check;
	bool histogram;
	bool scale;
	bool split;
	double seconds;
	int cpu;
	int other_cpu;
	unsigned int queues;
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
 * @system, @placement, @wait, @data: its name in JSON
 */
struct bench_system {
	const char *id;
	const char *label;
	const char *system;
	const char *placement;
	const char *wait;
	const char *data;
};

/* Those that both classes have; and data through the slot, as a disk's 4 KiB go anyhow. */
#define BENCH_FERRY_DAEMONS							\
	{ "ferry-sync", "ferry user sync", "ferry", "user", "sync", "" },	\
	{ "ferry-poll", "ferry user poll", "ferry", "user", "poll", "" },	\
	{ "ferry-uring", "ferry user uring", "ferry", "user", "uring", "" },	\
	{ "ferry-rw", "ferry user rw", "ferry", "user", "rw", "" },		\
	{ "ferry-copy", "ferry sync, copy", "ferry", "user", "sync", "copy" }
#define BENCH_FERRY_SLOT	{ "ferry-slot", "ferry sync, slot", "ferry", "user", "sync", "slot" }

/**
 * struct bench_mount - a system that serves a case, or a case without any
 * @sys: NULL: there is no mount, @dir is a plain directory
 * @daemon: its server process, or 0
 * @mounted: there is something to be taken away
 * @pinned: @daemon is where we wanted it to be
 * @dir: the mount, or the directory of what belongs to a disk
 * @file: what fio reads and writes: a file of the mount, or the disk
 */
struct bench_mount {
	const struct bench_system *sys;
	pid_t daemon;
	bool mounted;
	bool pinned;
	char dir[BENCH_PATH_MAX];
	char file[BENCH_PATH_MAX + 8];
};

/**
 * struct bench_class - a class of clients: what of it is measured, and next to what
 * @begin: before everything; may be NULL. 0, or 1 after a message
 * @keep: a mount serves all cases that follow each other on the same backend
 * @peer: id of the system that others are compared with first, @peer_label its name
 * @missing: in the parent, once. NULL, or one line that says why @sys cannot be had here;
 *	with *@fatal, nothing is measured at all without it
 * @fits: false, and @why (NULL before), where @sys has nothing to do with @cs
 * @mount: 0, or not after a message; @umount is wanted in either case
 * @end: at the end; may be NULL
 */
struct bench_class {
	const char *name;
	int (*begin)(const struct bench_opts *opts);
	bool keep;
	const char *peer;
	const char *peer_label;
	const struct bench_system *systems;
	unsigned int nr_systems;
	const struct bench_case *cases;
	unsigned int nr_cases;
	const char *(*missing)(const struct bench_opts *opts, const struct bench_system *sys,
			       bool *fatal);
	bool (*fits)(const struct bench_system *sys, const struct bench_case *cs,
		     const char **why);
	int (*mount)(const struct bench_opts *opts, struct bench_mount *mount,
		     const struct bench_case *cs);
	void (*umount)(const struct bench_opts *opts, struct bench_mount *mount);
	void (*end)(const struct bench_opts *opts);
};

extern const struct bench_class bench_fs, bench_block;
extern const char *bench_fs_dirty_limit;

#define BENCH_HIST_BITS		4
#define BENCH_HIST_SUB		(1U << BENCH_HIST_BITS)
#define BENCH_HIST_BUCKETS	(48 * BENCH_HIST_SUB)

/**
 * struct bench_hist - how long single operations took
 * @n: by nanoseconds: BENCH_HIST_SUB buckets for each power of two
 */
struct bench_hist {
	uint64_t total;
	uint64_t n[BENCH_HIST_BUCKETS];
};

#define BENCH_SHARED_MAX	16384

/**
 * struct bench_shared - memory that a child reports in
 * @nr: samples in @v; more than BENCH_SHARED_MAX are dropped
 * @ops, @us: operations of a loop, all of them, and what they took together
 * @hist: of single operations, where the workload has timed them
 * @error: one line that says what failed
 */
struct bench_shared {
	char error[200];
	size_t nr;
	double v[BENCH_SHARED_MAX];
	double ops, us;
	struct bench_hist hist;
};

/** struct bench_run - what a workload is given, in a child process */
struct bench_run {
	const struct bench_opts *opts;
	const struct bench_mount *mount;
	struct bench_shared *shared;
};

#define BENCH_COUNTED	(1U << 0)	/* runs with --icount */
#define BENCH_HEAVY	(1U << 1)	/* takes seconds: about half of the repetitions */
#define BENCH_RATE	(1U << 2)	/* more is better */
#define BENCH_DIRECT	(1U << 3)	/* O_DIRECT, which tmpfs does not know */
#define BENCH_HOST	(1U << 4)	/* about the machine: no filesystem */
#define BENCH_PINNED	(1U << 5)	/* client and server on one CPU: they take turns anyway */
#define BENCH_LOOP	(1U << 6)	/* a loop on a mount, which --scale and --split can do */
#define BENCH_TIMED	(1U << 7)	/* fio runs for opts->seconds, not for a number of bytes */
#define BENCH_SERVER	(1U << 8)	/* about a server's process */
#define BENCH_FSYNC	(1U << 9)	/* fio ends with an fsync, whose time counts */

/**
 * struct bench_case - a workload
 * @unit: of its samples: "us", "MB/s" or "IOPS"
 * @bytes: of one operation that fio does
 * @backend: ferry's name of it
 * @writeback: the kernel may cache writes
 * @options: mount options, the same for ferry and FUSE
 * @fio: lines of a fio job; NULL, and with --icount in any case: @measure does it
 * @ready: in the parent, before anything is mounted; may be NULL. 0, or, after
 *	a line that says why the case is left out, 1; -1 if that is a failure
 * @prepare: in a child, once per mount; may be NULL
 * @measure: in a child, once per repetition
 * Return of both: 0, or 1 after bench_fail()
 */
struct bench_case {
	const char *name;
	const char *what;
	const char *unit;
	unsigned int bytes;
	const char *backend;
	bool writeback;
	const char *options;
	const char *fio;
	unsigned int flags;
	int (*ready)(const struct bench_opts *opts);
	int (*prepare)(struct bench_run *run);
	int (*measure)(struct bench_run *run);
};

#define BENCH_NR_FS_CASES	26U

extern const struct bench_case bench_fs_cases[BENCH_NR_FS_CASES];

/**
 * struct bench_row - a result
 * @sys: NULL: the machine itself
 * @rate: more is better
 * @cpu: microseconds of all CPUs for one operation; none where fio did not count them
 * @cpu_us: its median
 */
struct bench_row {
	const struct bench_case *cs;
	const struct bench_system *sys;
	struct bench_samples samples;
	struct bench_samples cpu;
	struct bench_hist hist;
	double median, p10, p90;
	double cpu_us;
	bool rate;
};

/** struct bench_results - all of them; @icount: in instructions */
struct bench_results {
	bool icount;
	struct bench_row rows[BENCH_CASES_MAX * BENCH_SYSTEMS_MAX];
	unsigned int nr;
};

/* bench_options.c. Return: -1: go on, otherwise the exit status */
int bench_parse(struct bench_opts *opts, int argc, char **argv);

/* bench.c: those that end it, after all has been taken away */
#define BENCH_NR_SIGNALS	5
extern const int bench_signals[BENCH_NR_SIGNALS];

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
 * Return: as bench_child(), after a message if it is neither 0 nor -EINTR
 */
int bench_exec(const struct bench_opts *opts, const char *const *argv, const char *out,
	       unsigned int timeout);
/** bench_try() - the same, of what may well fail: without a message */
int bench_try(const struct bench_opts *opts, const char *const *argv, const char *out,
	      unsigned int timeout);
void bench_first_line(const char *path, char *line, int size);
bool bench_have_program(const char *name);
unsigned int bench_children(pid_t *pids, unsigned int max);
int bench_wait(pid_t pid, unsigned int timeout);
#define BENCH_THREADS_MAX	128
unsigned int bench_threads(pid_t pid, pid_t *tids, unsigned int max);
void bench_pin(pid_t pid, int cpu);
double bench_now_us(void);
void bench_say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void bench_progress_end(void);
void bench_progress(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* bench_systems.c */
int bench_systems_check(struct bench_opts *opts);
int bench_mount(const struct bench_opts *opts, struct bench_mount *mount,
		const struct bench_case *cs);
void bench_umount(const struct bench_opts *opts, struct bench_mount *mount);
void bench_place(const struct bench_opts *opts, struct bench_mount *mount,
		 const struct bench_case *cs);
bool bench_is(const struct bench_system *sys, const char *system);
const char *bench_data_option(const struct bench_system *sys);
int bench_beside(const char *name, char *path, size_t size);

/* bench_hist.c */
void bench_hist_add(struct bench_hist *hist, double ns, uint64_t nr);
void bench_hist_merge(struct bench_hist *to, const struct bench_hist *from);
double bench_hist_quantile(const struct bench_hist *hist, double q);
bool bench_hist_tells(const struct bench_hist *hist, double q);
uint64_t bench_hist_power(const struct bench_hist *hist, unsigned int power);

/* bench_run.c: repetitions of all cases */
int bench_cases_run(const struct bench_opts *opts, struct bench_results *res);
int bench_split_case(const struct bench_opts *opts, const struct bench_case *cs);
void bench_split_print(const struct bench_system *sys, const double *v);
unsigned int bench_case_runs(const struct bench_opts *opts, const struct bench_case *cs);
void bench_sample(struct bench_run *run, double v);
int bench_fail(struct bench_run *run, const char *what);

/* bench_fio.c */
int bench_fio(const struct bench_opts *opts, const struct bench_case *cs,
	      const struct bench_mount *mounts, unsigned int nr_mounts,
	      struct bench_results *res);

/* bench_scale.c: 0, or 1 after a message */
int bench_scale(const struct bench_opts *opts);

/* bench_split.c: 0, or 1 after a message */
int bench_split(const struct bench_opts *opts);

/* bench_small.c, bench_data.c, bench_tree.c: the workloads. A sample is a batch of operations. */
#define BENCH_WALL_BATCH	20

struct bench_loop;
typedef bool (*bench_op)(struct bench_loop *l);

bool bench_split_loop(struct bench_run *run, struct bench_loop *l, bench_op op);
int bench_measure_pipe(struct bench_run *run);
int bench_measure_stat(struct bench_run *run);
int bench_measure_fstat(struct bench_run *run);
int bench_measure_create(struct bench_run *run);
int bench_measure_create_write(struct bench_run *run);
int bench_prepare_cached(struct bench_run *run);
int bench_measure_cached_read(struct bench_run *run);
int bench_measure_idle(struct bench_run *run);
int bench_measure_read(struct bench_run *run);
int bench_measure_write(struct bench_run *run);
int bench_prepare_readdir(struct bench_run *run);
int bench_measure_readdir(struct bench_run *run);
int bench_prepare_data(struct bench_run *run);
int bench_measure_cold_read(struct bench_run *run);
int bench_measure_read_4k(struct bench_run *run);
int bench_measure_write_4k(struct bench_run *run);
int bench_measure_read_1m(struct bench_run *run);
int bench_measure_write_1m(struct bench_run *run);
int bench_measure_mmap_read_4k(struct bench_run *run);
int bench_measure_mmap_write_4k(struct bench_run *run);
int bench_measure_mmap_read_1m(struct bench_run *run);
int bench_measure_mmap_write_1m(struct bench_run *run);
int bench_ready_untar(const struct bench_opts *opts);
int bench_measure_untar(struct bench_run *run);
int bench_ready_compile(const struct bench_opts *opts);
int bench_prepare_compile(struct bench_run *run);
int bench_measure_compile(struct bench_run *run);

/* bench_results.c */
int bench_add(struct bench_results *res, const struct bench_case *cs,
	      const struct bench_system *sys, double v);
int bench_add_cpu(struct bench_results *res, const struct bench_case *cs,
		  const struct bench_system *sys, double us);
struct bench_hist *bench_hist_of(struct bench_results *res, const struct bench_case *cs,
				 const struct bench_system *sys);
void bench_forget(struct bench_results *res, const struct bench_case *cs,
		  const struct bench_system *sys);
void bench_sort(struct bench_samples *s);
double bench_quantile(const struct bench_samples *s, double q);
void bench_summarize(struct bench_results *res);
void bench_free(struct bench_results *res);
const struct bench_row *bench_find(const struct bench_results *res, const char *name,
				   const char *id);
double bench_ratio(const struct bench_row *row, const struct bench_row *to);

/* bench_report.c, bench_bars.c, bench_json.c, bench_regress.c, bench_plot.c */
void bench_print(const struct bench_opts *opts, const struct bench_results *res);
bool bench_bars(const struct bench_opts *opts, const struct bench_results *res);
struct json_object *bench_json_root(const struct bench_opts *opts);
int bench_json_write(const struct bench_opts *opts, struct json_object *root);
int bench_json(const struct bench_opts *opts, const struct bench_results *res);
struct json_object *bench_regress_open(const struct bench_opts *opts);
int bench_regress(const struct bench_opts *opts, const struct bench_results *res,
		  struct json_object *root);
int bench_plot(const struct bench_opts *opts, const struct bench_results *res);

#endif
