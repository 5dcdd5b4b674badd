// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* ferry bench: the command line. */
#include <fnmatch.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "ferry.h"

#define RUNS_MAX	1000
#define SECONDS_MAX	600
#define COLUMNS		76

static const struct bench_class *const classes[] = { &bench_fs, &bench_block };

typedef const char *(*name_of)(const struct bench_class *class, unsigned int i);

static const char *system_name(const struct bench_class *class, unsigned int i)
{
	return class->systems[i].id;
}

static const char *case_name(const struct bench_class *class, unsigned int i)
{
	return class->cases[i].name;
}

static void print_names(const char *what, const struct bench_class *class, name_of name,
			unsigned int nr)
{
	int column = printf("\n  %s, %s:", class->name, what);

	for (unsigned int i = 0; i < nr; i++) {
		if (column + (int)strlen(name(class, i)) + 2 > COLUMNS)
			column = printf("\n   ") - 1;
		column += printf(" %s%s", name(class, i), i + 1 < nr ? "," : "");
	}
	putchar('\n');
}

static int usage(void)
{
	printf("usage: ferry bench [OPTION]...\n\n"
	       "Runs the same workloads on each placement and wait style of ferry and on what one\n"
	       "would use otherwise, in turns, and prints medians with their spread (p10 to p90),\n"
	       "percentiles of single operations and what they cost the CPUs.\n\n"
	       "  --class CLASS      fs (default: filesystems, next to FUSE and tmpfs) or block\n"
	       "                     (disks, next to null_blk, brd, loop, nbd and ublk)\n"
	       "  --systems LIST     these only, see below; patterns as 'ferry-*' too\n"
	       "  --cases LIST       these only, see below; patterns as 'null-*' too\n"
	       "  --runs N           repetitions (default 5; with --quick or --icount 3)\n"
	       "  --seconds S        what a run on a disk takes (default 0.5; with --quick 0.2)\n"
	       "  --quick            less of everything\n"
	       "  --icount           this is a machine whose clock counts instructions\n"
	       "                     (tools/vm/run --icount): few cases, in instructions\n"
	       "  --check            fail unless ferry keeps to its bars\n"
	       "  --regress FILE     fail where ferry got worse than in FILE, made by --json\n"
	       "  --tolerance P      by more than so many percent (default 3 with --icount, else 25)\n"
	       "  --histogram        show how long single operations took, by powers of two\n"
	       "  --scale            instead: operations a second of 1 to 2N clients on N CPUs,\n"
	       "                     with 1 to N queues\n"
	       "  --split            instead, with --icount: what of an operation is the client's\n"
	       "                     side, the switch, and the server's side\n"
	       "  --json FILE        the results for programs\n"
	       "  --plot FILE.svg    bars, time in proportion to FUSE's\n"
	       "  -h, --help         this text\n");
	for (unsigned int i = 0; i < sizeof(classes) / sizeof(classes[0]); i++) {
		print_names("systems", classes[i], system_name, classes[i]->nr_systems);
		print_names("cases", classes[i], case_name, classes[i]->nr_cases);
	}
	return 0;
}

