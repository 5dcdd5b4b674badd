/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The fs class: VFS on one side, ferry_args in FUSE's words on the other.
 *
 * Files: super.c mount, options, INIT, statfs; inode.c life of nodes; attr.c attributes, as
 * servers tell them; setattr.c as callers change them; dir.c names; readdir.c listings; file.c
 * open files and the VFS's entry points for them; cache.c page cache, readahead, mmap,
 * truncation; writeback.c what of it is dirty; folios.h what those two have in common; direct.c
 * I/O past the cache; passthrough.c I/O past the server; xattr.c; pin.c inodes that requests
 * hold; times.c what the kernel keeps of them.
 *
 * Lock order: inode->i_rwsem, then mapping->invalidate_lock, then a folio's lock,
 * then ferry_inode.lock (a leaf: nothing is called under it). A request may be
 * made under all of them but the last.
 *
 * Truncation is not done by OPEN (FUSE_ATOMIC_O_TRUNC is not agreed on): O_TRUNC is
 * taken out of what OPEN says, and the VFS comes with a setattr.
 */
#ifndef FERRY_FS_PRIV_H
#define FERRY_FS_PRIV_H

#include <linux/fs.h>
#include <linux/fuse.h>
#include <linux/hashtable.h>
#include <linux/mutex.h>
#include <linux/refcount.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include "core/chan.h"
#include "compat/compat.h"

/* FORGETs that one request carries at most; what fits a slot's message. */
#define FERRY_FORGETS_MAX	128

/**
 * struct ferry_forgets - those of a mount: one request is under way at a time, and carries
 *	all that came while the last one was
 * @lock: guards the rest; outside of ferry_mount.releases_lock
 * @waiting: struct ferry_forget
 * @busy: a request is under way, or being made
 * @sending: it is being submitted; its end is left to who does that
 * @ended: that has come
 * @none: woken when none waits and none is under way
 * @last: when one has ended last, in jiffies
 * @args: the request, with what follows
 */
struct ferry_forgets {
	spinlock_t			lock;
	struct list_head		waiting;
	bool				busy;
	bool				sending;
	bool				ended;
	wait_queue_head_t		none;
	unsigned long			last;
	struct ferry_args		args;
	union {
		struct fuse_forget_in		one;
		struct fuse_batch_forget_in	head;
	};
	struct fuse_forget_one		batch[FERRY_FORGETS_MAX];
};

/**
 * struct ferry_times - SETATTRs of times that nobody waits for, of a mount
 * @lock: guards the rest; a leaf
 * @sync_lock: one sync_fs() at a time; outside of @lock
 * @wait: for sync_fs(), on @under_way
 * @epoch: 0 or 1, the other one after each sync_fs()
 * @under_way: how many there are that were made in either
 */
struct ferry_times {
	spinlock_t		lock;
	struct mutex		sync_lock;
	wait_queue_head_t	wait;
	unsigned int		epoch;
	unsigned int		under_way[2];
};

/**
 * struct ferry_mount - one mounted instance; sb->s_fs_info
 * @chan: its channel; a reference is held from mount to kill_sb
 * @sb: the super block
 * @dev_fops: of /dev/ferry, by which a server is known; NULL in kernel placement
 * @user_ns: ids in messages are of this namespace
 * @fd: mount option fd=, -1 in kernel placement
 * @root_mode: type bits of the root before its attributes are known
 * @user_id, @group_id: who mounted; without allow_other only that user may enter
 * @attr_timeout, @entry_timeout: jiffies that override the server's, if
 *	@has_attr_timeout, @has_entry_timeout
 * @max_read: bytes that one READ asks for at most
 * @write_limit: what @max_write may become, a mount option
 * @max_write: bytes that one WRITE carries at most, from INIT
 * @minor: protocol minor that both sides speak
 * @writeback: the kernel caches writes and owns size and times of files with
 *	dirty pages (FUSE_WRITEBACK_CACHE was agreed on)
 * @async_read: several READs of one file may be under way
 * @auto_inval: cached pages go when the server shows a new mtime
 * @readdirplus, @readdirplus_auto: agreed on by INIT
 * @handle_killpriv: the server drops suid and sgid itself, on every write,
 *	truncate and chown
 * @killpriv_v2: it does so where a request says KILL_SUIDGID; the super block has
 *	SB_NOSEC then
 * @stack_depth: passthrough was agreed on: how deep this counts, and backing files must
 *	be less deep; else 0
 * @forgets: what the server is to forget
 * @times: what it is being told of times
 * @releases: files whose RELEASE waits, under @releases_lock: ferry_file_put()
 * @partings: struct ferry_parting, by node, under the same lock
 * @closing: it is being taken down: ferry_pins_end()
 * @pins: inodes that requests hold; on a line of its own with @evicted, as others are only read
 * @evicted: jiffies64 of the latest change of an inode that has gone, though it has a name: what
 *	was asked for before may be from before it. See ferry_attr_init()
 * @no_*: the server said -ENOSYS once: do not ask again. Plain bools, set once
 *	from false to true; a late reader asks once more, which is harmless.
 */
