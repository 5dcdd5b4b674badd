/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * mirror: serves a directory of the host. What its files share.
 *
 * A node is an O_PATH descriptor. All work is done through it, by *at() calls or
 * by its name in /proc/self/fd, so that no path is ever walked twice; symbolic
 * links are never followed, and with them nobody leaves the tree. A node is
 * known by device and inode number, which the descriptor keeps from being used
 * again: two names of a file are one node.
 *
 * The tree may hold the place where it is mounted itself, or what is bound from there elsewhere.
 * Such a name stands for what lies under the mount: to go into it would be to ask ourselves
 * something, and wait for the answer, while we are at work on another request.
 *
 * The table of nodes lies in the state (state.h), so that another process can go on when
 * this one is killed; the descriptors are kept with it. What the host was asked to do and
 * would refuse to do twice is told by an intent, see intent.c.
 *
 * Permissions are the client's business (default_permissions), but for attributes in "system.", for
 * which that has none: see xattr.c. New files belong
 * to the caller, see become_caller() in name.c.
 */
#ifndef MIRROR_H
#define MIRROR_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include <ferry/fs.h>
#include <ferry/state.h>

#define MIRROR_BUFFER	(1U << 20)	/* the most data that one request moves */
#define PROC_PATH	32		/* room for a mirror_proc_path() */
#define MIRROR_LEFT	16U		/* servers that may die of a request before it fails */

/**
 * struct mirror_node - a file of the host that the client knows
 * @chain: next in its hash bucket
 * @id: its number: index in the table, and above it a generation
 * @dev, @ino: which file
 * @type: S_IF*
 * @fd: O_PATH
 * @nlookup: lookups that the client has not taken back
 * @users: operations that use it at the moment; of this process
 */
struct mirror_node {
	struct mirror_node *chain;
	u64 id;
	dev_t dev;
	ino_t ino;
	mode_t type;
	int fd;
	u64 nlookup;
	unsigned int users;
};

/**
 * struct mirror_intent - what the host was like before a request changed it; see intent.c
 * @id: the request's; 0: none. Written last.
 * @there: the name, or attribute, that it is about was there; see mirror_intend_rename()
 * @dev, @ino: if so, which file it was
 */
struct mirror_intent {
	u64 id;
	bool there;
	dev_t dev;
	ino_t ino;
};

/**
 * struct mirror - one server
 * @lock: covers the table of nodes: everything below up to @dir_lock, and the
 *	chain, nlookup and users of the nodes; the innermost lock
 * @slot: index -> node or NULL
 * @nr_slots: allocated
 * @free: indices that are free, a stack
 * @nr_free: how many
 * @generation: of the next node
 * @bucket: (dev, ino) -> node
 * @nr_buckets: a power of two
 * @nr_nodes: alive
 * @dir_lock: of descriptors of directories, by number: seek and read belong
 *	together
 * @root_dev: the device that the root is on
 * @valid_ns: how long the client may believe an answer
 * @passthrough: the kernel is given the files it opens
 * @intent: of the request that changes something, of which there is one at a time
 * @left: those that servers left which died, the latest first
 * @nr_left: how many
 */
struct mirror {
	pthread_mutex_t lock;
	struct mirror_node **slot;
	u32 nr_slots;
	u32 *free;
	u32 nr_free;
	u32 generation;
	struct mirror_node **bucket;
	u32 nr_buckets;
	u32 nr_nodes;

	pthread_mutex_t dir_lock[16];
	dev_t root_dev;
	u64 valid_ns;
	bool passthrough;
	struct mirror_intent intent;
	struct mirror_intent left[MIRROR_LEFT];
	u32 nr_left;
};

static inline struct mirror *mirror_of(const struct ferry_req *req)
{
	return ferry_req_server(req)->priv;
}

/* node.c */
int mirror_nodes_init(struct mirror *m, int root_fd);
int mirror_nodes_resume(struct mirror *m);
void mirror_nodes_destroy(struct mirror *m);
struct mirror_node *mirror_get(struct mirror *m, u64 id);
void mirror_put(struct mirror *m, struct mirror_node *node);
void mirror_forget(struct ferry_server *server, u64 id, u64 nlookup);
int mirror_entry(struct mirror *m, int fd, struct ferry_entry *entry);
int mirror_entry_at(struct ferry_req *req, int dir_fd, const char *name,
		    struct ferry_entry *entry);
