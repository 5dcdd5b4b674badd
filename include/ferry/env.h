/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * Host services: what a backend may ask of the place it stands in.
 *
 * This is all of it. A backend includes <ferry/...> headers and nothing else,
 * and so compiles as part of a user program and as part of a kernel module. The
 * interface is narrow on purpose: it is not an emulation of the kernel in user
 * space nor of libc in the kernel.
 *
 * Beside the functions below every backend may use
 *  - the types u8 u16 u32 u64 s32 s64 bool size_t,
 *  - memcpy memmove memset memcmp strlen strcmp strncmp strchr snprintf,
 *  - the E* error codes, S_IF* and permission bits, O_* flags, SEEK_*.
 */
#ifndef FERRY_ENV_H
#define FERRY_ENV_H

/* A local variable that the compiler need not zero, where it would: all that is read is set. */
#ifndef __has_attribute
#define FERRY_UNINIT
#elif __has_attribute(__uninitialized__)
#define FERRY_UNINIT	__attribute__((__uninitialized__))
#else
#define FERRY_UNINIT
#endif

/*
 * Types and inline functions of the two hosts. Each header defines:
 *
 * u8 .. s64, FERRY_PAGE_SIZE (4096), FERRY_PRINTF(fmt, args),
 * container_of(), ARRAY_SIZE(), min(), max(), likely(), unlikely(),
 * FERRY_EXPORT(sym): after its definition makes a function one that backends may call.
 *
 * void ferry_yield(void): let others have the processor, in a loop whose length a client
 *	chooses and in which nothing sleeps; locks may be held. For each 64 pages is enough.
 *
 * struct ferry_mutex - sleeping lock, one owner
 *	void ferry_mutex_init(struct ferry_mutex *);
 *	void ferry_mutex_lock(struct ferry_mutex *);
 *	void ferry_mutex_unlock(struct ferry_mutex *);
 *	void ferry_mutex_destroy(struct ferry_mutex *);
 *
 * struct ferry_rwlock - sleeping lock, many readers or one writer
 *	void ferry_rwlock_init(struct ferry_rwlock *);
 *	void ferry_read_lock(struct ferry_rwlock *);
 *	void ferry_read_unlock(struct ferry_rwlock *);
 *	void ferry_write_lock(struct ferry_rwlock *);
 *	void ferry_write_unlock(struct ferry_rwlock *);
 *	void ferry_rwlock_destroy(struct ferry_rwlock *);
 *
 * struct ferry_atomic - a 64-bit counter; all operations are fully ordered
 *	s64  ferry_atomic_read(const struct ferry_atomic *);
 *	void ferry_atomic_set(struct ferry_atomic *, s64);
 *	s64  ferry_atomic_add(struct ferry_atomic *, s64);	the new value
 */
#ifdef __KERNEL__
#include <ferry/env_kernel.h>
#else
#include <ferry/env_user.h>
#endif

/**
 * ferry_alloc() - zeroed memory
 * @size: bytes
 * Context: may sleep.
 * Return: memory aligned for any type, or NULL. To be freed by ferry_free().
 */
void *ferry_alloc(size_t size);

/** ferry_free() - give back what ferry_alloc() gave; NULL is allowed */
void ferry_free(void *p);

/**
 * ferry_page_alloc() - one zeroed page of FERRY_PAGE_SIZE bytes, page aligned
 * Context: may sleep.
 * Return: the page, or NULL. To be freed by ferry_page_free().
 */
void *ferry_page_alloc(void);

/** ferry_page_alloc_raw() - the same, with any bytes in it: for who overwrites all of them */
void *ferry_page_alloc_raw(void);
void ferry_page_free(void *page);

/** struct ferry_time - time since 1970-01-01 UTC; @nsec is below 10^9 */
struct ferry_time {
	s64 sec;
	u32 nsec;
};

/** ferry_now() - wall-clock time, of the granularity that the host stamps files with */
void ferry_now(struct ferry_time *t);

/** ferry_sleep() - wait @us microseconds, or a little longer; not for a signal's sake */
void ferry_sleep(u64 us);

/** ferry_random() - @len unpredictable bytes at @buf */
void ferry_random(void *buf, size_t len);

/*
 * Files of the host, regular ones and block devices. All of these may sleep, and none
 * takes a lock of the backend's client: a backend that calls them sets what its
 * class has for that (server->block.does_io).
 */
struct ferry_file;

/* ferry_file_open(), @flags */
#define FERRY_FILE_WRITE	(1U << 0)	/* it is written to as well */
#define FERRY_FILE_DIRECT	(1U << 1)	/* past the page cache */

/**
 * ferry_file_open() - open a file of the host
 * @path: absolute; looked up with the rights of whoever starts the server
 * @flags: FERRY_FILE_*. A block device is held exclusively: -EBUSY if it is mounted. A regular
 *	file is locked as by flock(2), shared if it is not written to, where its filesystem has
 *	locks: -EBUSY if somebody else has.
 * @file: out, to be closed by ferry_file_close()
 * Return: 0, -EINVAL: neither regular file nor block device, or the filesystem has no
 *	direct I/O; or what open() says
 */
int ferry_file_open(const char *path, u32 flags, struct ferry_file **file);
void ferry_file_close(struct ferry_file *file);

