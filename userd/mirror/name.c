// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* Operations on names. */
#include <linux/capability.h>
#include <limits.h>
#include <sys/fsuid.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#include "mirror.h"

static struct __user_cap_header_struct cap_header = { .version = _LINUX_CAPABILITY_VERSION_3 };
static struct __user_cap_data_struct caps[_LINUX_CAPABILITY_U32S_3];
static bool privileged;

/* mirror_caps_init() - learn what this process may do */
void mirror_caps_init(void)
{
	privileged = !geteuid() && !syscall(SYS_capget, &cap_header, caps);
}

/*
 * New files shall belong to the caller from the begin, so the thread makes them
 * with the caller's ids. That takes its capabilities away, which are put back:
 * whether the caller may write to the directory has been checked already, by the
 * client, who also knows the caller's other groups.
 */
static void become_caller(const struct ferry_req *req)
{
	const struct ferry_cred *cred = ferry_req_cred(req);

	if (!privileged)
		return;
	setfsgid(cred->gid);
	setfsuid(cred->uid);
	if (cred->uid)
		syscall(SYS_capset, &cap_header, caps);
}

static void become_self(void)
{
	if (!privileged)
		return;
	setfsuid(0);
	setfsgid(0);
}

static void reply_entry(struct ferry_req *req, int err, const struct ferry_entry *entry)
{
	if (err)
		ferry_reply_err(req, err);
	else
		ferry_reply_entry(req, entry);
}

/* The node of a request's number, or the request is answered. */
static struct mirror_node *get(struct ferry_req *req, u64 id)
{
	struct mirror_node *node = mirror_get(mirror_of(req), id);

	if (!node)
		ferry_reply_err(req, -ESTALE);
	return node;
}

void mirror_lookup(struct ferry_req *req, u64 parent, const char *name)
{
	struct mirror *m = mirror_of(req);
	struct mirror_node *dir = get(req, parent);
	struct ferry_entry entry = { 0 };
	int err;

	if (!dir)
		return;
	err = mirror_entry_at(req, dir->fd, name, &entry);
	mirror_put(m, dir);
	if (err == -ENOENT) {
		/* the client may remember that there is none */
		entry.entry_ns = m->valid_ns;
		err = 0;
	}
	reply_entry(req, err, &entry);
}

/* What mknod(), mkdir() and symlink() have in common: make, and look up. */
static void make(struct ferry_req *req, u64 parent, const char *name, mode_t mode, dev_t rdev,
		 const char *target)
{
	struct mirror *m = mirror_of(req);
	struct mirror_node *dir = get(req, parent);
	const struct mirror_intent *left;
	struct ferry_entry entry;
	int err;

	if (!dir)
		return;
	left = mirror_intend_name(req, dir->fd, name);
	become_caller(req);
	if (S_ISDIR(mode))
		err = mkdirat(dir->fd, name, mode & 07777);
	else if (S_ISLNK(mode))
		err = symlinkat(target, dir->fd, name);
	else
		err = mknodat(dir->fd, name, mode, rdev);
	err = err ? -errno : 0;
	become_self();
	if (err == -EEXIST && left && !left->there)
		err = 0;
	if (!err)
		err = mirror_entry_at(req, dir->fd, name, &entry);
	mirror_put(m, dir);
	reply_entry(req, err, &entry);
}

void mirror_mknod(struct ferry_req *req, u64 parent, const char *name, u32 mode, u32 rdev)
{
	make(req, parent, name, mode,
	     makedev(rdev >> 8 & 0xfff, (rdev & 0xff) | (rdev >> 12 & ~0xffU)), NULL);
}

void mirror_mkdir(struct ferry_req *req, u64 parent, const char *name, u32 mode)
{
	make(req, parent, name, S_IFDIR | (mode & 07777), 0, NULL);
}

void mirror_symlink(struct ferry_req *req, u64 parent, const char *name, const char *target)
{
	make(req, parent, name, S_IFLNK, 0, target);
}

void mirror_create(struct ferry_req *req, u64 parent, const char *name, u32 mode,
		   struct ferry_handle *handle)
{
	/* Somebody else's fifo of that name must not keep us. */
	int flags = O_CREAT | O_NONBLOCK | (handle->flags & O_EXCL) |
		    mirror_open_flags(handle->flags);
	struct mirror *m = mirror_of(req);
	struct mirror_node *dir = get(req, parent);
	const struct mirror_intent *left;
	struct ferry_entry entry = { 0 };
	char path[PROC_PATH];
	int fd, path_fd, err;
	dev_t dev;
	ino_t ino;

