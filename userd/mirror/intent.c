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

/* What a server that died saw before it went to work on @req; NULL: none has. */
static const struct mirror_intent *left_of(struct ferry_req *req)
{
	const struct mirror *m = mirror_of(req);
	const u64 id = ferry_req_id(req);
	u32 i;

	for (i = 0; i < m->nr_left; i++)
		if (m->left[i].id == id)
			return &m->left[i];
	return NULL;
}

/**
 * mirror_intents_resume() - keep what the last server saw, for when its request comes again
 *
 * Others may come before it, and each of them is going to be the one at work. Of every server
 * that died there is one at most, and a request is given up when so many have had it.
 */
void mirror_intents_resume(struct mirror *m)
{
	u32 i;

	for (i = 0; i < m->nr_left; i++)
		if (m->left[i].id == m->intent.id)
			return;
	if (!m->intent.id)
		return;
	ferry_tx_add(m->left, sizeof(m->left));
	ferry_tx_save(m->nr_left);
	/* The oldest one goes. */
	memmove(m->left + 1, m->left, sizeof(m->left) - sizeof(m->left[0]));
	m->left[0] = m->intent;
	m->nr_left = min(m->nr_left + 1, MIRROR_LEFT);
}

static void seen(struct ferry_req *req, bool there, dev_t dev, ino_t ino)
{
	struct mirror_intent *intent = &mirror_of(req)->intent;

	intent->id = 0;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	intent->there = there;
	intent->dev = dev;
	intent->ino = ino;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	intent->id = ferry_req_id(req);
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
}

/*
 * A request is going to change something. Return: NULL: this server is the first that does, and
 * has seen what there is; or what that was before another one began, and died.
 */

/** mirror_intend_name() - a name is going to be made, removed or moved */
const struct mirror_intent *mirror_intend_name(struct ferry_req *req, int dir_fd, const char *name)
{
	const struct mirror_intent *left = left_of(req);
	dev_t dev = 0;
	ino_t ino = 0;
	bool there;

	if (left || !ferry_state_is_kept())
		return left;
	there = mirror_file_at(dir_fd, name, &dev, &ino);
	seen(req, there, dev, ino);
	return NULL;
}

/**
 * mirror_intend_rename() - a file is going to have the new name instead of, or in exchange for,
 *	the old one; @there: it has the old one, and has not both
 */
const struct mirror_intent *mirror_intend_rename(struct ferry_req *req, int dir_fd,
						 const char *name, int new_dir_fd,
						 const char *new_name)
{
	const struct mirror_intent *left = left_of(req);
	dev_t dev = 0, to_dev;
	ino_t ino = 0, to_ino;
	bool there;

	if (left || !ferry_state_is_kept())
		return left;
	there = mirror_file_at(dir_fd, name, &dev, &ino) &&
		(!mirror_file_at(new_dir_fd, new_name, &to_dev, &to_ino) ||
		 to_dev != dev || to_ino != ino);
	seen(req, there, dev, ino);
	return NULL;
}

/** mirror_intend_xattr() - an attribute is going to be set or removed */
const struct mirror_intent *mirror_intend_xattr(struct ferry_req *req, const char *path,
						const char *name)
{
	const struct mirror_intent *left = left_of(req);

	if (!left && ferry_state_is_kept())
		seen(req, getxattr(path, name, NULL, 0) >= 0, 0, 0);
	return left;
}

/** mirror_is_intended() - whether a name stands for the file that an intent is about */
bool mirror_is_intended(const struct mirror_intent *intent, int dir_fd, const char *name)
{
	dev_t dev;
	ino_t ino;

	return mirror_file_at(dir_fd, name, &dev, &ino) && dev == intent->dev && ino == intent->ino;
}
