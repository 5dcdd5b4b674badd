// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * The supervisor: a process that serves nothing itself, so that nothing a request does
 * can kill it. It forks a worker; when that one is killed, or ends with an error, it forks the
 * next, which takes over the channel. One whose client has gone ends without.
 *
 * Both have one table of descriptors, so that files which a backend keeps open for its
 * clients (ferry_state_keep_fd()) stay open. All others that the dead one left are closed
 * here: before that its channel does not know that it is dead.
 */
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <ferry/state.h>

#include "supervise.h"

/* Who dies young is replaced after a pause, which doubles each time. */
#define YOUNG_MS	1000
#define PAUSE_MIN_MS	1U
#define PAUSE_MAX_MS	250U

/* Workers in a row that may die without having come to serve. */
#define FAILURES_MAX	3

/*
 * And that may end with an error as soon as they do. The kernel gives no request to more than 16,
 * so it is none of these.
 */
#define ERRORS_MAX	20

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

/* Descriptors below FERRY_KEPT_FD that are the supervisor's. */
static bool own[FERRY_KEPT_FD];

static void count_own(void)
{
	int fd;

	for (fd = 0; fd < FERRY_KEPT_FD; fd++)
		own[fd] = fcntl(fd, F_GETFD) >= 0;
}

static void close_others(void)
{
	int fd;

	for (fd = 0; fd < FERRY_KEPT_FD; fd++)
		if (!own[fd])
			close(fd);
}

/* Begin a worker; @report: what it writes when it serves can be read here. */
static pid_t start(const struct supervised *s, const struct serves *last, int *report)
{
	int fds[2];
	pid_t pid;

	count_own();
	if (pipe2(fds, O_CLOEXEC))
		return -errno;
	/* A fork(), but for the table of descriptors. */
	pid = syscall(SYS_clone, CLONE_FILES | SIGCHLD, NULL, NULL, NULL, NULL);
	if (pid < 0) {
		pid = -errno;
		close_others();
		return pid;
	}
	if (!pid)
		_exit(s->work(s->arg, last, fds[1]));
	*report = fds[0];
	return pid;
}

/* Signals to end are handed on. */
static void hand_on(pid_t pid, int sig_fd)
{
	struct signalfd_siginfo info;

	if (read(sig_fd, &info, sizeof(info)) == sizeof(info) && info.ssi_signo != SIGCHLD)
		kill(pid, info.ssi_signo);
}

/* Until worker @pid serves, and has said so, or has ended: false. */
static bool await_report(pid_t pid, int sig_fd, int report, struct serves *serves)
{
	struct pollfd pfd[] = {
		{ .fd = report, .events = POLLIN },
		{ .fd = sig_fd, .events = POLLIN },
	};
	siginfo_t info;

	for (;;) {
		poll(pfd, ARRAY_SIZE(pfd), -1);
		if (pfd[0].revents)
			return read(report, serves, sizeof(*serves)) == sizeof(*serves);
		if (pfd[1].revents)
			hand_on(pid, sig_fd);
		info.si_pid = 0;
		if (!waitid(P_PID, pid, &info, WEXITED | WNOHANG | WNOWAIT) && info.si_pid)
			return false;
	}
}

/* Until worker @pid ends: its wait status. */
static int watch(pid_t pid, int sig_fd)
{
	int status;

	while (waitpid(pid, &status, WNOHANG) != pid)
		hand_on(pid, sig_fd);
	close_others();
	return status;
}

int supervise(const struct supervised *s)
{
	unsigned int failures = 0, errors = 0, pause = 0;
	struct serves said = { 0 };
	u32 channel = 0;
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
		pid_t pid = start(s, channel ? &said : NULL, &report);
		bool serves, young;

		if (pid < 0) {
			ferry_log(FERRY_LOG_ERR, "no process to serve in: %s", strerror(-pid));
			return 1;
		}
		serves = await_report(pid, sig_fd, report, &said);
		close(report);
		if (serves && !channel) {
			channel = said.channel;
			s->up(s->arg);
		}
		if (serves && !said.follow && s->leaves) {
			close(sig_fd);
			return 0;
		}
		status = watch(pid, sig_fd);
		young = now_ms() - born <= YOUNG_MS;
		/* Its client is gone, or it has said why it cannot serve. */
		if (WIFEXITED(status) && (!channel || (serves && (!status || !said.follow)))) {
			close(sig_fd);
			return WEXITSTATUS(status);
		}
		if (serves && !said.follow) {
			ferry_log(FERRY_LOG_WARN, "channel %u: process %d, which served it, was killed by signal %d: none follows",
				  channel, pid, WTERMSIG(status));
			close(sig_fd);
			return 1;
		}
		failures = serves ? 0 : failures + 1;
		errors = WIFEXITED(status) && young ? errors + 1 : 0;
		if (!channel || failures == FAILURES_MAX || errors == ERRORS_MAX) {
			ferry_log(FERRY_LOG_ERR, "channel %u: no server comes up: giving up",
				  channel);
			close(sig_fd);
			return 1;
		}
		ferry_log(FERRY_LOG_WARN, "channel %u: process %d, which served it, %s %d: starting another",
			  channel, pid, WIFSIGNALED(status) ? "was killed by signal" : "ended with",
			  WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
		if (!young)
			pause = 0;
		if (pause)
			pause_ms(pause);
		pause = pause ? min(pause * 2, PAUSE_MAX_MS) : PAUSE_MIN_MS;
	}
}