int mirror_open_at(struct ferry_req *req, int dir_fd, const char *name, int flags, mode_t mode);
bool mirror_file_at(int dir_fd, const char *name, dev_t *dev, ino_t *ino);
u64 mirror_ino(const struct mirror *m, dev_t dev, u64 ino);
void mirror_attr(const struct mirror *m, const struct stat *st, struct ferry_attr *attr);

/** mirror_proc_path() - a path that stands for the file itself, whatever its name */
static inline const char *mirror_proc_path(int fd, char *path)
{
	snprintf(path, PROC_PATH, "/proc/self/fd/%d", fd);
	return path;
}

/* intent.c */
void mirror_intents_resume(struct mirror *m);
const struct mirror_intent *mirror_intend_name(struct ferry_req *req, int dir_fd,
					       const char *name);
const struct mirror_intent *mirror_intend_rename(struct ferry_req *req, int dir_fd,
						 const char *name, int new_dir_fd,
						 const char *new_name);
const struct mirror_intent *mirror_intend_xattr(struct ferry_req *req, const char *path,
						const char *name);
bool mirror_is_intended(const struct mirror_intent *intent, int dir_fd, const char *name);

/* mirror.c */
void *mirror_buffer(void);
int mirror_kill_suid(int fd);

/* name.c */
void mirror_lookup(struct ferry_req *req, u64 parent, const char *name);
void mirror_mknod(struct ferry_req *req, u64 parent, const char *name, u32 mode, u32 rdev);
void mirror_mkdir(struct ferry_req *req, u64 parent, const char *name, u32 mode);
void mirror_symlink(struct ferry_req *req, u64 parent, const char *name, const char *target);
void mirror_create(struct ferry_req *req, u64 parent, const char *name, u32 mode,
		   struct ferry_handle *handle);
void mirror_unlink(struct ferry_req *req, u64 parent, const char *name);
void mirror_rmdir(struct ferry_req *req, u64 parent, const char *name);
void mirror_rename(struct ferry_req *req, u64 parent, const char *name, u64 new_parent,
		   const char *new_name, u32 flags);
void mirror_link(struct ferry_req *req, u64 id, u64 new_parent, const char *new_name);
void mirror_readlink(struct ferry_req *req, u64 id);
void mirror_caps_init(void);

/* file.c */
int mirror_open_flags(u32 flags);
/** mirror_handle() - fill in what a client is told of an open file, which is @fd */
void mirror_handle(const struct mirror *m, struct ferry_handle *handle, int fd);
void mirror_open(struct ferry_req *req, u64 id, struct ferry_handle *handle);
void mirror_release(struct ferry_req *req, u64 id, struct ferry_handle *handle);
void mirror_read(struct ferry_req *req, u64 id, struct ferry_handle *handle, u64 off, u32 len);
void mirror_write(struct ferry_req *req, u64 id, struct ferry_handle *handle, u64 off, u32 len,
		  u32 flags);
int mirror_sync_fd(int fd);
int mirror_sync_end(int fd, int sync_fd, int err);
void mirror_fsync(struct ferry_req *req, u64 id, struct ferry_handle *handle, bool datasync);
void mirror_lseek(struct ferry_req *req, u64 id, struct ferry_handle *handle, u64 off,
		  u32 whence);
void mirror_fallocate(struct ferry_req *req, u64 id, struct ferry_handle *handle, u32 mode,
		      u64 off, u64 len);

/* ring.c */
bool mirror_ring_read(struct ferry_req *req, int fd, u64 off, u32 len);
bool mirror_ring_write(struct ferry_req *req, int fd, u64 off, u32 len, bool kill_suid);
bool mirror_ring_fsync(struct ferry_req *req, int fd, int sync_fd, bool datasync);

/* dir.c */
void mirror_opendir(struct ferry_req *req, u64 id, struct ferry_handle *handle);
void mirror_readdir(struct ferry_req *req, u64 id, struct ferry_handle *handle, u64 off,
		    bool plus);

/* xattr.c */
void mirror_setxattr(struct ferry_req *req, u64 id, const char *name, u32 len, u32 flags);
void mirror_getxattr(struct ferry_req *req, u64 id, const char *name);
void mirror_listxattr(struct ferry_req *req, u64 id);
void mirror_removexattr(struct ferry_req *req, u64 id, const char *name);

#endif
