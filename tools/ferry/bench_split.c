// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * ferry bench --split: whose the instructions of an operation are. The kernel's tracepoints
 * say when a process enters and leaves the kernel, which one runs, and, of ferry, when a
 * request is handed over and taken; by the time stamp counter, which counts instructions
 * where --icount is right. On one CPU all that happens between two events is of one kind.
 *
 * What an event itself takes is known from the same loop without them, and taken off.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench.h"

#define OPS		200
#define BUFFER_KB	"8192"

enum part { CLIENT, SWITCH, SERVER_KERNEL, SERVER_USER, OTHER, NR_PARTS };

/**
 * struct state - of the machine between two events
 * @in_call: the client has handed a request over, and has not got it back
 * @serving: the server has taken one, and not answered it
 * @user: the server is in user mode
 */
struct state {
	pid_t client;
	pid_t server[BENCH_THREADS_MAX];
	unsigned int nr_server;
	bool ferry;
	pid_t now;
	bool in_call;
	bool serving;
	bool user;
};

static bool set(const char *dir, const char *name, const char *value)
{
	char path[BENCH_PATH_MAX];
	bool good;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	if (fd < 0)
		return false;
	good = write(fd, value, strlen(value)) == (ssize_t)strlen(value);
	close(fd);
	return good;
}

/*
 * A buffer of our own, with its own clock and events: with it all that we have set is gone, and
 * what others trace meanwhile is theirs. In our own mount namespace tracefs may be mounted once more.
 */
static void tracing_dir(const struct bench_opts *opts, char *dir, size_t size)
{
	/* Of a child, which has it from us. */
	static pid_t pid;

	if (!pid)
		pid = getpid();
	snprintf(dir, size, "%s/tracing/instances/ferry-bench-%d", opts->base, pid);
}

static const char *prepare(const struct bench_opts *opts)
{
	static const char *const events[] = {
		"events/raw_syscalls/enable", "events/sched/sched_switch/enable",
	};
	char dir[96];

	snprintf(dir, sizeof(dir), "%s/tracing", opts->base);
	mkdir(dir, 0755);
	if (mount("tracefs", dir, "tracefs", 0, NULL))
		return "this kernel has no tracefs";
	tracing_dir(opts, dir, sizeof(dir));
	if (mkdir(dir, 0755) || !set(dir, "tracing_on", "0"))
		return "tracing gives us no buffer of our own";
	if (!set(dir, "trace_clock", "x86-tsc"))
		return "this kernel's tracing has no clock that counts instructions";
	if (!set(dir, "buffer_size_kb", BUFFER_KB))
		return "tracing's buffer cannot be set";
	for (unsigned int i = 0; i < sizeof(events) / sizeof(events[0]); i++)
		if (!set(dir, events[i], "1"))
			return "this kernel does not trace system calls or switches";
	return set(dir, "events/ferry/enable", "1") ? NULL :
	       "ferry's tracepoints are not there: make load";
}

/* Also where prepare() went wrong half-way. */
static void put_back(const struct bench_opts *opts)
{
	char dir[96];

	tracing_dir(opts, dir, sizeof(dir));
	rmdir(dir);
	snprintf(dir, sizeof(dir), "%s/tracing", opts->base);
	umount2(dir, 0);
}

static bool is_server(const struct state *s, pid_t pid)
{
	for (unsigned int i = 0; i < s->nr_server; i++)
		if (s->server[i] == pid)
			return true;
	return false;
}

/* Of what comes until the next event. Without ferry's events a switch is in both sides. */
static enum part part_of(const struct state *s)
{
	if (s->now == s->client) {
		if (!s->in_call)
			return CLIENT;
		return s->nr_server ? SWITCH : SERVER_KERNEL;
	}
	if (!is_server(s, s->now))
		return OTHER;
	if (s->user)
		return SERVER_USER;
	return s->serving || !s->ferry ? SERVER_KERNEL : SWITCH;
}

static void next_state(struct state *s, pid_t pid, const char *event, const char *rest)
{
	const char *next;
	bool server = is_server(s, pid);

	if (!strcmp(event, "sched_switch")) {
		next = strstr(rest, "next_pid=");
		if (next)
			s->now = atoi(next + 9);
		return;
	}
	s->now = pid;
	if (server && !strncmp(event, "sys_", 4))
		s->user = !strcmp(event, "sys_exit");
	else if (!strcmp(event, "ferry_call"))
		s->in_call = true;
	else if (!strcmp(event, "ferry_end"))
		s->in_call = false;
	else if (!strcmp(event, "ferry_fetch"))
		s->serving = true;
	else if (!strcmp(event, "ferry_answer"))
		s->serving = false;
}

