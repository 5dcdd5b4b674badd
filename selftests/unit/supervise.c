// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * The supervisor: when it starts another process, and when it gives up. Processes are real;
 * what makes them fails when it is told to, and no pause takes any time.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../../userd/supervise.h"
#include "../claim.h"

#define GRACE	3600

/* What the process that is started next is to do. */
enum act {
	SERVE_AND_DIE,		/* killed */
	SERVE_AND_FAIL,		/* ends with an error */
	SERVE,			/* ends well */
	FAIL,			/* never serves, and says why */
	DIE,			/* never serves: killed */
	GONE,			/* there is nothing to follow */
	FAIL_LATE,		/* attaches, but does not serve: clients wait longer by now */
	AWAIT_SIGNAL,		/* never serves; tells us how to end */
	BE_TOLD,		/* never serves; is told to end by what came before it */
	NO_PROCESS,		/* there is none: of two reasons */
	NO_PIPE,
};

static struct shared {
	unsigned int started;
	unsigned int with_last;
	bool told;
} *shared;

static enum act first, then, last;	/* then @times times */
static unsigned int times;
static long long skipped_ms;		/* by pauses */
static unsigned int pauses, refused;

static enum act now_to_do(void)
{
	const unsigned int n = shared->started + refused;

	return n == 0 ? first : n <= times ? then : last;
}

/* In place of what libc has. */

int __wrap_pipe2(int fds[2], int flags);
int __real_pipe2(int fds[2], int flags);
int __wrap_pipe2(int fds[2], int flags)
{
	if (now_to_do() != NO_PIPE)
		return __real_pipe2(fds, flags);
	refused++;
	errno = EMFILE;
	return -1;
}

long __wrap_syscall(long nr, ...);
long __wrap_syscall(long nr, ...)
{
	CHECK_EQ(nr, SYS_clone);
	if (now_to_do() != NO_PROCESS)
		return fork();
	refused++;
	errno = EAGAIN;
	return -1;
}

int __wrap_clock_gettime(clockid_t clock, struct timespec *t);
int __real_clock_gettime(clockid_t clock, struct timespec *t);
int __wrap_clock_gettime(clockid_t clock, struct timespec *t)
{
	*t = (struct timespec){ .tv_sec = skipped_ms / 1000, .tv_nsec = skipped_ms % 1000 * 1000000 };
	return 0;
}

/* One file: a pause, unless a signal is there. */
int __wrap_poll(struct pollfd *fds, nfds_t nr, int ms);
int __real_poll(struct pollfd *fds, nfds_t nr, int ms);
int __wrap_poll(struct pollfd *fds, nfds_t nr, int ms)
{
	int ret = __real_poll(fds, nr, nr == 1 ? 0 : ms);

	if (nr != 1 || ret)
		return ret;
	CHECK(ms <= 1000);
	skipped_ms += ms;
	pauses++;
	return 0;
}

static int signal_to_end = SIGTERM;
static unsigned int found_alive;	/* who has died is, so often */
static long long lives_on_ms;		/* after the first time */
static unsigned int handed_on;

int __wrap_kill(pid_t pid, int sig);
int __real_kill(pid_t pid, int sig);
int __wrap_kill(pid_t pid, int sig)
{
	handed_on++;
	return __real_kill(pid, sig);
}

/* With @found_alive: after the first time it is to end. */
pid_t __wrap_waitpid(pid_t pid, int *status, int flags);
pid_t __real_waitpid(pid_t pid, int *status, int flags);
pid_t __wrap_waitpid(pid_t pid, int *status, int flags)
{
	static bool told;
	siginfo_t info;

	if (!found_alive)
		return __real_waitpid(pid, status, flags);
	found_alive--;
	if (!told) {
		told = true;
		DO(waitid(P_PID, pid, &info, WEXITED | WNOWAIT));
		DO(__real_kill(getpid(), signal_to_end));
	} else {
		skipped_ms += lives_on_ms;
	}
	return 0;
}

