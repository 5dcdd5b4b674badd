/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * The fs class: what a filesystem backend implements.
 *
 * Nodes are 64-bit numbers that the backend gives out in lookup() and its kin;
 * FERRY_ROOT_NODE is the root. Each reply with a struct ferry_entry counts one
 * lookup of its node, forget() takes counts back; while the count is above zero
 * the client may use the node, also when it has no name any more.
 *
 * Which reply belongs to which operation is said at each. Every operation may
 * be answered by ferry_reply_err() instead. An operation that is NULL is
 * answered with -ENOSYS, which the client understands where FUSE says so: open,
 * opendir, release, flush, fsync, access and forget may be left out.
 */
#ifndef FERRY_FS_H
#define FERRY_FS_H

#include <ferry/backend.h>

#define FERRY_ROOT_NODE		1ULL

/**
 * struct ferry_attr - attributes of a node
 * @node: what stat() shows as its number, st_ino. Programs of 32 bits may be refused one that does
 *	not fit theirs
 * @blocks: in units of 512 bytes
 * @mode: type and permission bits
 * @blksize: preferred I/O size in bytes, 0 for the default
 */
struct ferry_attr {
	u64 node;
	u64 size;
	u64 blocks;
	struct ferry_time atime;
	struct ferry_time mtime;
	struct ferry_time ctime;
	u32 mode;
	u32 nlink;
	u32 uid;
	u32 gid;
	u32 rdev;
	u32 blksize;
};

/* How long the client may rely on an answer, in ns. */
#define FERRY_FOREVER		(~0ULL)

/**
 * struct ferry_entry - a name's node
 * @node: 0 with ferry_reply_entry(): there is no such name, and the client may
 *	remember that for @entry_ns
 * @generation: with @node it never comes again
 * @entry_ns: how long name -> node is valid
 * @attr_ns: how long @attr is valid
 */
struct ferry_entry {
	u64 node;
	u64 generation;
	u64 entry_ns;
	u64 attr_ns;
	struct ferry_attr attr;
};

/* struct ferry_handle.keep */
#define FERRY_OPEN_DIRECT_IO	(1U << 0)	/* bypass the page cache */
#define FERRY_OPEN_KEEP_CACHE	(1U << 1)	/* cached pages are still good */
#define FERRY_OPEN_NONSEEKABLE	(1U << 2)
#define FERRY_OPEN_CACHE_DIR	(1U << 3)	/* the client may cache this listing */
#define FERRY_OPEN_BACKED	(1U << 7)	/* data of this open file is that of @backing_fd */
#define FERRY_OPEN_KILL_SUID	(1U << 31)	/* given to open(): with O_TRUNC, drop S_ISUID,
						 * S_ISGID */

/**
 * struct ferry_handle - an open file
 * @fh: the backend's own number, given back with each operation
 * @flags: O_* of open(), without O_CREAT, O_NOCTTY; O_EXCL with create() alone
 * @keep: FERRY_OPEN_*, set by the backend in its answer. open() finds 0 in it, or
 *	FERRY_OPEN_KILL_SUID; that need not be cleared.
 * @lock_owner: for flush
 * @backing_fd: FERRY_OPEN_BACKED, by open() or create(): a regular file of this process,
 *	open for what @flags say. The kernel may then read, write and map it for the
 *	client, with the credentials of the calling thread, and does not ask for its
 *	data any more. It need not, and in kernel placement does not.
 */
struct ferry_handle {
	u64 fh;
	u32 flags;
	u32 keep;
	u64 lock_owner;
	int backing_fd;
};

/* struct ferry_setattr.valid */
#define FERRY_SET_MODE		(1U << 0)
#define FERRY_SET_UID		(1U << 1)
#define FERRY_SET_GID		(1U << 2)
#define FERRY_SET_SIZE		(1U << 3)
#define FERRY_SET_ATIME		(1U << 4)
#define FERRY_SET_MTIME		(1U << 5)
#define FERRY_SET_ATIME_NOW	(1U << 6)
#define FERRY_SET_MTIME_NOW	(1U << 7)
#define FERRY_SET_CTIME		(1U << 8)
#define FERRY_SET_KILL_SUID	(1U << 9)	/* drop S_ISUID, S_ISGID as the write does */

