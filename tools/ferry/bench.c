// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* ferry bench: options, and the order of things. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench.h"
#include "ferry.h"

#define RUNS_MAX	1000

static int usage(void)
{
	printf("usage: ferry bench [OPTION]...\n\n"
	       "Runs the same workloads on each placement and wait style of ferry, on FUSE and on\n"
	       "tmpfs, in turns, and prints medians with their spread (p10 to p90).\n\n"
	       "  --class fs         what to measure (there is no other class yet)\n"
	       "  --systems LIST     of");
	for (unsigned int i = 0; i < bench_nr_systems; i++)
		printf("%s %s", i ? "," : "", bench_systems[i].id);
	printf("\n  --cases LIST       of");
	for (unsigned int i = 0; i < bench_nr_cases; i++)
		printf("%s%s %s", i ? "," : "", i == 6 ? "\n                    " : "",
		       bench_cases[i].name);
	printf("\n  --runs N           repetitions (default 5; with --quick or --icount 3)\n"
	       "  --quick            less of everything\n"
	       "  --icount           this is a machine whose clock counts instructions\n"
	       "                     (tools/vm/run --icount): small operations, in instructions\n"
	       "  --check            with --icount: fail unless ferry keeps below its bars\n"
	       "  --json FILE        the results for programs\n"
	       "  --plot FILE.svg    bars, time in proportion to FUSE's\n"
	       "  --help             this text\n");
	return 0;
}

static const char *system_name(unsigned int i)
{
	return bench_systems[i].id;
}

static const char *case_name(unsigned int i)
{
	return bench_cases[i].name;
}

/* "a,b" into a mask of indices. Return: false after a message */
static bool parse_list(const char *list, const char *(*name)(unsigned int), unsigned int nr,
		       const char *option, unsigned int *mask)
{
	char copy[512], *at = copy, *word;

	snprintf(copy, sizeof(copy), "%s", list);
	*mask = 0;
	while ((word = strsep(&at, ","))) {
		unsigned int i = 0;

		while (i < nr && strcmp(word, name(i)))
			i++;
		if (i == nr) {
			bad_usage("bench", "%s does not know '%s'", option, word);
			return false;
		}
		*mask |= 1U << i;
	}
	return true;
}

static bool parse_runs(const char *text, unsigned int *runs)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (*text < '0' || *text > '9' || *end || !n || n > RUNS_MAX) {
		bad_usage("bench", "--runs wants a number from 1 to %d, not '%s'", RUNS_MAX, text);
		return false;
	}
	*runs = n;
	return true;
}

enum { OPT_CLASS = 1, OPT_SYSTEMS, OPT_CASES, OPT_RUNS, OPT_QUICK, OPT_ICOUNT, OPT_CHECK,
       OPT_JSON, OPT_PLOT, OPT_HELP };

static const struct option long_options[] = {
	{ "class", required_argument, NULL, OPT_CLASS },
	{ "systems", required_argument, NULL, OPT_SYSTEMS },
	{ "cases", required_argument, NULL, OPT_CASES },
	{ "runs", required_argument, NULL, OPT_RUNS },
	{ "quick", no_argument, NULL, OPT_QUICK },
	{ "icount", no_argument, NULL, OPT_ICOUNT },
	{ "check", no_argument, NULL, OPT_CHECK },
	{ "json", required_argument, NULL, OPT_JSON },
	{ "plot", required_argument, NULL, OPT_PLOT },
	{ "help", no_argument, NULL, OPT_HELP },
	{ NULL, 0, NULL, 0 },
};

/* Return: -1: go on, otherwise the exit status */
static int parse_option(struct bench_opts *opts, int opt)
{
	switch (opt) {
	case OPT_CLASS:
		if (!strcmp(optarg, "fs"))
			return -1;
		return bad_usage("bench", "--class does not know '%s': fs", optarg);
	case OPT_SYSTEMS:
		return parse_list(optarg, system_name, bench_nr_systems, "--systems",
				  &opts->systems) ? -1 : EXIT_USAGE;
	case OPT_CASES:
		return parse_list(optarg, case_name, bench_nr_cases, "--cases", &opts->cases) ?
			-1 : EXIT_USAGE;
	case OPT_RUNS:
		return parse_runs(optarg, &opts->runs) ? -1 : EXIT_USAGE;
	case OPT_QUICK:
		opts->quick = true;
		return -1;
	case OPT_ICOUNT:
		opts->icount = true;
		return -1;
	case OPT_CHECK:
		opts->check = true;
		return -1;
	case OPT_JSON:
		opts->json = optarg;
		return -1;
	case OPT_PLOT:
		opts->plot = optarg;
		return -1;
	case OPT_HELP:
		exit(usage());
	default:
		return EXIT_USAGE;
	}
}

