// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * What the host was like before a request changed it.
 *
 * The state is put back when the process dies in the middle of a request; the host is
 * not. The next process is given the same request, by the same number, and finds here
 * what the dead one saw before it went to work: so it knows whose work it is that a name is
 * there already, or is not there any more. An intent is no part of a transaction, and stays
 * when that is undone.
 */
#include <sys/xattr.h>

#include "mirror.h"

/*
 * Begin: look, unless a server that died has looked for the same request.
 * Return: that is so, and m->intent is what it saw
 */
static bool is_again(struct ferry_req *req, struct mirror_intent **intent)
{
	*intent = &mirror_of(req)->intent;
	if (!ferry_state_is_kept())
		return false;
	return (*intent)->id == ferry_req_id(req);
}

static void seen(struct ferry_req *req, bool there, const struct stat *st)
{
	struct mirror_intent *intent = &mirror_of(req)->intent;

	intent->id = 0;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	intent->there = there;
	intent->dev = st->st_dev;
	intent->ino = st->st_ino;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	intent->id = ferry_req_id(req);
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
}

/** mirror_intend_name() - a name is going to be made, removed or moved */
bool mirror_intend_name(struct ferry_req *req, int dir_fd, const char *name)
{
	struct mirror_intent *intent;
	struct stat st = { 0 };

	if (is_again(req, &intent))
		return true;
	if (ferry_state_is_kept())
		seen(req, !fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW), &st);
	return false;
}

/**
 * mirror_intend_rename() - a file is going to have the new name instead of, or in exchange for,
 *	the old one; @there: it has the old one, and has not both
 */
bool mirror_intend_rename(struct ferry_req *req, int dir_fd, const char *name, int new_dir_fd,
			  const char *new_name)
{
	struct mirror_intent *intent;
	struct stat st = { 0 }, to;
	bool there;

	if (is_again(req, &intent))
		return true;
	if (!ferry_state_is_kept())
		return false;
	there = !fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) &&
		(fstatat(new_dir_fd, new_name, &to, AT_SYMLINK_NOFOLLOW) ||
		 to.st_dev != st.st_dev || to.st_ino != st.st_ino);
	seen(req, there, &st);
	return false;
}

/** mirror_intend_xattr() - an attribute is going to be set or removed */
bool mirror_intend_xattr(struct ferry_req *req, const char *path, const char *name)
{
	const struct stat none = { 0 };
	struct mirror_intent *intent;

	if (is_again(req, &intent))
		return true;
	if (ferry_state_is_kept())
		seen(req, getxattr(path, name, NULL, 0) >= 0, &none);
	return false;
}

/** mirror_is_intended() - whether a name stands for the file that the intent is about */
bool mirror_is_intended(const struct mirror *m, int dir_fd, const char *name)
{
	struct stat st;

	return !fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) &&
	       st.st_dev == m->intent.dev && st.st_ino == m->intent.ino;
}