/**
 * ferry_file_again() - may what failed for a file that is in use be tried once more?
 * @err: what it failed with
 * @tries: 0 at first
 *
 * Who has it may be about to let it go. Waits for that, a second in all.
 * Return: false: it was not -EBUSY, or has been for so long
 */
static inline bool ferry_file_again(int err, unsigned int *tries)
{
	if (err != -EBUSY || ++*tries == 200)
		return false;
	ferry_sleep(5000);
	return true;
}

/** ferry_file_size() - bytes of a file or device as it is now; or -errno */
s64 ferry_file_size(const struct ferry_file *file);

/** ferry_file_block() - offset and length of direct I/O are multiples of this */
u32 ferry_file_block(const struct ferry_file *file);

/**
 * struct ferry_file_id - which file it is, whatever its path means by now; on both sides of the
 *	line the same
 * @dev: of a regular file: its filesystem
 * @ino: of a regular file: its number there
 * @rdev: of a block device: its number; else 0
 * @since: when the file was made, or which one of all disks since the host's start the device is;
 *	0: the host does not say
 */
struct ferry_file_id {
	u64 dev;
	u64 ino;
	u64 rdev;
	u64 since;
};

/** ferry_file_id() - which file is it? 0 or -errno */
int ferry_file_id(const struct ferry_file *file, struct ferry_file_id *id);

/** ferry_file_id_at() - which file does an absolute path mean? It is not opened. 0 or -errno */
int ferry_file_id_at(const char *path, struct ferry_file_id *id);

static inline bool ferry_file_id_same(const struct ferry_file_id *a, const struct ferry_file_id *b)
{
	return a->dev == b->dev && a->ino == b->ino && a->rdev == b->rdev &&
	       (a->since == b->since || !a->since || !b->since);
}

struct ferry_iov;

/**
 * ferry_file_read() - read at an offset
 * @iov: where to; with FERRY_FILE_DIRECT memory of ferry_page_alloc()
 * Return: bytes, less than asked for at the end of the file; or -errno
 */
ssize_t ferry_file_read(struct ferry_file *file, u64 off, const struct ferry_iov *iov,
			unsigned int nr_iov);

/**
 * ferry_file_write() - write at an offset
 * @iov: as with ferry_file_read()
 * @sync: return when it is safe
 * Return: bytes; or -errno
 */
ssize_t ferry_file_write(struct ferry_file *file, u64 off, const struct ferry_iov *iov,
			 unsigned int nr_iov, bool sync);

/** ferry_file_flush() - what was written is safe when this returns 0 */
int ferry_file_flush(struct ferry_file *file);

/**
 * ferry_file_zero() - make a piece read as zeros, within the file's size
 * @keep: keep its room; else give it back to the filesystem or device
 * Return: 0, -EOPNOTSUPP: this filesystem or device cannot
 */
int ferry_file_zero(struct ferry_file *file, u64 off, u64 len, bool keep);

/** ferry_file_can_zero() - does ferry_file_zero() work, as far as that can be asked? */
bool ferry_file_can_zero(struct ferry_file *file);

enum ferry_log_level {
	FERRY_LOG_ERR,
	FERRY_LOG_WARN,
	FERRY_LOG_INFO,
	FERRY_LOG_DEBUG,
};

/**
 * ferry_log() - one line for the log: standard error or the journal of the
 *	daemon, the kernel log of the module
 * @level: lines above the level that the host was told to show are dropped
 * @fmt: as printf(); without newline at the end
 */
void ferry_log(enum ferry_log_level level, const char *fmt, ...) FERRY_PRINTF(2, 3);

/**
 * ferry_opt_find() - look an option up in a backend's argument string
 * @args: "name=value,name,name=value" or NULL
 * @name: the option
 * @len: out, length of the value; 0 for an option without '='
 * Return: the value (not terminated by NUL but by @len), or NULL if there is no
 *	such option. For an option without '=' it points at its end.
 */
const char *ferry_opt_find(const char *args, const char *name, size_t *len);

/** ferry_opt_has() - is the option given, with a value or without? As ferry_opt_find() */
static inline bool ferry_opt_has(const char *args, const char *name)
{
	size_t len;

	return ferry_opt_find(args, name, &len);
}

/**
 * ferry_opt_size() - read a number with an optional suffix K, M, G, T (powers of 1024)
 * @args, @name: as ferry_opt_find()
 * @value: in: default; out: what @args says
 * Return: 0, also where the option is not given; -EINVAL: no number; -ERANGE:
 *	it does not fit
 */
int ferry_opt_size(const char *args, const char *name, u64 *value);

/**
 * ferry_opt_mode() - read permission bits, in octal: 0 to 7777
 * @args, @name: as ferry_opt_find()
 * @mode: left alone if the option is not there
 * Return: 0, -EINVAL: not octal, -ERANGE: more than 7777
 */
int ferry_opt_mode(const char *args, const char *name, u32 *mode);

/**
 * ferry_opt_check() - refuse options that nobody knows
 * @args: as ferry_opt_find()
 * @known: NULL-terminated array of names
 * Return: 0, or -EINVAL after a line in the log which names the unknown one, and @known.
 *	A backend's init() takes ferry_args_check(), which names the backend too.
 */
int ferry_opt_check(const char *args, const char *const *known);

#endif
