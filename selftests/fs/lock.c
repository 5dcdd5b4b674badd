// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* flock(), fcntl() and open-file-description locks. */
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../claim.h"

static struct flock range(short type, off_t start, off_t len)
{
	return (struct flock){ .l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len };
}

static void flock_excludes(void)
{
	int a, b;

	make_file("f", 10, 1);
	a = DO(open("f", O_RDWR));
	b = DO(open("f", O_RDWR));
	DO(flock(a, LOCK_EX));
	CHECK_ERR(flock(b, LOCK_EX | LOCK_NB), EWOULDBLOCK);
	CHECK_ERR(flock(b, LOCK_SH | LOCK_NB), EWOULDBLOCK);
	DO(flock(a, LOCK_SH));
	DO(flock(b, LOCK_SH | LOCK_NB));
	DO(flock(a, LOCK_UN));
	DO(flock(b, LOCK_EX | LOCK_NB));
	DO(close(b));
	DO(flock(a, LOCK_EX | LOCK_NB));
}

static void flock_waits(void)
{
	int fd, p[2];
	pid_t pid;
	char c;

	make_file("f", 10, 1);
	fd = DO(open("f", O_RDWR));
	DO(flock(fd, LOCK_EX));
	DO(pipe(p));
	pid = DO(fork());
	if (!pid) {
		DO(flock(DO(open("f", O_RDWR)), LOCK_EX));
		write_all(p[1], "x", 1);
		_exit(0);
	}
	usleep(50000);
	DO(fcntl(p[0], F_SETFL, O_NONBLOCK));
	CHECK_ERR(read(p[0], &c, 1), EAGAIN);
	DO(flock(fd, LOCK_UN));
	wait_ok(pid);
	CHECK_EQ(read(p[0], &c, 1), 1);
}

static void fcntl_ranges(void)
{
	struct flock l;
	pid_t pid;
	int fd;

	make_file("f", 100, 1);
	fd = DO(open("f", O_RDWR));
	l = range(F_WRLCK, 10, 10);
	DO(fcntl(fd, F_SETLK, &l));
	pid = DO(fork());
	if (!pid) {
		fd = DO(open("f", O_RDWR));
		l = range(F_WRLCK, 0, 10);
		DO(fcntl(fd, F_SETLK, &l));
		l = range(F_RDLCK, 19, 1);
		CHECK(fcntl(fd, F_SETLK, &l) == -1 && (errno == EAGAIN || errno == EACCES));
		l = range(F_WRLCK, 0, 0);
		DO(fcntl(fd, F_GETLK, &l));
		CHECK_EQ(l.l_type, F_WRLCK);
		CHECK_EQ(l.l_start, 10);
		CHECK_EQ(l.l_len, 10);
		CHECK_EQ(l.l_pid, getppid());
		l = range(F_RDLCK, 20, 0);
		DO(fcntl(fd, F_SETLK, &l));
		_exit(0);
	}
	wait_ok(pid);
	l = range(F_WRLCK, 0, 0);
	DO(fcntl(fd, F_SETLK, &l));
}

static void fcntl_dies_with_process(void)
{
	struct flock l = range(F_WRLCK, 0, 0);
	int fd, p[2];
	pid_t pid;
	char c;

	make_file("f", 100, 1);
	fd = DO(open("f", O_RDWR));
	DO(pipe(p));
	pid = DO(fork());
	if (!pid) {
		DO(fcntl(fd, F_SETLK, &l));
		write_all(p[1], "x", 1);
		pause();
	}
	CHECK_EQ(read(p[0], &c, 1), 1);
	CHECK(fcntl(fd, F_SETLK, &l) == -1);
	DO(kill(pid, SIGKILL));
	DO(fcntl(fd, F_SETLKW, &l));
}

static void ofd_locks(void)
{
	struct flock l = range(F_WRLCK, 0, 0);
	int a, b;

	make_file("f", 100, 1);
	a = DO(open("f", O_RDWR));
	b = DO(open("f", O_RDWR));
	DO(fcntl(a, F_OFD_SETLK, &l));
	CHECK(fcntl(b, F_OFD_SETLK, &l) == -1 && errno == EAGAIN);
	DO(close(a));
	DO(fcntl(b, F_OFD_SETLK, &l));
}

static void interrupted(void)
{
	struct flock l = range(F_WRLCK, 0, 0);
	int fd, status;
	pid_t pid;

	make_file("f", 100, 1);
	fd = DO(open("f", O_RDWR));
	DO(fcntl(fd, F_SETLK, &l));
	pid = DO(fork());
	if (!pid) {
		fcntl(DO(open("f", O_RDWR)), F_SETLKW, &l);
		_exit(0);
	}
	usleep(50000);
	DO(kill(pid, SIGTERM));
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
}

static void counter(void)
{
	int procs = 4, rounds = test_scale(50), p, i, n, fd;
	struct flock l;
	pid_t pids[4];

	fd = DO(open("f", O_CREAT | O_RDWR, 0644));
	n = 0;
	pwrite_all(fd, &n, sizeof(n), 0);
	for (p = 0; p < procs; p++) {
		pids[p] = DO(fork());
		if (pids[p])
			continue;
		for (i = 0; i < rounds; i++) {
			l = range(F_WRLCK, 0, 0);
			DO(fcntl(fd, F_SETLKW, &l));
			CHECK_EQ(pread(fd, &n, sizeof(n), 0), sizeof(n));
			n++;
			pwrite_all(fd, &n, sizeof(n), 0);
			l = range(F_UNLCK, 0, 0);
			DO(fcntl(fd, F_SETLK, &l));
		}
		_exit(0);
	}
	for (p = 0; p < procs; p++)
		wait_ok(pids[p]);
	CHECK_EQ(pread(fd, &n, sizeof(n), 0), sizeof(n));
	CHECK_EQ(n, procs * rounds);
}

static const struct claim claims[] = {
	{ "flock excludes and shares, and ends with the file", flock_excludes },
	{ "flock waits until the other lets go", flock_waits },
	{ "fcntl locks are per range, and F_GETLK says whose", fcntl_ranges },
	{ "fcntl locks die with their process", fcntl_dies_with_process },
	{ "open-file-description locks exclude within a process", ofd_locks },
	{ "a wait for a lock ends by a signal", interrupted },
	{ "a counter that is locked by fcntl loses no step", counter },
};
CLAIMS_MAIN(claims)
