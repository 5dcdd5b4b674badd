/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* The kernel's side of mounting. */
#ifndef FERRY_FSMOUNT_H
#define FERRY_FSMOUNT_H

struct options;

/**
 * fsmount_ferry() - mount @source in kernel placement
 * @source: BACKEND[:ARGS]
 * Return: 0, or -errno; what went wrong has been said then
 */
int fsmount_ferry(const char *source, const char *dir, const struct options *opts);

/**
 * fsmount_check() - ask the kernel whether it likes the options
 *
 * For ferryd, which mounts by itself but could not say which one was wrong.
 * Return: 0: yes, or it cannot be asked; else as above
 */
int fsmount_check(const struct options *opts);

/** fsmount_remount() - change the generic flags of a mount; Return: as above */
int fsmount_remount(const char *dir, const struct options *opts);

#endif
