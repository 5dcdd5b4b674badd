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

/* And so is who does not come to serve, for as long as requests wait. */
#define FAILED_MAX_MS	1000U

/*
 * Workers in a row that may end with an error as soon as they serve. The kernel gives no request
 * to more than 16, so it is none of these.
 */
#define ERRORS_MAX	20

/* So long a process that is killed may take to become a zombie: it may dump core, or free much. */
#define DYING_MS	5000

/**
 * struct supervisor - a supervisor and what it remembers
 * @sig_fd: its signals
 * @told: signal to end, of which it is not known that one who serves has had it; or 0
 * @channel: what is served; 0: nobody was up to that yet
 * @said: by the last one that served; what is of the channel, by the last one that attached
 * @ended: when that one had ended, in ms
 * @failures: since then, how often there was nobody to serve
 * @errors: workers in a row that ended with an error as soon as they served
 * @pause: before the next one, in ms
 */
struct supervisor {
	const struct supervised *s;
	int sig_fd;
	int told;
	u32 channel;
	struct serves said;
	long long ended;
	unsigned int failures;
	unsigned int errors;
	unsigned int pause;
};

static long long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
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

/* Signals to end are handed on to @pid; 0: there is nobody now. False: it was another one. */
static bool hand_on(struct supervisor *v, pid_t pid)
{
	struct signalfd_siginfo info;

	if (read(v->sig_fd, &info, sizeof(info)) != sizeof(info) || info.ssi_signo == SIGCHLD)
		return false;
	v->told = (int)info.ssi_signo;
	if (pid)
		kill(pid, v->told);
	return true;
}

static void wait_ms(struct supervisor *v, unsigned int ms)
{
	const long long end = now_ms() + ms;
	struct pollfd pfd = { .fd = v->sig_fd, .events = POLLIN };
	long long left;

	while (!v->told && (left = end - now_ms()) > 0)
		if (poll(&pfd, 1, (int)left) > 0)
			hand_on(v, 0);
}

/* Until worker @pid serves, and has said so, or has ended: false. */
static bool await_report(struct supervisor *v, pid_t pid, int report)
{
	struct pollfd pfd[] = {
		{ .fd = report, .events = POLLIN },
		{ .fd = v->sig_fd, .events = POLLIN },
	};
	struct serves said;
	siginfo_t info;

	if (v->told)
		kill(pid, v->told);
	for (;;) {
		poll(pfd, ARRAY_SIZE(pfd), -1);
		if (pfd[0].revents) {
			if (read(report, &said, sizeof(said)) != sizeof(said))
				return false;
			/* It may have been set anew, which only the channel knows. */
			if (said.fails)
				v->said.grace = said.grace;
			else
				v->said = said;
			return !said.fails;
		}
		if (pfd[1].revents)
			hand_on(v, pid);
		info.si_pid = 0;
		/* It may have said something since we looked; now it says no more. */
		if (!waitid(P_PID, pid, &info, WEXITED | WNOHANG | WNOWAIT) && info.si_pid &&
		    poll(pfd, 1, 0) <= 0)
			return false;
	}
}

/*
 * Until worker @pid ends: its wait status. What it was handed shortly before is for the next one,
 * too: who is dying gets no signal, though kill() does not say so, and ends later. One that @serves
 * and has lived on has had it.
 */
static int watch(struct supervisor *v, pid_t pid, bool serves)
{
	long long told = now_ms();
	int status;

	while (waitpid(pid, &status, WNOHANG) != pid)
		if (hand_on(v, pid))
			told = now_ms();
	if (serves && now_ms() - told > DYING_MS)
		v->told = 0;
	close_others();
	return status;
}

static void pause_before_next(struct supervisor *v, bool young, unsigned int most)
{
	if (!young)
		v->pause = 0;
	if (v->pause)
		wait_ms(v, v->pause);
	v->pause = v->pause ? min(v->pause * 2, most) : PAUSE_MIN_MS;
}