struct ferry_mount {
	struct ferry_chan	*chan;
	struct super_block	*sb;
	const struct file_operations *dev_fops;
	struct user_namespace	*user_ns;

	int			fd;
	umode_t			root_mode;
	kuid_t			user_id;
	kgid_t			group_id;
	unsigned long		attr_timeout;
	unsigned long		entry_timeout;
	bool			has_attr_timeout;
	bool			has_entry_timeout;
	bool			default_permissions;
	bool			allow_other;

	u32			max_read;
	u32			write_limit;
	u32			max_write;
	u32			minor;
	bool			initialised;	/* INIT was answered well */
	bool			writeback;
	bool			readdirplus;
	bool			readdirplus_auto;
	bool			async_read;
	bool			auto_inval;
	bool			handle_killpriv;
	bool			killpriv_v2;
	int			stack_depth;
	struct ferry_forgets	forgets;
	struct ferry_times	times;
	spinlock_t		releases_lock;
	struct list_head	releases;
	DECLARE_HASHTABLE(partings, 6);

	bool			no_open;
	bool			no_opendir;
	bool			no_release;
	bool			no_releasedir;
	bool			no_flush;
	bool			no_fsync;
	bool			no_fsyncdir;
	bool			no_access;
	bool			no_create;
	bool			no_rename2;
	bool			no_lseek;
	bool			no_fallocate;
	bool			no_setxattr;
	bool			no_getxattr;
	bool			no_listxattr;
	bool			no_removexattr;

	bool			closing;
	atomic_t		pins ____cacheline_aligned_in_smp;
	u64			evicted;
};

/* ferry_inode.flags: bits */
enum {
	FERRY_I_BAD,		/* the server contradicted itself: -EIO from now on */
	FERRY_I_SIZE_UNSTABLE,	/* a truncation is under way: sizes in replies mean nothing */
	FERRY_I_PLUS_SEEN,	/* a name came by READDIRPLUS and was not looked up since */
	FERRY_I_PLUS_WANTED,	/* lookups in this directory would have been spared by it */
	FERRY_I_MAPPED_PAST,	/* a backing file was mapped to be written: times may change */
	FERRY_I_SIZE_UNKNOWN,	/* a change of size failed, or may come late, and the size is
				 * ours to know: the server may have another. Set under i_rwsem */
	FERRY_I_TIMES,		/* the server has not been told the times: times.c */
	FERRY_I_TIMES_BUSY,	/* a SETATTR is under way; cleared under ferry_inode.lock */
};

/**
 * struct ferry_forget - lookups that wait to be given back
 * @link: in ferry_forgets.waiting
 * @node: whose
 * @nlookup: how many
 * @free: called when the request has been made
 */
struct ferry_forget {
	struct list_head	link;
	u64			node;
	u64			nlookup;
	void			(*free)(struct ferry_forget *f);
};

