/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * Claims: a test program states many, each in a process and a directory of its own.
 *
 *	static void missing_is_enoent(void)
 *	{
 *		CHECK_ERR(access("missing", F_OK), ENOENT);
 *	}
 *
 *	static const struct claim claims[] = {
 *		{ "a missing name is ENOENT", missing_is_enoent },
 *	};
 *	CLAIMS_MAIN(claims)
 *
 * `PROG DIR [PATTERN]` tries those whose names match the extended regular
 * expression PATTERN, in DIR, and writes TAP. A claim runs in a process group of
 * its own, in a fresh directory that is removed afterwards, and is killed when
 * its time is up: what is still there after that is a failure by itself.
 * A process that a claim forks should end by _exit(); its CHECKs work.
 */
#ifndef CLAIM_H
#define CLAIM_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

/**
 * struct claim - one claim
 * @name: what is claimed, as a sentence
 * @run: returns if it holds
 * @seconds: time that it may take, 0 for the default (FERRY_TEST_SECONDS or 60)
 */
struct claim {
	const char *name;
	void (*run)(void);
	unsigned int seconds;
};

int claims_main(int argc, char **argv, const struct claim *claims, size_t nr);

#define CLAIMS_MAIN(claims)						\
	int main(int argc, char **argv)					\
	{								\
		return claims_main(argc, argv, claims,			\
				   sizeof(claims) / sizeof((claims)[0])); \
	}

void claim_fail(const char *file, int line, const char *fmt, ...)
	__attribute__((noreturn, format(printf, 3, 4)));
void claim_skip(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));
void claim_note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* The claim does not hold unless @expr is true. */
#define CHECK(expr) do {						\
	if (!(expr))							\
		claim_fail(__FILE__, __LINE__, "not so: %s (errno: %s)", #expr,	\
			   strerror(errno));				\
} while (0)

/* The claim does not hold, and why is told, unless @expr comes true within patience(@seconds). */
#define CHECK_SOON(expr, seconds, ...) do {				\
	double end_ = now() + patience(seconds);			\
	while (!(expr)) {						\
		if (now() > end_)					\
			claim_fail(__FILE__, __LINE__, __VA_ARGS__);	\
		usleep(1000);						\
	}								\
} while (0)

/* Both are integers; shows them. */
#define CHECK_EQ(is, should) do {					\
	long long is_ = (long long)(is), should_ = (long long)(should);	\
	if (is_ != should_)						\
		claim_fail(__FILE__, __LINE__, "%s is %lld%s%s, should be %lld", #is, \
			   is_, is_ == -1 ? ", " : "",			\
			   is_ == -1 ? strerror(errno) : "", should_);	\
} while (0)

/* A system call that must fail with @err. */
#define CHECK_ERR(call, err) do {					\
	long ret_;							\
	errno = 0;							\
	ret_ = (long)(call);						\
	if (ret_ != -1 || errno != (err))				\
		claim_fail(__FILE__, __LINE__, "%s gave %ld (%s), should fail: %s", \
			   #call, ret_, ret_ == -1 ? strerror(errno) : "success", \
			   strerror(err));				\
} while (0)

/* A system call that must succeed; its value. */
#define DO(call) DO_AS(call, __COUNTER__)
#define DO_AS(call, n) DO_INTO(call, n)
#define DO_INTO(call, n) ({						\
	__typeof__(call) do_##n;					\
	errno = 0;							\
	do_##n = (call);						\
	if ((long)do_##n == -1)						\
		claim_fail(__FILE__, __LINE__, "%s: %s", #call, strerror(errno)); \
	do_##n;								\
})

/* Helpers that end the claim when they fail. */

/** make_file() - a file @name with @len bytes that fill_pattern(@seed) makes */
void make_file(const char *name, size_t len, unsigned int seed);
/** check_file() - @name holds exactly what make_file() put there; by read() */
void check_file(const char *name, size_t len, unsigned int seed);
/** fill_pattern() - bytes that depend on @seed and their place @off in a file */
void fill_pattern(void *buf, size_t len, uint64_t off, unsigned int seed);
/** find_difference() - first byte of @buf that is not the pattern's, or -1 */
ssize_t find_difference(const void *buf, size_t len, uint64_t off, unsigned int seed);
/** write_all(), read_all() - until all is done or the file ends */
void write_all(int fd, const void *buf, size_t len);
size_t read_all(int fd, void *buf, size_t len);
size_t pread_all(int fd, void *buf, size_t len, off_t off);
void pwrite_all(int fd, const void *buf, size_t len, off_t off);

/** stat_of() - what lstat() says of @name */
struct stat stat_of(const char *name);
/** xmalloc() - zeroed and page aligned */
void *xmalloc(size_t len);
/** wait_ok() - @pid ends, with status 0 */
void wait_ok(pid_t pid);
/** become() - drop root for @uid, @gid and no other groups; skips if not root */
void become(uid_t uid, gid_t gid);
/** need_root() - skip the claim if the process may not do everything */
void need_root(void);
/** drop_caches() - pages, dentries and inodes; skips if not root */
void drop_caches(void);
/** test_scale() - @n times FERRY_TEST_SCALE percent, at least 1 */
unsigned int test_scale(unsigned int n);
/** test_seed() - FERRY_TEST_SEED or 1; noted in the output by the caller */
unsigned int test_seed(void);
/** next_random() - xorshift; @state must not be 0 */
uint32_t next_random(uint64_t *state);
/** now() - seconds on the monotonic clock */
double now(void);
/**
 * patience() - @seconds, or more of them where claims have more time than usual
 *
 * For what ends soon, or never: a debug kernel is slow.
 */
double patience(double seconds);

#endif