/* "a,b*" into a mask of indices; no list is none. Return: false after a message */
static bool parse_list(const struct bench_class *class, const char *list, name_of name,
		       unsigned int nr, const char *option, unsigned int *mask)
{
	char copy[512], *at = copy, *word;

	*mask = 0;
	if (!list)
		return true;
	if ((size_t)snprintf(copy, sizeof(copy), "%s", list) >= sizeof(copy)) {
		bad_usage("bench", "%s: that is too long", option);
		return false;
	}
	while ((word = strsep(&at, ","))) {
		unsigned int found = 0;

		for (unsigned int i = 0; i < nr; i++)
			if (!fnmatch(word, name(class, i), 0))
				found |= 1U << i;
		if (!found) {
			bad_usage("bench", "%s does not know '%s'", option, word);
			return false;
		}
		*mask |= found;
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

/* A number with a fraction. */
static bool parse_number(const char *text, const char *option, double min, double max, double *v)
{
	char *end;

	*v = strtod(text, &end);
	if (*text >= '0' && *text <= '9' && !*end && *v >= min && *v <= max)
		return true;
	bad_usage("bench", "%s wants a number from %g to %g, not '%s'", option, min, max, text);
	return false;
}

static bool parse_class(const char *text, const struct bench_class **class)
{
	for (unsigned int i = 0; i < sizeof(classes) / sizeof(classes[0]); i++) {
		if (strcmp(text, classes[i]->name))
			continue;
		*class = classes[i];
		return true;
	}
	bad_usage("bench", "--class does not know '%s': fs or block", text);
	return false;
}

enum { OPT_CLASS = 1, OPT_SYSTEMS, OPT_CASES, OPT_RUNS, OPT_SECONDS, OPT_QUICK, OPT_ICOUNT,
       OPT_CHECK, OPT_REGRESS, OPT_TOLERANCE, OPT_HISTOGRAM, OPT_SCALE, OPT_SPLIT, OPT_JSON,
       OPT_PLOT };

static const struct option long_options[] = {
	{ "class", required_argument, NULL, OPT_CLASS },
	{ "systems", required_argument, NULL, OPT_SYSTEMS },
	{ "cases", required_argument, NULL, OPT_CASES },
	{ "runs", required_argument, NULL, OPT_RUNS },
	{ "seconds", required_argument, NULL, OPT_SECONDS },
	{ "quick", no_argument, NULL, OPT_QUICK },
	{ "icount", no_argument, NULL, OPT_ICOUNT },
	{ "check", no_argument, NULL, OPT_CHECK },
	{ "regress", required_argument, NULL, OPT_REGRESS },
	{ "tolerance", required_argument, NULL, OPT_TOLERANCE },
	{ "histogram", no_argument, NULL, OPT_HISTOGRAM },
	{ "scale", no_argument, NULL, OPT_SCALE },
	{ "split", no_argument, NULL, OPT_SPLIT },
	{ "json", required_argument, NULL, OPT_JSON },
	{ "plot", required_argument, NULL, OPT_PLOT },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

/* The lists are for later: what they may name depends on the class. */
struct lists {
	const char *systems;
	const char *cases;
};

/* Return: -1: go on, otherwise the exit status */
static int parse_option(struct bench_opts *opts, struct lists *lists, int opt)
{
	bool good = true;

	switch (opt) {
	case OPT_CLASS:
		good = parse_class(optarg, &opts->class);
		break;
	case OPT_SYSTEMS:
		lists->systems = optarg;
		break;
	case OPT_CASES:
		lists->cases = optarg;
		break;
	case OPT_RUNS:
		good = parse_runs(optarg, &opts->runs);
		break;
	case OPT_SECONDS:
		good = parse_number(optarg, "--seconds", 0.05, SECONDS_MAX, &opts->seconds);
		break;
	case OPT_QUICK:
		opts->quick = true;
		break;
	case OPT_ICOUNT:
		opts->icount = true;
		break;
	case OPT_CHECK:
		opts->check = true;
		break;
	case OPT_REGRESS:
		opts->regress = optarg;
		break;
	case OPT_TOLERANCE:
		good = parse_number(optarg, "--tolerance", 0.1, 1000, &opts->tolerance);
		break;
	case OPT_HISTOGRAM:
		opts->histogram = true;
		break;
	case OPT_SCALE:
		opts->scale = true;
		break;
	case OPT_SPLIT:
		opts->split = true;
		break;
	case OPT_JSON:
		opts->json = optarg;
		break;
	case OPT_PLOT:
		opts->plot = optarg;
		break;
	case 'h':
		return usage();
	default:
		good = false;
	}
	return good ? -1 : EXIT_USAGE;
}

/* What does not go together. Return: NULL, or a line that says so */
static const char *contradiction(const struct bench_opts *opts)
{
	bool other = opts->scale || opts->split;

	if (opts->scale && opts->split)
		return "--scale or --split, one of them";
	if (other && (opts->check || opts->regress || opts->plot || opts->histogram))
		return "--scale and --split have no bars, no plot and no histogram";
	if (other && opts->class != &bench_fs)
		return "--scale and --split are of the class fs";
	if (opts->scale && opts->icount)
		return "--scale wants several CPUs, and --icount has one";
	if (opts->split && !opts->icount)
		return "--split wants --icount: by the clock the trace itself would be most of it";
	if (opts->split && opts->json)
		return "--split has no JSON";
	if (opts->icount && opts->class != &bench_fs)
		return "--icount has the class fs only: fio waits for time to pass";
	if (opts->tolerance && !opts->regress)
		return "--tolerance says how far --regress may be off";
	return NULL;
}

static unsigned int cases_with(const struct bench_class *class, unsigned int flag)
{
	unsigned int mask = 0;

	for (unsigned int i = 0; i < class->nr_cases; i++)
		if (class->cases[i].flags & flag)
			mask |= 1U << i;
	return mask;
}

/* Which cases can be had in this way of measuring. Return: -1, or the exit status */
static int choose_cases(struct bench_opts *opts)
{
	unsigned int can = (unsigned int)((1ULL << opts->class->nr_cases) - 1);

	if (opts->icount && !opts->split)
		can = cases_with(opts->class, BENCH_COUNTED);
	if (opts->scale || opts->split)
		can = cases_with(opts->class, BENCH_LOOP);
	if (opts->cases & ~can)
		return bad_usage("bench", opts->icount && !opts->split ?
				 "--icount has the small operations, seq-read and mirror-* only" :
				 "--scale and --split have the loops of small operations on a mount "
				 "only");
	if (!opts->cases)
		opts->cases = can;
	return -1;
}

int bench_parse(struct bench_opts *opts, int argc, char **argv)
{
	struct lists lists = { NULL, NULL };
	const char *wrong;
	int opt, status;
	size_t len = 0;

	for (int i = 0; i < argc && len < sizeof(opts->command); i++)
		len += snprintf(opts->command + len, sizeof(opts->command) - len, "%s%s",
				i ? " " : "", argv[i]);
	opts->class = &bench_fs;
	optind = 0;
	while ((opt = getopt_long(argc, argv, "h", long_options, NULL)) != -1) {
		status = parse_option(opts, &lists, opt);
		if (status >= 0)
			return status;
	}
	if (optind < argc)
		return bad_usage("bench", "what is '%s'?", argv[optind]);
	wrong = contradiction(opts);
	if (wrong)
		return bad_usage("bench", "%s", wrong);
	if (!parse_list(opts->class, lists.systems, system_name, opts->class->nr_systems,
			"--systems", &opts->systems) ||
	    !parse_list(opts->class, lists.cases, case_name, opts->class->nr_cases, "--cases",
			&opts->cases))
		return EXIT_USAGE;
	if (!opts->systems)
		opts->systems = (1U << opts->class->nr_systems) - 1;
	if (!opts->runs)
		opts->runs = opts->quick || opts->icount ? 3 : 5;
	if (opts->seconds == 0)
		opts->seconds = opts->quick ? 0.2 : 0.5;
	if (opts->tolerance == 0)
		opts->tolerance = opts->icount ? 3 : 25;
	return choose_cases(opts);
}