/**
 * struct ferry_inode - a node
 * @node: the server's number for it
 * @generation: with @node unique
 * @flags: FERRY_I_*, atomic bits
 * @mode: as the server said it; inode->i_mode lacks the sticky bit where the server
 *	checks permissions
 * @blkbits: log2 of the preferred I/O size
 * @holds: free_inode() and @forget while it waits hold the memory
 * @lock: guards the fields below it, and i_size together with inode->i_rwsem
 * @nlookup: lookups that the server counts for us; FORGET gives them back
 * @attr_until: jiffies64 until which the attributes are good; 0: ask
 * @attr_stale: STATX_* of those that are not, in spite of @attr_until
 * @attr_version: raised whenever size or attributes change from this side, or an answer
 *	brings another size; one that was asked for before the last change is stale. Per
 *	inode, so that no cache line is shared by all of a mount.
 * @attr_changed: jiffies64 of that change, for answers that were asked for before
 *	it was known that they would be about this inode (LOOKUP)
 * @cache_mtime: the server's mtime with which the cached pages agree
 * @write_files: open files that may write, for write-back (link: ferry_file.write_node).
 *	At eviction those are left that the end of a process left here: ferry_release()
 * @past: writes past the cache that are under way: struct ferry_past
 * @io_mode: open files that use the page cache, or as a negative number those that have a
 *	backing file; other open files do neither
 * @writing: WRITEs of pages under way; who waits does so on its address
 * @times_next: to be sent by who has FERRY_I_TIMES_BUSY, afterwards; or NULL
 * @put: drops the last reference, where a request held it
 * @forget: sent at eviction, which so cannot fail
 */
struct ferry_inode {
	struct inode		inode;
	u64			node;
	u64			generation;
	unsigned long		flags;
	umode_t			mode;
	u8			blkbits;
	atomic_t		holds;

	spinlock_t		lock;
	u32			attr_stale;
	u64			nlookup;
	u64			attr_until;
	u64			attr_version;
	u64			attr_changed;
	struct timespec64	cache_mtime;
	struct list_head	write_files;
	struct list_head	past;
	int			io_mode;
	atomic_t		writing;
	struct times		*times_next;
	union {
		struct work_struct	put;
		struct ferry_forget	forget;
	};
};

/**
 * struct ferry_parting - a RELEASE that is due or under way, or a FLUSH that nobody waits for
 * @link: in ferry_mount.partings
 * @node: FORGET of it comes behind the answer: servers may do things side by side, and in any
 *	order, and such a request holds no inode
 */
struct ferry_parting {
	struct hlist_node	link;
	u64			node;
};

/**
 * struct ferry_file - an open file or directory; file->private_data
 * @ref: the struct file holds one, each request that uses @fh another; RELEASE is
 *	sent with the last one
 * @write_node: in ferry_inode.write_files, in the end in ferry_mount.releases
 * @fh: the server's number
 * @open_flags: FOPEN_*, from the server
 * @flags: O_* that it was opened with
 * @dir: what readdir.c keeps of a directory; its own
 * @backing: what is read and written in its place, or .file is NULL; constant from the
 *	end of open() to the end of the struct file
 * @counted: its part in ferry_inode.io_mode: 1, 0 or -1; under that lock
 * @release: args of the RELEASE, so that it cannot fail
 * @parting: from the last reference's end to the answer to RELEASE
 */
struct ferry_file {
	refcount_t		ref;
	struct list_head	write_node;
	struct ferry_mount	*mount;
	u64			node;
	u64			fh;
	u32			open_flags;
	u32			flags;
	bool			isdir;
	bool			opened;		/* the server has it: RELEASE is due */
	s8			counted;
	struct ferry_backing_file backing;
	struct ferry_dir	*dir;
	struct ferry_args	release;
	struct fuse_release_in	release_in;
	struct ferry_parting	parting;
};

static inline struct ferry_mount *ferry_mount_of(const struct inode *inode)
{
	return inode->i_sb->s_fs_info;
}

static inline struct ferry_inode *ferry_inode_of(const struct inode *inode)
{
	return container_of(inode, struct ferry_inode, inode);
}

static inline bool ferry_is_bad(const struct inode *inode)
{
	return unlikely(test_bit(FERRY_I_BAD, &ferry_inode_of(inode)->flags));
}

/* The kernel's size, mtime and ctime of this inode are the ones that count. */
static inline bool ferry_owns_times(const struct inode *inode)
{
	return ferry_mount_of(inode)->writeback && S_ISREG(inode->i_mode);
}

/*
 * Requests on the stack: only what is used is set. ferry_args_init(), then in
 * order ferry_args_in() and ferry_args_out(), then ferry_call().
 */
static __always_inline void ferry_args_init(struct ferry_args *args, u32 opcode, u64 node)
{
	args->opcode = opcode;
	args->flags = 0;
	args->node = node;
	args->nr_in = 0;
	args->nr_out = 0;
	args->data = NULL;
	args->data_len = 0;
	args->end = NULL;
	args->defer = NULL;
}