/* "  comm-PID [CPU] flags STAMP: EVENT: rest", and comm may be anything. */
static bool parse_line(char *line, pid_t *pid, double *stamp, char **event, char **rest)
{
	char *cpu = strstr(line, " [0"), *end;

	if (*line == '#' || !cpu)
		return false;
	*cpu = '\0';
	end = cpu;
	while (end > line && end[-1] == ' ')
		*--end = '\0';
	while (end > line && isdigit((unsigned char)end[-1]))
		end--;
	*pid = atoi(end);
	*event = strstr(cpu + 1, ": ");
	if (!*event)
		return false;
	**event = '\0';
	end = strrchr(cpu + 1, ' ');
	*event += 2;
	*rest = strchr(*event, ':');
	if (!end || !*rest)
		return false;
	*(*rest)++ = '\0';
	*stamp = strtod(end, NULL);
	return true;
}

/* Return: events; @parts: what is between them, without what each of them took */
static unsigned int read_trace(const char *dir, struct state *s, double cost, double *parts)
{
	char path[BENCH_PATH_MAX], *line = NULL, *event, *rest;
	double stamp, last = 0, took;
	unsigned int nr = 0;
	size_t size = 0;
	FILE *file;
	pid_t pid;

	snprintf(path, sizeof(path), "%s/trace", dir);
	file = fopen(path, "re");
	while (file && getline(&line, &size, file) > 0) {
		if (!parse_line(line, &pid, &stamp, &event, &rest))
			continue;
		took = stamp - last - cost;
		if (nr++ && took > 0)
			parts[part_of(s)] += took;
		last = stamp;
		next_state(s, pid, event, rest);
	}
	if (file)
		fclose(file);
	free(line);
	return nr;
}

static bool ops(struct bench_loop *l, bench_op op)
{
	for (unsigned int i = 0; i < OPS; i++)
		if (!op(l))
			return false;
	return true;
}

/* In the client's process, in place of a loop's batches. What it finds are its samples. */
bool bench_split_loop(struct bench_run *run, struct bench_loop *l, bench_op op)
{
	struct state s = { .client = getpid(), .ferry = bench_is(run->mount->sys, "ferry") }, again;
	double parts[NR_PARTS] = { 0 }, start, plain, traced, cost;
	char dir[96];
	unsigned int nr;

	tracing_dir(run->opts, dir, sizeof(dir));
	if (run->mount->daemon)
		s.nr_server = bench_threads(run->mount->daemon, s.server, BENCH_THREADS_MAX);
	s.now = s.client;
	again = s;
	if (!ops(l, op))
		return false;
	start = bench_now_us();
	if (!ops(l, op))
		return false;
	plain = (bench_now_us() - start) * 1e3;
	set(dir, "trace", "0");
	set(dir, "tracing_on", "1");
	start = bench_now_us();
	if (!ops(l, op))
		return false;
	traced = (bench_now_us() - start) * 1e3;
	set(dir, "tracing_on", "0");
	nr = read_trace(dir, &s, 0, parts);
	if (nr < 2 * OPS) {
		errno = ENODATA;
		return false;
	}
	cost = traced > plain ? (traced - plain) / nr : 0;
	memset(parts, 0, sizeof(parts));
	read_trace(dir, &again, cost, parts);
	run->shared->nr = 0;
	run->shared->v[run->shared->nr++] = plain / OPS;
	for (unsigned int i = 0; i < NR_PARTS; i++)
		run->shared->v[run->shared->nr++] = parts[i] / OPS;
	run->shared->v[run->shared->nr++] = (double)nr / OPS;
	return true;
}

/* Return: 0, or 1 after a message */
int bench_split(const struct bench_opts *opts)
{
	const char *wrong = prepare(opts);
	int status = 0;

	if (wrong) {
		put_back(opts);
		bench_say("--split: %s", wrong);
		return 1;
	}
	printf("Instructions of an operation. \"Switch\" is handing over, waking and switching,\n"
	       "there and back; FUSE does not tell, its are in client and server. \"Events\" are\n"
	       "those of the trace.\n"
	       "  %-16s%10s%10s%10s%14s%14s%10s%8s\n", "", "all", "client", "switch",
	       "server kernel", "server user", "others", "events");
	for (unsigned int i = 0; i < opts->class->nr_cases && !bench_stop; i++)
		if (opts->cases & (1U << i))
			status |= bench_split_case(opts, &opts->class->cases[i]);
	put_back(opts);
	return status;
}

void bench_split_print(const struct bench_system *sys, const double *v)
{
	printf("  %-16s%10.0f%10.0f", sys->label, v[0], v[1 + CLIENT]);
	if (bench_is(sys, "ferry") && *sys->wait)
		printf("%10.0f", v[1 + SWITCH]);
	else
		printf("%10s", "");
	printf("%14.0f%14.0f%10.0f%8.1f\n", v[1 + SERVER_KERNEL], v[1 + SERVER_USER], v[1 + OTHER],
	       v[1 + NR_PARTS]);
}
