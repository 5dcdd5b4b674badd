/* SPDX-License-Identifier: GPL-2.0-only */
/* What differs between kernels about locks of files; see compat.h for the rules. */
#ifndef FERRY_COMPAT_FLOCK_H
#define FERRY_COMPAT_FLOCK_H

#include <linux/fs.h>
#include <linux/sched.h>
#include "compat/have.h"

#ifdef HAVE_FILELOCK_H
#include <linux/filelock.h>
#endif

/* What flock(2) asks for if it is not to wait; @type: F_RDLCK or F_WRLCK. */
static inline void ferry_flock_init(struct file_lock *lock, struct file *file, unsigned int type)
{
	lock->fl_end = OFFSET_MAX;
#ifdef HAVE_FILELOCK_CORE
	lock->c.flc_file = file;
	lock->c.flc_owner = file;
	lock->c.flc_pid = current->tgid;
	lock->c.flc_flags = FL_FLOCK;
	lock->c.flc_type = type;
#else
	lock->fl_file = file;
	lock->fl_owner = file;
	lock->fl_pid = current->tgid;
	lock->fl_flags = FL_FLOCK;
	lock->fl_type = type;
#endif
}

#endif