/** struct ferry_setattr - what to change: the fields that @valid names */
struct ferry_setattr {
	u32 valid;
	u32 mode;
	u32 uid;
	u32 gid;
	u64 size;
	struct ferry_time atime;
	struct ferry_time mtime;
	struct ferry_time ctime;
};

/** struct ferry_statfs - sizes are in units of @frsize bytes */
struct ferry_statfs {
	u64 blocks;
	u64 bfree;
	u64 bavail;
	u64 files;
	u64 ffree;
	u32 bsize;
	u32 frsize;
	u32 namelen;
};

/* write() flags */
#define FERRY_WRITE_CACHE	(1U << 0)	/* from the client's cache; the credentials
						 * are not the writer's */
#define FERRY_WRITE_KILL_SUID	(1U << 1)	/* drop S_ISUID, S_ISGID */

/* rename() flags: as renameat2() */
#define FERRY_RENAME_NOREPLACE	(1U << 0)
#define FERRY_RENAME_EXCHANGE	(1U << 1)

/**
 * struct ferry_fs_ops - the operations of a filesystem
 *
 * @size: sizeof(struct ferry_fs_ops), so that it may grow
 * @init: make @server from its arguments ("size=1G", NULL if none); may sleep.
 *	0 or -errno after a line in the log that says what is wrong
 * @destroy: end of @server; no request is under way any more
 * @lookup: name -> ferry_reply_entry()
 * @forget: @nlookup lookups of @node are forgotten; there is no reply
 * @getattr: ferry_reply_attr(); @handle is NULL unless the client asks by an
 *	open file
 * @setattr: ferry_reply_attr(); @handle as getattr, e.g. for ftruncate()
 * @readlink: ferry_reply_readlink()
 * @mknod: any type but directories; @rdev as in ferry_attr; ferry_reply_entry()
 * @mkdir: ferry_reply_entry(). As with mknod and create, @mode has the type bits.
 * @symlink: ferry_reply_entry()
 * @unlink: ferry_reply_err()
 * @rmdir: ferry_reply_err(); -ENOTEMPTY
 * @rename: ferry_reply_err(); @flags FERRY_RENAME_*
 * @link: new name for @node; ferry_reply_entry()
 * @open: fill @handle->fh and @handle->keep; ferry_reply_open()
 * @create: make and open a regular file; ferry_reply_create()
 * @read: ferry_reply_data(), less than @len at the end of the file only
 * @write: take the data with ferry_req_pull(); ferry_reply_written()
 * @flush: one close() of a file; ferry_reply_err()
 * @release: the last one; ferry_reply_err(), nobody waits for it
 * @fsync: ferry_reply_err(); @datasync: contents only. Also for directories.
 * @opendir: ferry_reply_open()
 * @readdir: ferry_dirent_add() for each name behind @off until it returns false,
 *	then ferry_reply_dir(); @plus: entries carry attributes and count a lookup
 * @releasedir: as release
 * @statfs: ferry_reply_statfs()
 * @setxattr: value by ferry_req_pull(); @flags XATTR_CREATE 1, XATTR_REPLACE 2
 * @getxattr: ferry_reply_xattr()
 * @listxattr: names, each with its NUL, one after another; ferry_reply_xattr()
 * @removexattr: ferry_reply_err()
 * @access: may the caller do @mask (R_OK 4, W_OK 2, X_OK 1); ferry_reply_err()
 * @lseek: SEEK_DATA or SEEK_HOLE; ferry_reply_lseek(), -ENXIO behind the end
 * @fallocate: @mode FALLOC_FL_*; ferry_reply_err()
 */
struct ferry_fs_ops {
	size_t size;

	int (*init)(struct ferry_server *server, const char *args);
	void (*destroy)(struct ferry_server *server);

