// SPDX-License-Identifier: GPL-2.0-only OR MIT
#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <grp.h>
#include <regex.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "claim.h"

/* No errno, and no tool says it of what it has found. */
#define EXIT_SKIP	77

/* In a program that was built with ASan: what nobody points to any more, but for these. */
extern int __lsan_do_recoverable_leak_check(void) __attribute__((weak));
extern void __lsan_ignore_object(const void *p) __attribute__((weak));

static const char *skip_reason_path;

void claim_note(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fputs("# ", stdout);
	vprintf(fmt, ap);
	putchar('\n');
	fflush(stdout);
	va_end(ap);
}

void claim_fail(const char *file, int line, const char *fmt, ...)
{
	const char *base = strrchr(file, '/');
	va_list ap;

	va_start(ap, fmt);
	printf("# %s:%d: ", base ? base + 1 : file, line);
	vprintf(fmt, ap);
	putchar('\n');
	fflush(stdout);
	va_end(ap);
	_exit(1);
}

/* The reason goes through a file: it belongs on the line that the parent prints. */
void claim_skip(const char *fmt, ...)
{
	FILE *f = fopen(skip_reason_path, "w");
	va_list ap;

	if (f) {
		va_start(ap, fmt);
		vfprintf(f, fmt, ap);
		va_end(ap);
		fclose(f);
	}
	fflush(stdout);
	_exit(EXIT_SKIP);
}

double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static unsigned int env_number(const char *name, unsigned int dflt)
{
	const char *s = getenv(name);

	return s && *s ? strtoul(s, NULL, 10) : dflt;
}

double patience(double seconds)
{
	unsigned int limit = env_number("FERRY_TEST_SECONDS", 60);

	return limit > 60 ? seconds * limit / 60 : seconds;
}

unsigned int test_scale(unsigned int n)
{
	unsigned long long scaled = n * (unsigned long long)env_number("FERRY_TEST_SCALE", 100) / 100;

	return scaled ? scaled : 1;
}

unsigned int test_seed(void)
{
	return env_number("FERRY_TEST_SEED", 1);
}

uint32_t next_random(uint64_t *state)
{
	uint64_t x = *state;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	*state = x;
	return x >> 32;
}

/* A byte's value depends on its page and on its place in it, so that a page that
 * lands in a wrong place does not look right. */
static unsigned char pattern_byte(uint64_t off, unsigned int seed)
{
	return (off ^ (off >> 8) ^ (off >> 12) * 7 ^ (off >> 20) * 13 ^ seed * 31) + (seed >> 8);
}

void fill_pattern(void *buf, size_t len, uint64_t off, unsigned int seed)
{
	unsigned char *p = buf;
	size_t i;

	for (i = 0; i < len; i++)
		p[i] = pattern_byte(off + i, seed);
}

ssize_t find_difference(const void *buf, size_t len, uint64_t off, unsigned int seed)
{
	const unsigned char *p = buf;
	size_t i;

	for (i = 0; i < len; i++)
		if (p[i] != pattern_byte(off + i, seed))
			return i;
	return -1;
}

void write_all(int fd, const void *buf, size_t len)
{
	const char *p = buf;

	while (len) {
		ssize_t n = DO(write(fd, p, len));

		CHECK(n > 0);
		p += n;
		len -= n;
	}
}

size_t read_all(int fd, void *buf, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = DO(read(fd, (char *)buf + done, len - done));

		if (!n)
			break;
		done += n;
	}
	return done;
}

size_t pread_all(int fd, void *buf, size_t len, off_t off)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = DO(pread(fd, (char *)buf + done, len - done, off + done));

		if (!n)
			break;
		done += n;
	}
	return done;
}

void pwrite_all(int fd, const void *buf, size_t len, off_t off)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = DO(pwrite(fd, (const char *)buf + done, len - done, off + done));

		CHECK(n > 0);
		done += n;
	}
}