/*
 * There was no process, or it did not come to serve, and has said why. That may be over soon: where a
 * server has died there may be little memory left. -1: another one is to try; or as supervise().
 */
static int failed(struct supervisor *v, bool young, bool gone)
{
	const long long left = v->ended + v->said.grace * 1000LL - now_ms();

	if (!v->channel || gone || v->told || left <= 0) {
		ferry_log(FERRY_LOG_ERR, "channel %u: no server comes up: giving up", v->channel);
		return 1;
	}
	if (!v->failures++)
		ferry_log(FERRY_LOG_WARN, "channel %u: no server comes up: trying again, for %lld s",
			  v->channel, (left + 999) / 1000);
	pause_before_next(v, young, FAILED_MAX_MS);
	return -1;
}

/* The one that served has ended. -1: another one is to follow; or as supervise(). */
static int follow(struct supervisor *v, pid_t pid, int status, bool young)
{
	v->ended = now_ms();
	v->failures = 0;
	if (!v->said.follow) {
		ferry_log(FERRY_LOG_WARN, "channel %u: process %d, which served it, was killed by signal %d: none follows",
			  v->channel, pid, WTERMSIG(status));
		return 1;
	}
	v->errors = WIFEXITED(status) && young ? v->errors + 1 : 0;
	if (v->errors == ERRORS_MAX) {
		ferry_log(FERRY_LOG_ERR, "channel %u: no server stays up: giving up", v->channel);
		return 1;
	}
	ferry_log(FERRY_LOG_WARN, "channel %u: process %d, which served it, %s %d: starting another",
		  v->channel, pid, WIFSIGNALED(status) ? "was killed by signal" : "ended with",
		  WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	pause_before_next(v, young, PAUSE_MAX_MS);
	return -1;
}

/* One worker, from its begin to its end. -1: another one is to follow; or as supervise(). */
static int supervise_one(struct supervisor *v)
{
	const long long born = now_ms();
	int report = -1, status;
	pid_t pid = start(v->s, v->channel ? &v->said : NULL, &report);
	bool serves, young;

	if (pid < 0) {
		if (!v->failures)
			ferry_log(FERRY_LOG_ERR, "no process to serve in: %s", strerror(-pid));
		return v->channel ? failed(v, true, false) : 1;
	}
	serves = await_report(v, pid, report);
	close(report);
	if (serves && !v->channel) {
		v->channel = v->said.channel;
		if (v->s->up_fd >= 0 && v->s->up_fd < FERRY_KEPT_FD)
			own[v->s->up_fd] = false;
		v->s->up(v->s->arg);
	}
	if (serves && !v->said.follow && v->s->leaves)
		return 0;
	status = watch(v, pid, serves);
	young = now_ms() - born <= YOUNG_MS;
	/* Its client is gone, or it has said why it cannot serve. */
	if (WIFEXITED(status) && (!v->channel || (serves && (!status || !v->said.follow))))
		return WEXITSTATUS(status);
	if (serves)
		return follow(v, pid, status, young);
	return failed(v, young, WIFEXITED(status) && WEXITSTATUS(status) == SUPERVISED_GONE);
}

void supervise_signals(sigset_t *set)
{
	struct sigaction hup;

	sigemptyset(set);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGINT);
	/* A signalfd tells of those that are ignored, too. */
	if (!sigaction(SIGHUP, NULL, &hup) && hup.sa_handler != SIG_IGN)
		sigaddset(set, SIGHUP);
	pthread_sigmask(SIG_BLOCK, set, NULL);
}

int supervise(const struct supervised *s)
{
	struct supervisor v = { .s = s };
	sigset_t set;
	int ret;

	supervise_signals(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	v.sig_fd = signalfd(-1, &set, SFD_CLOEXEC);
	if (v.sig_fd < 0) {
		ferry_log(FERRY_LOG_ERR, "no signalfd: %s", strerror(errno));
		return 1;
	}
	do
		ret = supervise_one(&v);
	while (ret < 0);
	close(v.sig_fd);
	return ret;
}
