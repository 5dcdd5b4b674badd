// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* Programs run from the filesystem. */
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../claim.h"

static void copy_program(const char *from, const char *to)
{
	int in = DO(open(from, O_RDONLY)), out = DO(open(to, O_CREAT | O_WRONLY, 0755));
	static char buf[65536];
	ssize_t n;

	while ((n = DO(read(in, buf, sizeof(buf)))) > 0)
		write_all(out, buf, n);
	DO(close(in));
	DO(close(out));
}

static int run(char *const argv[])
{
	int status;
	pid_t pid = DO(fork());

	if (!pid) {
		execv(argv[0], argv);
		_exit(100 + errno);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void runs(void)
{
	char *t[] = { "./true", NULL }, *f[] = { "./false", NULL };

	copy_program("/bin/true", "true");
	copy_program("/bin/false", "false");
	CHECK_EQ(run(t), 0);
	CHECK_EQ(run(f), 1);
	drop_caches();
	CHECK_EQ(run(t), 0);
	CHECK_EQ(run(f), 1);
}

static void script(void)
{
	char *argv[] = { "./script", "7", NULL };
	int fd = DO(open("script", O_CREAT | O_WRONLY, 0755));

	write_all(fd, "#!/bin/sh\nexit $1\n", 18);
	DO(close(fd));
	CHECK_EQ(run(argv), 7);
}

static void not_executable(void)
{
	char *argv[] = { "./true", NULL };

	copy_program("/bin/true", "true");
	DO(chmod("true", 0644));
	CHECK_EQ(run(argv), 100 + EACCES);
	DO(mkdir("d", 0755));
	argv[0] = "./d";
	CHECK_EQ(run(argv), 100 + EACCES);
	argv[0] = "./missing";
	CHECK_EQ(run(argv), 100 + ENOENT);
}

static void text_busy(void)
{
	char *argv[] = { "./sleep", "100", NULL };
	int fd, status;
	pid_t pid;

	copy_program("/bin/sleep", "sleep");
	fd = DO(open("sleep", O_RDWR));
	CHECK_EQ(run(argv), 100 + ETXTBSY);
	DO(close(fd));
	pid = DO(fork());
	if (!pid) {
		execv(argv[0], argv);
		_exit(1);
	}
	do {
		char exe[64], link[4096];
		ssize_t n;

		usleep(1000);
		snprintf(exe, sizeof(exe), "/proc/%d/exe", (int)pid);
		n = DO(readlink(exe, link, sizeof(link) - 1));
		link[n] = 0;
		if (strstr(link, "/sleep"))
			break;
	} while (waitpid(pid, &status, WNOHANG) == 0);
	CHECK_ERR(open("sleep", O_WRONLY), ETXTBSY);
	DO(unlink("sleep"));
	usleep(10000);
	CHECK_EQ(waitpid(pid, &status, WNOHANG), 0);
	DO(kill(pid, SIGTERM));
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
}

static const struct claim claims[] = {
	{ "a program runs, also after the caches were dropped", runs },
	{ "a script runs", script },
	{ "a program without x bits is EACCES", not_executable },
	{ "a running program is ETXTBSY, and outlives its name", text_busy },
};
CLAIMS_MAIN(claims)
