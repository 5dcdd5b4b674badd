// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Descriptors that outlive the process, because the one that watches over it shares its
 * table. Their numbers are chosen here, so that the log knows one before it is there.
 */
#include <dirent.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "state.h"

#define BITS	64
#define STEP	64	/* words that are added at a time */

/* Which numbers from FERRY_KEPT_FD on are taken; of this process, covered by the gate. */
static u64 *taken;
static u32 nr_words;
static u32 full_words;		/* the first so many have no free one */
static bool known;		/* all of this */

static bool grow_to(u32 words)
{
	u64 *more = realloc(taken, words * sizeof(*more));

	if (!more)
		return false;
	memset(more + nr_words, 0, (words - nr_words) * sizeof(*more));
	taken = more;
	nr_words = words;
	return true;
}

static bool take(u32 nr)
{
	if (nr / BITS >= nr_words && !grow_to(nr / BITS + STEP))
		return false;
	taken[nr / BITS] |= 1ULL << nr % BITS;
	return true;
}

/*
 * Find those that another process left. Until that has been done no number is free: what an open
 * file of a client's is known by would become another file. Return: 0; -errno, but not -ENOENT,
 * which would tell a client something else
 */
static int know(void)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *de;
	int err = 0;

	if (!dir)
		return errno == ENOENT ? -EIO : -errno;
	while (!err && (errno = 0, de = readdir(dir))) {
		int fd = atoi(de->d_name);

		if (fd >= FERRY_KEPT_FD && fd != dirfd(dir) && !take(fd - FERRY_KEPT_FD))
			err = -ENOMEM;
	}
	if (!err && errno)
		err = -errno;
	closedir(dir);
	known = !err;
	return err;
}

/* Where it fails, it is tried again when there is something to keep. */
void state_fd_init(void)
{
	free(taken);
	taken = NULL;
	nr_words = 0;
	full_words = 0;
	known = false;
	know();
}

/* The numbers begin where a process' limit may be. */
static bool raise_limit(void)
{
	struct rlimit lim;

	if (getrlimit(RLIMIT_NOFILE, &lim) || lim.rlim_cur == lim.rlim_max)
		return false;
	lim.rlim_cur = lim.rlim_max;
	return !setrlimit(RLIMIT_NOFILE, &lim);
}

static int move_to(int fd, int kept)
{
	while (dup3(fd, kept, O_CLOEXEC) < 0) {
		if (errno != EBADF)
			return -errno;
		if (!raise_limit())
			return -EMFILE;
	}
	return 0;
}

int ferry_state_keep_fd(int fd)
{
	int kept, err = 0;

	if (!ferry_state_kept)
		return fd;
	if (!known)
		err = know();
	if (err) {
		close(fd);
		return err;
	}
	while (full_words < nr_words && !~taken[full_words])
		full_words++;
	kept = full_words * BITS;
	if (full_words < nr_words)
		kept += __builtin_ctzll(~taken[full_words]);
	if (!take(kept)) {
		close(fd);
		return -ENOMEM;
	}
	kept += FERRY_KEPT_FD;
	state_tx_note((void *)(intptr_t)kept, NOTE_OPEN);
	err = move_to(fd, kept);
	if (err)
		state_fd_close(kept);
	close(fd);
	return err ? err : kept;
}

void ferry_state_close_fd(int fd)
{
	if (ferry_state_kept)
		state_tx_note((void *)(intptr_t)fd, NOTE_CLOSE);
	else
		close(fd);
}

void state_fd_close(int fd)
{
	const u32 nr = fd - FERRY_KEPT_FD;

	close(fd);
	if (nr / BITS >= nr_words)
		return;
	taken[nr / BITS] &= ~(1ULL << nr % BITS);
	full_words = min(full_words, nr / BITS);
}