static __always_inline void ferry_args_in(struct ferry_args *args, const void *p, u32 len)
{
	args->in[args->nr_in].p = (void *)p;
	args->in[args->nr_in++].len = len;
}

static __always_inline void ferry_args_name(struct ferry_args *args, const struct qstr *name)
{
	ferry_args_in(args, name->name, name->len + 1);
}

static __always_inline void ferry_args_out(struct ferry_args *args, void *p, u32 len)
{
	args->out[args->nr_out].p = p;
	args->out[args->nr_out++].len = len;
}

/* Long data: @flag is FERRY_ARGS_DATA_IN or FERRY_ARGS_DATA_OUT, @iter stays yours. */
static __always_inline void ferry_args_data(struct ferry_args *args, u32 flag,
					    struct iov_iter *iter)
{
	args->flags |= flag;
	args->data = iter;
	args->data_len = iov_iter_count(iter);
}

/* super.c */
extern struct file_system_type ferry_fs_type;

/* inode.c */
int ferry_inode_cache_create(void);
void ferry_inode_cache_destroy(void);
struct inode *ferry_inode_alloc(struct super_block *sb);
void ferry_inode_free(struct inode *inode);
void ferry_inode_evict(struct inode *inode);
struct inode *ferry_inode_root(struct super_block *sb);

/*
 * The inode of a node the server has just told us of, in an answer that was asked
 * for at jiffies64 @at; its lookup count is taken over (also on failure: then
 * it is given back). ERR_PTR(-EIO): nonsense (node 0 or the root, bad mode or size).
 */
struct inode *ferry_inode_get(struct super_block *sb, const struct fuse_entry_out *out,
			      u64 at);

/* One more lookup of an inode that is known: d_revalidate, READDIRPLUS. */
void ferry_inode_ref(struct inode *inode);

/* The server contradicted itself about this inode, or gave its number to another. */
void ferry_inode_make_bad(struct inode *inode);

bool ferry_entry_ok(const struct fuse_entry_out *out);
bool ferry_inode_differs(struct inode *inode, const struct fuse_entry_out *out);
void ferry_forget_send(struct ferry_mount *m, u64 node);
void ferry_forgets_go_on(struct ferry_mount *m);

/* ferry_call() of what takes room: that of what was removed comes back with its FORGET. */
int ferry_call_for_room(struct ferry_mount *m, struct ferry_args *args);

/* attr.c */

static inline u64 ferry_attr_version(const struct inode *inode)
{
	return READ_ONCE(ferry_inode_of(inode)->attr_version);
}

/**
 * struct ferry_asked - what has changed of an inode is known up to here
 * @version: its ->attr_version
 * @at: jiffies64, for what is done for callers who have gone
 */
struct ferry_asked {
	u64	version;
	u64	at;
};

/* Before a request is sent that is answered by attributes */
static inline struct ferry_asked ferry_asked(const struct inode *inode)
{
	return (struct ferry_asked){
		.version = ferry_attr_version(inode),
		.at = get_jiffies_64(),
	};
}

/*
 * Take over attributes. If something changed since they were asked for, from this side, they
 * say nothing about size and links; then, and if something may have changed for a caller who
 * has gone, they are not remembered. -EIO: nonsense (type differs, size above S64_MAX). -EINTR, 1:
 * not taken over, as we were killed, or something changed, while pages of before made way; 1: they
 * are to be asked for again.
 */
int ferry_attr_update(struct inode *inode, const struct fuse_attr *attr,
		      u64 valid_sec, u32 valid_nsec, struct ferry_asked asked);
int ferry_attr_entry(struct inode *inode, const struct fuse_entry_out *out,
		     u64 at);	/* alike; which inode it is was not known at @at */
void ferry_attr_init(struct inode *inode, const struct fuse_attr *attr,
		     u64 valid_sec, u32 valid_nsec, u64 at);	/* of a new inode */
bool ferry_attr_ok(const struct fuse_attr *attr);

void ferry_attr_invalidate(struct inode *inode);		/* ask again before next use */
void ferry_attr_stale(struct inode *inode, u32 mask);		/* these STATX_* only */
void ferry_attr_modified(struct inode *inode, u32 mask);	/* alike, and raises the version */
/*
 * A change of ours, sent at @asked, was answered: what was asked for before that is older. So is the
 * answer itself if something else has come since @asked; else @asked is made to say that it is not.
 */
