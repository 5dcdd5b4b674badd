/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * Fault injection, one allocation at a time: /proc/thread-self/fail-nth. For kernels with
 * CONFIG_FAULT_INJECTION; faults.sh says which allocations may fail.
 */
#ifndef FAULTS_H
#define FAULTS_H

#include <fcntl.h>
#include <unistd.h>

#include "claim.h"

static int nth_fd = -1;

/* The @n-th allocation of this task fails; 0: none. */
static void fail_nth(int n)
{
	char number[16];
	int len = snprintf(number, sizeof(number), "%d", n);

	if (nth_fd < 0)
		nth_fd = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	if (nth_fd < 0)
		claim_skip("no fault injection: %s", strerror(errno));
	CHECK_EQ(pwrite(nth_fd, number, len, 0), len);
}

static bool has_failed(void)
{
	char number[16] = "";

	CHECK(pread(nth_fd, number, sizeof(number) - 1, 0) > 0);
	return atoi(number) == 0;
}

/*
 * @op, once for each of its allocations, which fails; and once without. It returns 0, or -1
 * and errno, which is to be ENOMEM: or nothing, where there was another way. @undo: after one
 * that went well; @maybe: and after others, as it may have been done and not been told.
 */
static void each_fault_of(const char *what, int (*op)(void), void (*undo)(void), bool maybe)
{
	bool failed = true;
	int n, ret, err;

	for (n = 1; failed; n++) {
		fail_nth(n);
		errno = 0;
		ret = op();
		err = errno;
		failed = has_failed();
		fail_nth(0);
		if (ret && (!failed || err != ENOMEM))
			claim_fail(__FILE__, __LINE__, "%s: with allocation %d %s: %s", what, n,
				   failed ? "failing" : "never reached", strerror(err));
		if (undo && (!ret || maybe))
			undo();
		if (n > 2000)
			claim_fail(__FILE__, __LINE__, "%s: no end of allocations", what);
	}
	claim_note("%s: %d allocations", what, n - 2);
}

static void each_fault(const char *what, int (*op)(void), void (*undo)(void))
{
	each_fault_of(what, op, undo, false);
}

#endif