	void (*lookup)(struct ferry_req *req, u64 parent, const char *name);
	void (*forget)(struct ferry_server *server, u64 node, u64 nlookup);
	void (*getattr)(struct ferry_req *req, u64 node, struct ferry_handle *handle);
	void (*setattr)(struct ferry_req *req, u64 node,
			const struct ferry_setattr *set, struct ferry_handle *handle);
	void (*readlink)(struct ferry_req *req, u64 node);
	void (*mknod)(struct ferry_req *req, u64 parent, const char *name, u32 mode, u32 rdev);
	void (*mkdir)(struct ferry_req *req, u64 parent, const char *name, u32 mode);
	void (*symlink)(struct ferry_req *req, u64 parent, const char *name, const char *target);
	void (*unlink)(struct ferry_req *req, u64 parent, const char *name);
	void (*rmdir)(struct ferry_req *req, u64 parent, const char *name);
	void (*rename)(struct ferry_req *req, u64 parent, const char *name,
		       u64 new_parent, const char *new_name, u32 flags);
	void (*link)(struct ferry_req *req, u64 node, u64 new_parent, const char *new_name);

	void (*open)(struct ferry_req *req, u64 node, struct ferry_handle *handle);
	void (*create)(struct ferry_req *req, u64 parent, const char *name, u32 mode,
		       struct ferry_handle *handle);
	void (*read)(struct ferry_req *req, u64 node, struct ferry_handle *handle,
		     u64 off, u32 len);
	void (*write)(struct ferry_req *req, u64 node, struct ferry_handle *handle,
		      u64 off, u32 len, u32 flags);
	void (*flush)(struct ferry_req *req, u64 node, struct ferry_handle *handle);
	void (*release)(struct ferry_req *req, u64 node, struct ferry_handle *handle);
	void (*fsync)(struct ferry_req *req, u64 node, struct ferry_handle *handle,
		      bool datasync);

	void (*opendir)(struct ferry_req *req, u64 node, struct ferry_handle *handle);
	void (*readdir)(struct ferry_req *req, u64 node, struct ferry_handle *handle,
			u64 off, bool plus);
	void (*releasedir)(struct ferry_req *req, u64 node, struct ferry_handle *handle);

	void (*statfs)(struct ferry_req *req, u64 node);
	void (*setxattr)(struct ferry_req *req, u64 node, const char *name, u32 len, u32 flags);
	void (*getxattr)(struct ferry_req *req, u64 node, const char *name);
	void (*listxattr)(struct ferry_req *req, u64 node);
	void (*removexattr)(struct ferry_req *req, u64 node, const char *name);
	void (*access)(struct ferry_req *req, u64 node, u32 mask);
	void (*lseek)(struct ferry_req *req, u64 node, struct ferry_handle *handle,
		      u64 off, u32 whence);
	void (*fallocate)(struct ferry_req *req, u64 node, struct ferry_handle *handle,
			  u32 mode, u64 off, u64 len);
};

void ferry_reply_entry(struct ferry_req *req, const struct ferry_entry *entry);
void ferry_reply_attr(struct ferry_req *req, const struct ferry_attr *attr, u64 attr_ns);
void ferry_reply_open(struct ferry_req *req, const struct ferry_handle *handle);
void ferry_reply_create(struct ferry_req *req, const struct ferry_entry *entry,
			const struct ferry_handle *handle);
void ferry_reply_readlink(struct ferry_req *req, const char *target);

void ferry_reply_written(struct ferry_req *req, u32 len);
void ferry_reply_statfs(struct ferry_req *req, const struct ferry_statfs *st);
void ferry_reply_lseek(struct ferry_req *req, u64 off);

/**
 * ferry_reply_xattr() - answer getxattr or listxattr
 * @value: its bytes. Whether the client asked for them or for the size alone,
 *	and -ERANGE where they do not fit, is taken care of.
 */
void ferry_reply_xattr(struct ferry_req *req, const void *value, size_t len);

/**
 * ferry_dirent_add() - put one name into the answer to readdir
 * @name: not terminated, @namelen bytes, 1 to 255, without '/'
 * @entry: node, attr.node (0: as node) and attr.mode are used; with plus all of it, and a lookup is
 *	counted for it unless the name is "." or ".."
 * @next: the @off with which readdir goes on behind this name, never 0
 * Return: true: it is in; false: no room, it was not added (and not counted)
 */
bool ferry_dirent_add(struct ferry_req *req, const char *name, size_t namelen,
		      const struct ferry_entry *entry, u64 next);
void ferry_reply_dir(struct ferry_req *req);

#endif