void ferry_attr_answered(struct inode *inode, struct ferry_asked *asked);
void ferry_attr_wrote(struct inode *inode, loff_t end);		/* raises version and, if
								 * need be, i_size */
int ferry_attr_refresh(struct inode *inode, struct file *file);	/* GETATTR now */
bool ferry_attr_old(struct inode *inode, u32 mask);
int ferry_attr_need(struct inode *inode, struct file *file, u32 mask);	/* these STATX_* */
int ferry_size_settle(struct inode *inode, struct file *file);	/* under i_rwsem, exclusive */
int ferry_size_look_now(struct inode *inode, struct file *file);
void ferry_size_unknown(struct inode *inode);
void ferry_size_doubt(struct inode *inode, u64 at);

/* As ferry_size_settle(), without i_rwsem */
static inline int ferry_size_look(struct inode *inode, struct file *file)
{
	return unlikely(test_bit(FERRY_I_SIZE_UNKNOWN, &ferry_inode_of(inode)->flags)) ?
	       ferry_size_look_now(inode, file) : 0;
}

void ferry_ctime_now(struct inode *inode);			/* after link, rename, ... */
int ferry_getattr(struct mnt_idmap *idmap, const struct path *path, struct kstat *stat,
		  u32 mask, unsigned int flags);
int ferry_permission(struct mnt_idmap *idmap, struct inode *inode, int mask);
bool ferry_is_mounter(const struct ferry_mount *m);

/* allow_other rule */
static inline bool ferry_may_enter(const struct ferry_mount *m)
{
	return likely(m->allow_other) || ferry_is_mounter(m);
}

u64 ferry_valid_until(u64 sec, u32 nsec);		/* clamp to jiffies64 */

/* What is no longer known of a directory in which a name came or went. */
#define FERRY_DIR_CHANGED	(STATX_MTIME | STATX_CTIME | STATX_NLINK | STATX_SIZE | \
				 STATX_BLOCKS)

/* setattr.c */
int ferry_setattr(struct mnt_idmap *idmap, struct dentry *dentry, struct iattr *attr);
int ferry_setattr_send(struct inode *inode, const struct fuse_setattr_in *in,
		       struct fuse_attr_out *out);
int ferry_setattr_check(struct inode *inode, const struct fuse_attr_out *out);

/* dir.c */
extern const struct dentry_operations ferry_dentry_operations;
void ferry_dir_init_inode(struct inode *inode);
void ferry_symlink_init_inode(struct inode *inode);
void ferry_special_init_inode(struct inode *inode, umode_t mode, dev_t rdev);
void ferry_entry_valid(struct ferry_mount *m, u64 dir, struct dentry *dentry,
		       const struct fuse_entry_out *out, u64 at);

/* readdir.c */
extern const struct file_operations ferry_dir_operations;
void ferry_readdir_late(struct ferry_mount *m, const void *data, size_t len);

/* file.c */
extern const struct inode_operations ferry_file_inode_operations;
extern const struct file_operations ferry_file_operations;
void ferry_file_init_inode(struct inode *inode);
struct ferry_file *ferry_file_alloc(struct ferry_mount *m);
/* OPEN or OPENDIR; with -ENOSYS remembered as "no need to" */
int ferry_file_open(struct inode *inode, struct file *file, bool isdir);
/* file->private_data and caching mode from what the server said at OPEN or CREATE */
void ferry_file_finish_open(struct inode *inode, struct file *file, struct ferry_file *ff);
/* FSYNC or FSYNCDIR; with -ENOSYS as above */
int ferry_file_sync(struct ferry_file *ff, int datasync);
void ferry_file_get(struct ferry_file *ff);
void ferry_file_put(struct ferry_file *ff);		/* the last one sends RELEASE */
void ferry_releases_go_on(struct ferry_mount *m);
bool ferry_is_parting(struct ferry_mount *m, u64 node);
struct ferry_file *ferry_file_for_write(struct inode *inode);	/* reference, or NULL */
void ferry_file_put_left(struct inode *inode);		/* at eviction */

