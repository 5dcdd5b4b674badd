// SPDX-License-Identifier: GPL-2.0-only
/*
 * Is what all locks of files have a struct in struct file_lock?
 * Since 6.9, "filelock: split common fields into struct file_lock_core".
 */
#include <linux/filelock.h>

void probe(struct file_lock *lock);
void probe(struct file_lock *lock)
{
	lock->c.flc_flags = FL_FLOCK;
}