void make_file(const char *name, size_t len, unsigned int seed)
{
	int fd = DO(open(name, O_CREAT | O_TRUNC | O_WRONLY, 0644));
	size_t off, piece = 64 * 1024;
	char *buf = xmalloc(piece);

	for (off = 0; off < len; off += piece) {
		size_t n = len - off < piece ? len - off : piece;

		fill_pattern(buf, n, off, seed);
		write_all(fd, buf, n);
	}
	DO(close(fd));
	free(buf);
}

void check_file(const char *name, size_t len, unsigned int seed)
{
	int fd = DO(open(name, O_RDONLY));
	size_t off = 0, piece = 64 * 1024;
	char *buf = xmalloc(piece);

	for (;;) {
		size_t n = read_all(fd, buf, piece);
		ssize_t bad = find_difference(buf, n, off, seed);

		if (bad >= 0)
			claim_fail(__FILE__, __LINE__, "%s: byte %zu is wrong", name, off + bad);
		off += n;
		if (n < piece)
			break;
	}
	if (off != len)
		claim_fail(__FILE__, __LINE__, "%s: %zu bytes, should be %zu", name, off, len);
	DO(close(fd));
	free(buf);
}

struct stat stat_of(const char *name)
{
	struct stat st;

	DO(lstat(name, &st));
	return st;
}

void *xmalloc(size_t len)
{
	void *p;

	if (posix_memalign(&p, 4096, len))
		claim_fail(__FILE__, __LINE__, "no memory for %zu bytes", len);
	memset(p, 0, len);
	/* A claim need not free it: what is under test does not come from here. */
	if (__lsan_ignore_object)
		__lsan_ignore_object(p);
	return p;
}

void wait_ok(pid_t pid)
{
	int status;

	CHECK_EQ(waitpid(pid, &status, 0), pid);
	if (WIFSIGNALED(status))
		claim_fail(__FILE__, __LINE__, "child died of signal %d", WTERMSIG(status));
	if (WEXITSTATUS(status) == EXIT_SKIP)
		_exit(EXIT_SKIP);
	if (WEXITSTATUS(status))
		_exit(1);
}

void need_root(void)
{
	if (geteuid())
		claim_skip("needs root");
}

void become(uid_t uid, gid_t gid)
{
	need_root();
	DO(setgroups(0, NULL));
	DO(setresgid(gid, gid, gid));
	DO(setresuid(uid, uid, uid));
}

