// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* Directories: a handle is a descriptor, an offset is the host's d_off. */
#include "mirror.h"

#define DIRENT_MAX	280	/* bytes of struct dirent64 with a name of 255 */

void mirror_opendir(struct ferry_req *req, u64 id, struct ferry_handle *handle)
{
	struct mirror *m = mirror_of(req);
	struct mirror_node *node = mirror_get(m, id);
	int fd, err;

	if (!node) {
		ferry_reply_err(req, -ESTALE);
		return;
	}
	fd = openat(node->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	err = fd < 0 ? -errno : 0;
	mirror_put(m, node);
	if (err) {
		ferry_reply_err(req, err);
		return;
	}
	fd = ferry_state_keep_fd(fd);
	if (fd < 0) {
		ferry_reply_err(req, fd);
		return;
	}
	handle->fh = fd;
	handle->keep = 0;
	ferry_reply_open(req, handle);
}

static bool is_dot(const char *name)
{
	return !strcmp(name, ".") || !strcmp(name, "..");
}

/*
 * One name of a directory that is on @dev: 1, 0 if it is gone meanwhile, -ENOBUFS if there is no room.
 */
static int add(struct ferry_req *req, int fd, dev_t dev, const struct dirent64 *de, bool plus)
{
	const u64 ino = mirror_ino(mirror_of(req), dev, de->d_ino);
	struct ferry_entry entry = { 0 };
	size_t len = strlen(de->d_name);
	int err = -EINVAL;

	if (plus && !is_dot(de->d_name))
		err = mirror_entry_at(req, fd, de->d_name, &entry);
	if (err == -ENOENT)
		return 0;
	/* What cannot be looked up is listed all the same: whoever does that is told why. */
	if (err)
		entry = (struct ferry_entry){
			.node = plus ? 0 : ino,
			.attr.node = ino,
			.attr.mode = DTTOIF(de->d_type),
		};
	if (ferry_dirent_add(req, de->d_name, len, &entry, de->d_off))
		return 1;
	if (!err)
		mirror_forget(ferry_req_server(req), entry.node, 1);
	return -ENOBUFS;
}

/*
 * Names from where @fd stands on. Returns how many, 0 only at the end: that is
 * what an empty answer means.
 */
static int add_names(struct ferry_req *req, int fd, dev_t dev, char *buf, size_t size, bool plus)
{
	int added = 0, ret = 0;
	ssize_t n, at;

	while (!added) {
		n = getdents64(fd, buf, size);
		if (n < 0)
			return -errno;
		if (!n)
			break;
		for (at = 0; at < n; at += ((struct dirent64 *)(buf + at))->d_reclen) {
			ret = add(req, fd, dev, (struct dirent64 *)(buf + at), plus);
			if (ret < 0)
				return added ? added : ret;
			added += ret;
		}
	}
	return added;
}

/*
 * What is read from the host is at most what fits the answer, so that the next
 * request goes on where the descriptor stands: there are filesystems that seek
 * by counting names. An answer's entry is longer than the host's, at the worst
 * 32 bytes for 24, with attributes 160 for 24.
 */
static size_t host_bytes(u32 room, bool plus)
{
	return plus ? room / 20 * 3 : room / 4 * 3;
}

void mirror_readdir(struct ferry_req *req, u64 id, struct ferry_handle *handle, u64 off,
		    bool plus)
{
	struct mirror *m = mirror_of(req);
	pthread_mutex_t *lock = &m->dir_lock[handle->fh % ARRAY_SIZE(m->dir_lock)];
	size_t size = max(host_bytes(ferry_req_data_len(req), plus), (size_t)DIRENT_MAX);
	struct mirror_node *node = mirror_get(m, id);
	char *buf = mirror_buffer();
	int fd = handle->fh, ret;
	dev_t dev;

	if (!node || !buf) {
		if (node)
			mirror_put(m, node);
		ferry_reply_err(req, node ? -ENOMEM : -ESTALE);
		return;
	}
	dev = node->dev;
	mirror_put(m, node);
	pthread_mutex_lock(lock);
	if (lseek(fd, 0, SEEK_CUR) != (off_t)off && lseek(fd, off, SEEK_SET) < 0)
		ret = -errno;
	else
		ret = add_names(req, fd, dev, buf, min(size, (size_t)MIRROR_BUFFER), plus);
	pthread_mutex_unlock(lock);
	if (ret < 0)
		ferry_reply_err(req, ret == -ENOBUFS ? -EINVAL : ret);
	else
		ferry_reply_dir(req);
}