static int work(void *arg, const struct serves *of_last, int report)
{
	const struct serves serves = { .channel = 7, .follow = true, .grace = GRACE };
	const struct serves fails = { .fails = true, .grace = 2 * GRACE };
	const enum act act = now_to_do();
	const struct timespec soon = { .tv_sec = 10 };
	sigset_t set;

	shared->started++;
	shared->with_last += of_last && of_last->channel == 7;
	if (act <= SERVE)
		CHECK_EQ(write(report, &serves, sizeof(serves)), sizeof(serves));
	if (act == FAIL_LATE)
		CHECK_EQ(write(report, &fails, sizeof(fails)), sizeof(fails));
	if (act == AWAIT_SIGNAL || act == BE_TOLD) {
		sigemptyset(&set);
		sigaddset(&set, signal_to_end);
		if (act == AWAIT_SIGNAL)
			kill(getppid(), signal_to_end);
		shared->told = sigtimedwait(&set, NULL, &soon) == signal_to_end;
	}
	if (act == SERVE_AND_DIE || act == DIE)
		kill(getpid(), SIGKILL);
	return act == GONE ? SUPERVISED_GONE : act != SERVE;
}

static unsigned int nr_up;
static int up_fd = -1, opened = -1;

/* As soon as it is closed who serves opens something, which he has in the same table. */
static void up(void *arg)
{
	nr_up++;
	if (up_fd >= 0) {
		DO(close(up_fd));
		opened = DO(open("/dev/null", O_RDONLY | O_CLOEXEC));
	}
}

static int run(enum act one, enum act many, unsigned int nr, enum act end)
{
	const struct supervised s = { .work = work, .up = up, .up_fd = up_fd };

	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(shared != MAP_FAILED);
	first = one;
	then = many;
	times = nr;
	last = end;
	handed_on = 0;
	ferry_log_open(FERRY_LOG_ERR, false);
	return supervise(&s);
}

static void no_process_once(void)
{
	CHECK_EQ(run(SERVE_AND_DIE, NO_PROCESS, 1, SERVE), 0);
	CHECK_EQ(shared->started, 2);
	CHECK_EQ(shared->with_last, 1);
	CHECK_EQ(nr_up, 1);
}

static void no_process_for_long(void)
{
	CHECK_EQ(run(SERVE_AND_DIE, NO_PROCESS, 1000, SERVE), 0);
	CHECK_EQ(refused, 1000);
	CHECK_EQ(shared->started, 2);
}

static void no_pipe(void)
{
	CHECK_EQ(run(SERVE_AND_DIE, NO_PIPE, 1000, SERVE), 0);
	CHECK_EQ(refused, 1000);
	CHECK_EQ(shared->started, 2);
}

/* Another fifty deaths follow where one is served again: none of that is counted for ever. */
static void do_not_serve(void)
{
	CHECK_EQ(run(SERVE_AND_DIE, FAIL, 50, SERVE), 0);
	CHECK_EQ(shared->started, 52);
	CHECK_EQ(shared->with_last, 51);
}

static void die_before(void)
{
	CHECK_EQ(run(SERVE_AND_DIE, DIE, 50, SERVE), 0);
	CHECK_EQ(shared->started, 52);
}

/* As long as requests wait, and not in a loop without any pause. */
static void until_grace_is_over(void)
{
	CHECK_EQ(run(SERVE_AND_DIE, NO_PROCESS, ~0U, SERVE), 1);
	claim_note("%u times in %lld s", refused, skipped_ms / 1000);
	CHECK(skipped_ms >= GRACE * 1000LL && skipped_ms < (GRACE + 2) * 1000LL);
	CHECK(refused >= GRACE && refused < GRACE + 60);
}

static void until_new_grace_is_over(void)
{
	CHECK_EQ(run(SERVE_AND_DIE, FAIL_LATE, 1, NO_PROCESS), 1);
	CHECK(skipped_ms >= 2 * GRACE * 1000LL && skipped_ms < (2 * GRACE + 2) * 1000LL);
}

