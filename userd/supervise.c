// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * The supervisor: a process that serves nothing itself, so that nothing a request does
 * can kill it. It forks a worker; when that one is killed, it forks the next, which
 * takes over the channel.
 */
#include <signal.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "supervise.h"

/* Who dies young is replaced after a pause, which doubles each time. */
#define YOUNG_MS	1000
#define PAUSE_MIN_MS	1U
#define PAUSE_MAX_MS	250U

/* Workers in a row that may die without having come to serve. */
#define FAILURES_MAX	3

static long long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

static void pause_ms(unsigned int ms)
{
	struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L };

	while (nanosleep(&t, &t) && errno == EINTR)
		;
}

/* Fork a worker; @report: what it writes when it serves can be read here. */
static pid_t start(const struct supervised *s, u32 channel, int *report)
{
	int fds[2];
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC))
		return -errno;
	pid = fork();
	if (pid < 0) {
		pid = -errno;
		close(fds[0]);
		close(fds[1]);
		return pid;
	}
	if (!pid) {
		close(fds[0]);
		_exit(s->work(s->arg, channel, fds[1]));
	}
	close(fds[1]);
	*report = fds[0];
	return pid;
}

/* Until worker @pid ends: its wait status. Signals to end are handed on. */
static int watch(pid_t pid, int sig_fd)
{
	struct signalfd_siginfo info;
	int status;

	for (;;) {
		if (waitpid(pid, &status, WNOHANG) == pid)
			return status;
		if (read(sig_fd, &info, sizeof(info)) == sizeof(info) &&
		    info.ssi_signo != SIGCHLD)
			kill(pid, info.ssi_signo);
	}
}

int supervise(const struct supervised *s)
{
	unsigned int failures = 0, pause = 0;
	u32 channel = 0, report_channel;
	sigset_t set;
	int sig_fd;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	sig_fd = signalfd(-1, &set, SFD_CLOEXEC);
	if (sig_fd < 0) {
		ferry_log(FERRY_LOG_ERR, "no signalfd: %s", strerror(errno));
		return 1;
	}
	for (;;) {
		long long born = now_ms();
		int report = -1, status;
		pid_t pid = start(s, channel, &report);
		bool serves;

		if (pid < 0) {
			ferry_log(FERRY_LOG_ERR, "no process to serve in: %s", strerror(-pid));
			return 1;
		}
		serves = read(report, &report_channel, sizeof(report_channel)) ==
			 sizeof(report_channel);
		close(report);
		if (serves && !channel) {
			channel = report_channel;
			s->up(s->arg);
		}
		status = watch(pid, sig_fd);
		if (WIFEXITED(status) && (serves || !channel)) {
			close(sig_fd);
			return WEXITSTATUS(status);
		}
		failures = serves ? 0 : failures + 1;
		if (!channel || failures == FAILURES_MAX) {
			ferry_log(FERRY_LOG_ERR, "channel %u: no server comes up: giving up",
				  channel);
			close(sig_fd);
			return 1;
		}
		ferry_log(FERRY_LOG_WARN, "channel %u: process %d, which served it, %s %d: starting another",
			  channel, pid, WIFSIGNALED(status) ? "was killed by signal" : "ended with",
			  WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
		if (now_ms() - born > YOUNG_MS)
			pause = 0;
		if (pause)
			pause_ms(pause);
		pause = pause ? min(pause * 2, PAUSE_MAX_MS) : PAUSE_MIN_MS;
	}
}
