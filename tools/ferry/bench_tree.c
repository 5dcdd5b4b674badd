// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* ferry bench: what people do with trees of files: unpack one, compile one. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

/* Some 800 files, there wherever a C compiler is. */
#define TREE_PARENT	"/usr/include"
#define TREE		"linux"

#define PREPARE_TIMEOUT	120

/*
 * In a child that may be killed with its group: no signals, no time limit.
 * Return: 0, or 1 after bench_fail() with the program's own words
 */
static int command(struct bench_run *run, const char *const *argv)
{
	char errors[BENCH_PATH_MAX], line[200];
	int fd, status;
	pid_t pid;

	snprintf(errors, sizeof(errors), "%s/stderr", run->opts->base);
	fd = open(errors, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	pid = fork();
	if (!pid) {
		dup2(fd, 2);
		execvp(argv[0], (char *const *)argv);
		_exit(127);
	}
	close(fd);
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		return bench_fail(run, argv[0]);
	if (WIFEXITED(status) && !WEXITSTATUS(status))
		return 0;
	errno = EIO;
	bench_fail(run, argv[0]);
	bench_first_line(errors, line, sizeof(line));
	if (*line)
		snprintf(run->shared->error, sizeof(run->shared->error), "%s", line);
	return 1;
}

/* What the kernel has in its cache counts as done when the server has it. */
static int sync_mount(const struct bench_mount *mount)
{
	int fd = open(mount->dir, O_RDONLY | O_DIRECTORY);
	int err = fd < 0 ? -1 : syncfs(fd);

	if (fd >= 0)
		close(fd);
	return err;
}

int bench_ready_untar(const struct bench_opts *opts)
{
	char archive[BENCH_PATH_MAX + 16];
	const char *const argv[] = { "tar", "-C", TREE_PARENT, "-cf", archive, TREE, NULL };

	if (access(TREE_PARENT "/" TREE, R_OK)) {
		bench_say("untar is left out: no " TREE_PARENT "/" TREE
			  ": apt-get install linux-libc-dev");
		return 1;
	}
	snprintf(archive, sizeof(archive), "%s/tree.tar", opts->base);
	return bench_exec(opts, argv, NULL, PREPARE_TIMEOUT) ? -1 : 0;
}

int bench_measure_untar(struct bench_run *run)
{
	char archive[BENCH_PATH_MAX + 16], tree[BENCH_PATH_MAX + 16];
	const char *const unpack[] = { "tar", "-C", run->mount->dir, "-xf", archive, NULL };
	const char *const drop[] = { "rm", "-rf", tree, NULL };
	double start;

	snprintf(archive, sizeof(archive), "%s/tree.tar", run->opts->base);
	snprintf(tree, sizeof(tree), "%s/" TREE, run->mount->dir);
	start = bench_now_us();
	if (command(run, unpack))
		return 1;
	if (sync_mount(run->mount))
		return bench_fail(run, "syncfs");
	bench_sample(run, bench_now_us() - start);
	return command(run, drop);
}

/* ferry's own sources: build/bin/ferry -> ../.. */
static int source_tree(char *path, size_t size)
{
	char *up;

	if (bench_beside("../../lib/dispatch/dispatch.c", path, size))
		return -1;
	up = strstr(path, "/lib/dispatch/dispatch.c");
	*up = '\0';
	return 0;
}

int bench_ready_compile(const struct bench_opts *opts)
{
	char path[PATH_MAX];

	if (source_tree(path, sizeof(path))) {
		bench_say("compile is left out: ferry's sources are not at ../.. from this program");
		return 1;
	}
	if (!bench_have_program("cc")) {
		bench_say("compile is left out: no cc: apt-get install gcc");
		return 1;
	}
	return 0;
}

int bench_prepare_compile(struct bench_run *run)
{
	char from[PATH_MAX], lib[PATH_MAX], include[PATH_MAX];
	const char *const copy[] = { "cp", "-r", lib, include, run->mount->dir, NULL };

	if (source_tree(from, sizeof(from)) ||
	    (size_t)snprintf(lib, sizeof(lib), "%s/lib", from) >= sizeof(lib) ||
	    (size_t)snprintf(include, sizeof(include), "%s/include", from) >= sizeof(include))
		return bench_fail(run, "ferry's sources");
	return command(run, copy);
}

/* Sources, headers, temporary files and objects: all on the mount. */
int bench_measure_compile(struct bench_run *run)
{
	static const char script[] =
		"for f; do "
		"cc -std=gnu11 -D_GNU_SOURCE -Iinclude -Iinclude/uapi -O1 -c -o \"${f%.c}.o\" \"$f\""
		" || exit 1; done";
	const char *const all[] = { "sh", "-c", script, "sh", "lib/dispatch/dispatch.c",
				    "lib/dispatch/fs.c", "lib/dispatch/fs_init.c",
				    "lib/dispatch/fs_reply.c", "lib/dispatch/opts.c", NULL };
	const char *const one[] = { "sh", "-c", script, "sh", "lib/dispatch/fs.c", NULL };
	double start;

	if (chdir(run->mount->dir) || setenv("TMPDIR", run->mount->dir, 1))
		return bench_fail(run, "chdir");
	start = bench_now_us();
	if (command(run, run->opts->quick ? one : all))
		return 1;
	if (sync_mount(run->mount))
		return bench_fail(run, "syncfs");
	bench_sample(run, bench_now_us() - start);
	return 0;
}