static void channel_is_gone(void)
{
	CHECK_EQ(run(SERVE_AND_DIE, GONE, ~0U, SERVE), 1);
	CHECK_EQ(shared->started, 2);
}

static void first_fails(void)
{
	CHECK_EQ(run(NO_PROCESS, NO_PROCESS, 1, SERVE), 1);
	CHECK_EQ(refused, 1);
	CHECK_EQ(nr_up, 0);
}

static void first_cannot_serve(void)
{
	CHECK_EQ(run(FAIL, FAIL, 1, SERVE), 1);
	CHECK_EQ(shared->started, 1);
}

static void errors_end_it(void)
{
	CHECK_EQ(run(SERVE_AND_FAIL, SERVE_AND_FAIL, ~0U, SERVE), 1);
	CHECK_EQ(shared->started, 20);
}

/* Nobody serves, so nobody can do what a signal asks for. */
static void signal_ends_it(void)
{
	CHECK_EQ(run(SERVE_AND_DIE, AWAIT_SIGNAL, ~0U, SERVE), 1);
	CHECK_EQ(shared->started, 2);
	CHECK(shared->told);
}

static void told_at_death(void)
{
	found_alive = 1;
	CHECK_EQ(run(SERVE_AND_DIE, BE_TOLD, 1, SERVE), 1);
	CHECK_EQ(shared->started, 2);
	CHECK(shared->told);
}

/* It has the signal, as far as can be seen, and is found alive after that. */
static void told_in_death(void)
{
	found_alive = 2;
	CHECK_EQ(run(SERVE_AND_DIE, BE_TOLD, 1, SERVE), 1);
	CHECK_EQ(shared->started, 2);
	CHECK(shared->told);
}

static void told_long_before(void)
{
	found_alive = 2;
	lives_on_ms = 60000;
	CHECK_EQ(run(SERVE_AND_DIE, SERVE, 1, SERVE), 0);
	CHECK_EQ(shared->started, 2);
	CHECK_EQ(handed_on, 1);
}

static void hangup_ends_it(void)
{
	signal(SIGHUP, SIG_DFL);
	signal_to_end = SIGHUP;
	signal_ends_it();
}

/* As of one that nohup(1) has started. */
static void ignored_hangup(void)
{
	sigset_t set;

	signal(SIGHUP, SIG_IGN);
	supervise_signals(&set);
	CHECK(sigismember(&set, SIGINT) && !sigismember(&set, SIGHUP));
}

static void dead_ones_files(void)
{
	up_fd = DO(open("/dev/null", O_RDONLY | O_CLOEXEC));
	CHECK_EQ(run(SERVE_AND_DIE, SERVE, 1, SERVE), 0);
	CHECK_EQ(opened, up_fd);
	CHECK_ERR(fcntl(opened, F_GETFD), EBADF);
}

static const struct claim claims[] = {
	{ "a server is followed although there was no process once", no_process_once },
	{ "and although there was none a thousand times", no_process_for_long },
	{ "and although there was no descriptor", no_pipe },
	{ "and although fifty processes did not come to serve", do_not_serve },
	{ "and although fifty died before", die_before },
	{ "there are tries as long as requests wait, once a second in the end", until_grace_is_over },
	{ "and as long as the channel has said since that they do", until_new_grace_is_over },
	{ "there are none for a channel that is gone", channel_is_gone },
	{ "no process for the first is an error at once", first_fails },
	{ "a first that cannot serve is not followed", first_cannot_serve },
	{ "servers that end with an error as soon as they serve are given up", errors_end_it },
	{ "a signal ends the tries", signal_ends_it },
	{ "one that comes when a server has just died is the next one's", told_at_death },
	{ "and one that comes while it dies", told_in_death },
	{ "but not one with which it has lived on", told_long_before },
	{ "the end of a terminal ends them, too", hangup_ends_it },
	{ "but not where it is ignored", ignored_hangup },
	{ "what a dead server had open is closed, whatever had its number before", dead_ones_files },
};

CLAIMS_MAIN(claims)