/* cache.c */
extern const struct address_space_operations ferry_aops;
int ferry_read_look(struct file *file, loff_t pos, size_t len);
ssize_t ferry_cached_read(struct kiocb *iocb, struct iov_iter *to);
ssize_t ferry_cached_write(struct kiocb *iocb, struct iov_iter *from);
int ferry_mmap(struct file *file, struct vm_area_struct *vma);
int ferry_cache_init(void);				/* of the module */
void ferry_cache_exit(void);

/*
 * A change of size by SETATTR, under i_rwsem: begin, the request, end. begin() takes
 * mapping->invalidate_lock and writes back what is dirty behind @size, so that no WRITE
 * can reach the server after the SETATTR and make the file long again; if it fails
 * there is nothing to end. end() with @done sets i_size and drops pages, which begin()
 * has seen that nobody reads; it unlocks.
 */
int ferry_zero_tail(struct inode *inode);		/* before a file grows over a gap */
int ferry_truncate_begin(struct inode *inode, loff_t size);
void ferry_truncate_end(struct inode *inode, loff_t size, bool done);

/* writeback.c */
int ferry_wait_writes(struct address_space *mapping);	/* killable */
int ferry_wait_folios(struct address_space *mapping, pgoff_t first, pgoff_t last);
int ferry_sync_range(struct address_space *mapping, loff_t start, loff_t end);	/* killable */
void ferry_sync_exiting(struct inode *inode, unsigned long timeout);

/* times.c */
void ferry_times_init(struct ferry_times *t);
void ferry_times_wrote(struct inode *inode, bool last);
bool ferry_times_pending(struct inode *inode);
int ferry_times_write(struct inode *inode);		/* SETATTR of mtime, ctime; killable */
int ferry_times_lock(struct inode *inode);		/* around any other; 0 or -EINTR */
void ferry_times_unlock(struct inode *inode);
void ferry_dirty_inode(struct inode *inode, int flags);
int ferry_write_inode(struct inode *inode, struct writeback_control *wbc);
int ferry_sync_fs(struct super_block *sb, int wait);

/* pin.c */
int ferry_pins_init(void);				/* of the module */
void ferry_pins_exit(void);
bool ferry_inode_pin(struct inode *inode);
void ferry_inode_unpin(struct inode *inode);
bool ferry_pins_wait(struct ferry_mount *m);
void ferry_pins_end(struct ferry_mount *m);

/* direct.c */

/**
 * struct ferry_past - a write past the cache; on its caller's stack
 * @link: in ferry_inode.past
 * @first: page that it begins in
 * @last: and ends in
 * @stored: one of them was about to be stored to since it began
 */
struct ferry_past {
	struct list_head	link;
	pgoff_t			first;
	pgoff_t			last;
	bool			stored;
};

void ferry_past_stored(struct folio *folio);
ssize_t ferry_direct_read(struct kiocb *iocb, struct iov_iter *to);
ssize_t ferry_direct_write(struct kiocb *iocb, struct iov_iter *from);

/* passthrough.c */
int ferry_backing_take(struct ferry_file *ff, const struct ferry_open_out *out);
void ferry_backing_put(struct ferry_file *ff);
int ferry_backing_check(const struct file *file, const struct ferry_file *ff);
int ferry_may_back(const struct ferry_mount *m, const struct file *file);
void ferry_mode_begin(struct inode *inode, struct ferry_file *ff);
void ferry_mode_end(struct inode *inode, struct ferry_file *ff);
ssize_t ferry_passthrough_read(struct kiocb *iocb, struct iov_iter *to);
ssize_t ferry_passthrough_write(struct kiocb *iocb, struct iov_iter *from);
ssize_t ferry_passthrough_splice_read(struct file *in, loff_t *pos, struct pipe_inode_info *pipe,
				      size_t len, unsigned int flags);
int ferry_passthrough_mmap(struct file *file, struct vm_area_struct *vma);
int ferry_passthrough_fsync(struct file *file, loff_t start, loff_t end, int datasync);
long ferry_passthrough_fallocate(struct file *file, int mode, loff_t offset, loff_t len);
int ferry_passthrough_fadvise(struct file *file, loff_t offset, loff_t len, int advice);

static inline bool ferry_is_backed(const struct ferry_file *ff)
{
	return ff->backing.file;
}

/* xattr.c */
extern const struct xattr_handler *const ferry_xattr_handlers[];
ssize_t ferry_listxattr(struct dentry *dentry, char *list, size_t size);

#endif