	if (!dir)
		return;
	left = mirror_intend_name(req, dir->fd, name);
	/* It was made by the server that died. */
	if (left && !left->there && mirror_file_at(dir->fd, name, &dev, &ino))
		flags &= ~O_EXCL;
	become_caller(req);
	fd = mirror_open_at(req, dir->fd, name, flags, mode & 07777);
	become_self();
	mirror_put(m, dir);
	if (fd < 0) {
		ferry_reply_err(req, fd);
		return;
	}
	/* the same file, whatever the name stands for by now */
	path_fd = open(mirror_proc_path(fd, path), O_PATH | O_CLOEXEC);
	err = path_fd < 0 ? -errno : mirror_entry(m, path_fd, &entry);
	if (err) {
		close(fd);
		ferry_reply_err(req, err);
		return;
	}
	/* It is the file that is served from here on, and who reads it waits. */
	if (S_ISREG(entry.attr.mode))
		fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
	fd = ferry_state_keep_fd(fd);
	if (fd < 0) {
		mirror_forget(ferry_req_server(req), entry.node, 1);
		ferry_reply_err(req, fd);
		return;
	}
	mirror_handle(m, handle, fd);
	ferry_reply_create(req, &entry, handle);
}

static void remove_name(struct ferry_req *req, u64 parent, const char *name, int flags)
{
	struct mirror *m = mirror_of(req);
	struct mirror_node *dir = get(req, parent);
	const struct mirror_intent *left;
	int err;

	if (!dir)
		return;
	left = mirror_intend_name(req, dir->fd, name);
	if (left && left->there && !mirror_is_intended(left, dir->fd, name))
		err = 0;	/* by the server that died */
	else
		err = unlinkat(dir->fd, name, flags) ? -errno : 0;
	mirror_put(m, dir);
	ferry_reply_err(req, err);
}

void mirror_unlink(struct ferry_req *req, u64 parent, const char *name)
{
	remove_name(req, parent, name, 0);
}

void mirror_rmdir(struct ferry_req *req, u64 parent, const char *name)
{
	remove_name(req, parent, name, AT_REMOVEDIR);
}

void mirror_rename(struct ferry_req *req, u64 parent, const char *name, u64 new_parent,
		   const char *new_name, u32 flags)
{
	struct mirror *m = mirror_of(req);
	struct mirror_node *dir = get(req, parent);
	const struct mirror_intent *left;
	struct mirror_node *new_dir;
	int err;

	if (!dir)
		return;
	new_dir = get(req, new_parent);
	if (!new_dir) {
		mirror_put(m, dir);
		return;
	}
	left = mirror_intend_rename(req, dir->fd, name, new_dir->fd, new_name);
	if (left && left->there && mirror_is_intended(left, new_dir->fd, new_name))
		err = 0;	/* by the server that died */
	else
		err = renameat2(dir->fd, name, new_dir->fd, new_name, flags) ? -errno : 0;
	mirror_put(m, new_dir);
	mirror_put(m, dir);
	ferry_reply_err(req, err);
}

void mirror_link(struct ferry_req *req, u64 id, u64 new_parent, const char *new_name)
{
	struct mirror *m = mirror_of(req);
	struct mirror_node *node = get(req, id);
	const struct mirror_intent *left;
	struct mirror_node *dir;
	struct ferry_entry entry;
	char path[PROC_PATH];
	int err;

	if (!node)
		return;
	dir = get(req, new_parent);
	if (!dir) {
		mirror_put(m, node);
		return;
	}
	left = mirror_intend_name(req, dir->fd, new_name);
	err = linkat(AT_FDCWD, mirror_proc_path(node->fd, path), dir->fd, new_name,
		     AT_SYMLINK_FOLLOW) ? -errno : 0;
	if (err == -EEXIST && left && !left->there)
		err = 0;
	if (!err)
		err = mirror_entry_at(req, dir->fd, new_name, &entry);
	mirror_put(m, dir);
	mirror_put(m, node);
	reply_entry(req, err, &entry);
}

void mirror_readlink(struct ferry_req *req, u64 id)
{
	struct mirror *m = mirror_of(req);
	struct mirror_node *node = get(req, id);
	char target[PATH_MAX];
	ssize_t len;

	if (!node)
		return;
	len = readlinkat(node->fd, "", target, sizeof(target) - 1);
	if (len < 0)
		/* an empty path is no link where the file is none */
		len = errno == ENOENT ? -EINVAL : -errno;
	mirror_put(m, node);
	if (len < 0) {
		ferry_reply_err(req, len);
		return;
	}
	target[len] = '\0';
	ferry_reply_readlink(req, target);
}
