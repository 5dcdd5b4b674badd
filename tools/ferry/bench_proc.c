// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* ferry bench: child processes, pinning, and what is said on the way. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"

volatile sig_atomic_t bench_stop;
bool bench_patient;

static bool progress_shown;

void bench_progress_end(void)
{
	if (progress_shown)
		fputs("\r\033[K", stderr);
	progress_shown = false;
}

void bench_say(const char *fmt, ...)
{
	va_list ap;

	bench_progress_end();
	fputs("ferry bench: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

void bench_progress(const char *fmt, ...)
{
	va_list ap;

	if (!isatty(STDERR_FILENO))
		return;
	bench_progress_end();
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fflush(stderr);
	progress_shown = true;
}

double bench_now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1e6 + ts.tv_nsec / 1e3;
}

int bench_wait(pid_t pid, unsigned int timeout)
{
	struct pollfd pfd = { .events = POLLIN, .fd = pidfd_open(pid, 0) };
	double end = bench_now_us() + timeout * 1e6;
	int err = 0, ready = 0;

	if (pfd.fd < 0)
		return -errno;
	/* In slices: a signal between the look at bench_stop and poll() must not get lost. */
	while (!ready && !err) {
		ready = poll(&pfd, 1, 500) > 0;
		if (ready)
			break;
		if (bench_stop)
			err = -EINTR;
		else if (!bench_patient && bench_now_us() > end)
			err = -ETIMEDOUT;
	}
	close(pfd.fd);
	return err;
}

static void child_start(int (*fn)(void *), void *arg)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setpgid(0, 0);
	for (unsigned int i = 0; i < BENCH_NR_SIGNALS; i++)
		signal(bench_signals[i], SIG_DFL);
	_exit(fn(arg));
}

int bench_child(int (*fn)(void *), void *arg, unsigned int timeout)
{
	int err, status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid < 0)
		return -errno;
	if (!pid)
		child_start(fn, arg);
	setpgid(pid, pid);
	err = bench_wait(pid, timeout);
	if (err)
		kill(-pid, SIGKILL);
	if (waitpid(pid, &status, 0) < 0)
		return -errno;
	if (err)
		return err;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -EIO;
}

struct exec {
	const char *const *argv;
	const char *out;
	const char *errors;
	const char *base;
};

static int redirect(const char *path, int flags, int to)
{
	int fd = open(path, flags | O_CLOEXEC, 0600);

	return fd < 0 ? -1 : dup2(fd, to);
}

static int exec_child(void *arg)
{
	const struct exec *e = arg;

	if (redirect("/dev/null", O_RDONLY, 0) < 0 ||
	    redirect(e->out, O_WRONLY | O_CREAT | O_TRUNC, 1) < 0 ||
	    redirect(e->errors, O_WRONLY | O_CREAT | O_TRUNC, 2) < 0)
		return 126;
	/* What it leaves where it runs is gone with our folder. */
	if (chdir(e->base))
		return 126;
	execvp(e->argv[0], (char *const *)e->argv);
	dprintf(2, "%s\n", strerror(errno));
	return 127;
}

/* What a program complained about; the rest of it is hardly ever of use. */
void bench_first_line(const char *path, char *line, int size)
{
	FILE *file = fopen(path, "re");

	if (!file || !fgets(line, size, file))
		*line = '\0';
	line[strcspn(line, "\n")] = '\0';
	if (file)
		fclose(file);
}

static int exec_program(const struct bench_opts *opts, const char *const *argv, const char *out,
			unsigned int timeout, bool quiet)
{
	char errors[BENCH_PATH_MAX], line[300];
	struct exec e = { .argv = argv, .out = out ? out : "/dev/null", .errors = errors,
			  .base = opts->base };
	int err;

	snprintf(errors, sizeof(errors), "%s/stderr", opts->base);
	err = bench_child(exec_child, &e, timeout);
	if (!err || err == -EINTR || quiet)
		return err;
	bench_first_line(errors, line, sizeof(line));
	if (err == -ETIMEDOUT)
		bench_say("%s: killed, it took more than %u s", argv[0], timeout);
	else if (*line)
		bench_say("%s failed: %s", argv[0], line);
	else if (err == -EIO)
		bench_say("%s failed: it was killed by a signal", argv[0]);
	else
		bench_say("%s failed, and does not say why: status %d", argv[0], err);
	return err;
}

int bench_exec(const struct bench_opts *opts, const char *const *argv, const char *out,
	       unsigned int timeout)
{
	return exec_program(opts, argv, out, timeout, false);
}

int bench_try(const struct bench_opts *opts, const char *const *argv, const char *out,
	      unsigned int timeout)
{
	return exec_program(opts, argv, out, timeout, true);
}

bool bench_have_program(const char *name)
{
	const char *path = getenv("PATH");
	char *copy, *at, *dir, file[PATH_MAX];
	bool found = false;

	copy = at = strdup(path ? path : "/usr/sbin:/usr/bin:/sbin:/bin");
	while (!found && (dir = strsep(&at, ":"))) {
		snprintf(file, sizeof(file), "%s/%s", dir, name);
		found = !access(file, X_OK);
	}
	free(copy);
	return found;
}

static unsigned int add_children(const char *path, pid_t *pids, unsigned int nr, unsigned int max)
{
	FILE *file = fopen(path, "re");

	if (!file)
		return nr;
	while (nr < max && fscanf(file, "%d", &pids[nr]) == 1)
		nr++;
	fclose(file);
	return nr;
}

/* Our children, with those that became ours because their parents have ended. */
unsigned int bench_children(pid_t *pids, unsigned int max)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/task/%d/children", getpid());
	return add_children(path, pids, 0, max);
}

/*
 * All threads of a process and of those that it has started: ferryd's requests are not answered
 * by the process that went to the background, if that is there to start another one in its place.
 */
unsigned int bench_threads(pid_t pid, pid_t *tids, unsigned int max)
{
	pid_t pids[BENCH_THREADS_MAX] = { pid };
	unsigned int nr_pids = 1, nr = 0;
	char path[64 + NAME_MAX];
	struct dirent *entry;
	DIR *dir;

	for (unsigned int i = 0; i < nr_pids; i++) {
		snprintf(path, sizeof(path), "/proc/%d/task", pids[i]);
		dir = opendir(path);
		while (dir && nr < max && (entry = readdir(dir))) {
			if (!isdigit((unsigned char)entry->d_name[0]))
				continue;
			tids[nr++] = atoi(entry->d_name);
			snprintf(path, sizeof(path), "/proc/%d/task/%s/children", pids[i],
				 entry->d_name);
			nr_pids = add_children(path, pids, nr_pids, BENCH_THREADS_MAX);
		}
		if (dir)
			closedir(dir);
	}
	return nr;
}

/*
 * Where all of them may run, and those that they make later. @cpu: -1: where they like, which
 * is where we may be ourselves
 */
void bench_pin(pid_t pid, int cpu)
{
	pid_t tids[BENCH_THREADS_MAX];
	unsigned int nr = bench_threads(pid, tids, BENCH_THREADS_MAX);
	cpu_set_t set;

	CPU_ZERO(&set);
	if (cpu >= 0)
		CPU_SET(cpu, &set);
	else if (sched_getaffinity(0, sizeof(set), &set))
		return;
	for (unsigned int i = 0; i < nr; i++)
		sched_setaffinity(tids[i], sizeof(set), &set);
}
