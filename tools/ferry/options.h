/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* Mount options: ours, the VFS's and the filesystem's, told apart. */
#ifndef FERRY_OPTIONS_H
#define FERRY_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

/**
 * struct options - a mount option string, taken apart
 * @kernel: placement=kernel was given
 * @wait: the wait style, NULL: the server's choice
 * @queues: 0: the server's choice
 * @depth: slots of a queue, 0: the server's choice
 * @inline_max: bytes of data that go through a slot, alike
 * @spin_us: wait=poll: how long a server looks before it sleeps, 0: its choice
 * @on_death: reissue, kernel or fail, NULL: the backend's choice
 * @grace: seconds that requests wait for another server, 0: the server's choice
 * @timeout: seconds that a request may take, 0: for ever
 * @no_allow_other: the mount is its owner's alone
 * @flags: MS_* of the generic options
 * @vfs: the generic options as text, "ro,nosuid"; never NULL
 * @fs: what is left for ferryfs, "attr_timeout=0"; never NULL
 */
struct options {
	bool kernel;
	char *wait;
	unsigned int queues;
	unsigned int depth;
	unsigned int inline_max;
	unsigned int spin_us;
	char *on_death;
	unsigned int grace;
	unsigned int timeout;
	bool no_allow_other;
	unsigned long flags;
	char *vfs;
	char *fs;
};

/* What wait= may be; ends with NULL. */
extern const char *const options_wait_styles[];

/**
 * options_parse() - take an option string apart
 * @opts: zeroed memory; options_free() it, also after an error
 * @str: as after -o, NULL is ""
 * @err: room for one line that says what is wrong
 *
 * Options for user space alone (x-*, _netdev, nofail, auto ...) are dropped.
 * Of options that contradict each other the last one counts.
 * Return: 0, or -EINVAL, -ENOMEM with @err filled in
 */
int options_parse(struct options *opts, const char *str, char *err, size_t size);
void options_free(struct options *opts);

/** options_drop_unknown() - forget those of opts->fs that ferryfs does not know */
int options_drop_unknown(struct options *opts);

/**
 * options_of_disk() - those of ferry disk add that mean something in the kernel, too
 * @str: as after -o, NULL is ""
 * Return: to be freed; NULL: no memory
 */
char *options_of_disk(const char *str);

/**
 * options_for_ferryd() - the string for ferryd's -o
 * Return: to be freed, may be ""; NULL: no memory
 */
char *options_for_ferryd(const struct options *opts);

#endif