void drop_caches(void)
{
	int fd = open("/proc/sys/vm/drop_caches", O_WRONLY);

	if (fd < 0)
		claim_skip("cannot drop caches: %s", strerror(errno));
	DO(write(fd, "3", 1));
	DO(close(fd));
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

static int remove_tree(const char *path)
{
	/* With write permission gone, root aside, there is nothing to clean. */
	return nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* Waits for @pid at most @seconds; true if it has ended. */
static bool wait_for(pid_t pid, int *status, double seconds)
{
	const struct timespec slice = { .tv_nsec = 100 * 1000 * 1000 };
	double end = now() + seconds;
	sigset_t chld;

	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	for (;;) {
		if (waitpid(pid, status, WNOHANG) == pid)
			return true;
		if (now() > end)
			return false;
		sigtimedwait(&chld, NULL, &slice);
	}
}

static void run_child(const struct claim *claim, const char *dir, const sigset_t *mask)
{
	sigprocmask(SIG_SETMASK, mask, NULL);
	setpgid(0, 0);
	umask(022);
	if (chdir(dir))
		claim_fail(__FILE__, __LINE__, "chdir %s: %s", dir, strerror(errno));
	claim->run();
	fflush(stdout);
	if (__lsan_do_recoverable_leak_check && __lsan_do_recoverable_leak_check())
		claim_fail(__FILE__, __LINE__, "memory has leaked");
	_exit(0);
}

static void read_reason(char *buf, size_t size)
{
	FILE *f = fopen(skip_reason_path, "r");

	buf[0] = 0;
	if (f) {
		if (!fgets(buf, size, f))
			buf[0] = 0;
		fclose(f);
	}
	unlink(skip_reason_path);
}

/* Tries one claim and prints its line. Returns false where nothing more can be tried. */
static bool try_claim(const struct claim *claim, unsigned int number, const char *root,
		      const sigset_t *mask)
{
	unsigned int seconds = claim->seconds ? claim->seconds : env_number("FERRY_TEST_SECONDS", 60);
	bool alive = true, ok = false;
	char dir[4096], reason[256];
	int status = 0;
	double began = now();
	pid_t pid;

	snprintf(dir, sizeof(dir), "%s/claim-%d-%u", root, (int)getpid(), number);
	if (mkdir(dir, 0755)) {
		claim_note("mkdir %s: %s", dir, strerror(errno));
		printf("not ok %u - %s\n", number, claim->name);
		fflush(stdout);
		return true;
	}
	chmod(dir, 0755);
	pid = fork();
	if (!pid)
		run_child(claim, dir, mask);
	if (!wait_for(pid, &status, seconds)) {
		claim_note("not done after %u s", seconds);
		kill(-pid, SIGKILL);
		kill(pid, SIGKILL);
		alive = wait_for(pid, &status, 10);
		if (!alive)
			claim_note("process %d does not die of SIGKILL", (int)pid);
	} else if (WIFSIGNALED(status)) {
		claim_note("died of signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
	} else {
		ok = WEXITSTATUS(status) == 0;
	}
	kill(-pid, SIGKILL);
	if (alive && remove_tree(dir) && ok) {
		claim_note("cannot remove %s: %s", dir, strerror(errno));
		ok = false;
	}
	read_reason(reason, sizeof(reason));
	if (alive && WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SKIP)
		printf("ok %u - %s # SKIP %s\n", number, claim->name, reason);
	else
		printf("%s %u - %s\n", ok ? "ok" : "not ok", number, claim->name);
	if (getenv("FERRY_TEST_TIMES"))
		claim_note("%.2f s", now() - began);
	fflush(stdout);
	return alive;
}

int claims_main(int argc, char **argv, const struct claim *claims, size_t nr)
{
	unsigned int tried = 0, wanted = 0;
	char reason[] = "/tmp/ferry-claim.XXXXXX";
	sigset_t chld, mask;
	regex_t pattern;
	size_t i;
	int fd;

	if (argc < 2 || argc > 3) {
		fprintf(stderr, "usage: %s DIR [PATTERN]\n", argv[0]);
		return 2;
	}
	if (regcomp(&pattern, argc == 3 ? argv[2] : "", REG_EXTENDED | REG_NOSUB)) {
		fprintf(stderr, "%s: bad pattern %s\n", argv[0], argv[2]);
		return 2;
	}
	if (access(argv[1], W_OK | X_OK)) {
		fprintf(stderr, "%s: %s: %s\n", argv[0], argv[1], strerror(errno));
		return 2;
	}
	fd = mkstemp(reason);
	if (fd < 0) {
		fprintf(stderr, "%s: %s: %s\n", argv[0], reason, strerror(errno));
		return 2;
	}
	close(fd);
	skip_reason_path = reason;
	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	sigprocmask(SIG_BLOCK, &chld, &mask);

	for (i = 0; i < nr; i++)
		wanted += !regexec(&pattern, claims[i].name, 0, NULL, 0);
	printf("TAP version 13\n1..%u\n", wanted);
	fflush(stdout);
	for (i = 0; i < nr; i++) {
		if (regexec(&pattern, claims[i].name, 0, NULL, 0))
			continue;
		if (!try_claim(&claims[i], ++tried, argv[1], &mask)) {
			printf("Bail out! a process cannot be killed\n");
			break;
		}
	}
	unlink(reason);
	regfree(&pattern);
	return 0;
}