static int parse(struct bench_opts *opts, int argc, char **argv)
{
	unsigned int small = 0;
	int opt, status;
	size_t len = 0;

	for (int i = 0; i < argc && len < sizeof(opts->command); i++)
		len += snprintf(opts->command + len, sizeof(opts->command) - len, "%s%s",
				i ? " " : "", argv[i]);
	optind = 0;
	while ((opt = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		status = parse_option(opts, opt);
		if (status >= 0)
			return status;
	}
	if (optind < argc)
		return bad_usage("bench", "what is '%s'?", argv[optind]);
	if (opts->check && !opts->icount)
		return bad_usage("bench", "--check wants --icount: the bars are in instructions");
	if (!opts->systems)
		opts->systems = (1U << bench_nr_systems) - 1;
	if (opts->icount) {
		for (unsigned int i = 0; i < bench_nr_cases; i++)
			if (bench_cases[i].flags & BENCH_SMALL)
				small |= 1U << i;
		if (!opts->cases)
			opts->cases = small;
		if (opts->cases & ~small)
			return bad_usage("bench", "--icount has the small operations only, "
					 "not those that move data or trees");
	}
	if (!opts->cases)
		opts->cases = (1U << bench_nr_cases) - 1;
	if (!opts->runs)
		opts->runs = opts->quick || opts->icount ? 3 : 5;
	return -1;
}

/* The last CPU that we may use: the first ones have the interrupts. */
static int choose_cpu(void)
{
	cpu_set_t set;
	int cpu = 0;

	if (sched_getaffinity(0, sizeof(set), &set))
		return 0;
	for (int i = 0; i < CPU_SETSIZE; i++)
		if (CPU_ISSET(i, &set))
			cpu = i;
	return cpu;
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

	for (unsigned int i = 0; i < bench_nr_cases; i++)
		fio |= (opts->cases & (1U << i)) && bench_cases[i].fio && !opts->icount;
	if (geteuid()) {
		bench_say("it mounts filesystems: run it as root");
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

static void stop(int signal)
{
	bench_stop = signal;
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

static int report(const struct bench_opts *opts, struct bench_results *res)
{
	int status = 0;

	bench_summarize(res);
	bench_print(opts, res);
	if (opts->icount && !bench_bars(res) && opts->check)
		status = 1;
	fflush(stdout);
	if (opts->json)
		status |= bench_json(opts, res);
	if (opts->plot)
		status |= bench_plot(opts, res);
	return status;
}

static int run(const struct bench_opts *opts, struct bench_results *res)
{
	int status = 0;

	for (unsigned int i = 0; i < bench_nr_cases && !bench_stop; i++)
		if (opts->cases & (1U << i))
			status |= bench_case_run(opts, &bench_cases[i], res);
	if (bench_stop)
		return 1;
	bench_progress_end();
	return status | report(opts, res);
}

int cmd_bench(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = stop };
	struct bench_results *res;
	struct bench_opts opts = { 0 };
	int status = parse(&opts, argc, argv);

	if (status >= 0)
		return status;
	opts.cpu = choose_cpu();
	bench_patient = opts.icount;
	if (!check(&opts))
		return 1;
	res = calloc(1, sizeof(*res));
	if (!res || base_make(&opts)) {
		free(res);
		return 1;
	}
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
	prctl(PR_SET_CHILD_SUBREAPER, 1);

	status = bench_systems_check(&opts) ? 1 : run(&opts, res);
	bench_progress_end();
	base_remove(&opts);
	bench_free(res);
	free(res);
	return bench_stop ? 128 + bench_stop : status;
}
