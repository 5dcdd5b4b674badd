/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * A client of a filesystem backend without a kernel: each call is a message that
 * goes through the dispatcher, as from a host. Also the host services, which
 * count what is allocated and fail when told.
 *
 * Calls return 0 or more, or -errno. Each reply with an entry counts a lookup;
 * fs_forget() takes it back.
 */
#ifndef FSCLIENT_H
#define FSCLIENT_H

#include <ferry/fs.h>
#include <ferry/req.h>
#include <linux/fuse.h>

/** fs_start() - a server of the backend that is linked in; fails the claim on error */
struct ferry_server *fs_start(const char *args);
/** fs_try_start() - 0 or what init() said */
int fs_try_start(struct ferry_server *server, const char *args);
/** fs_stop() - destroy it; fails the claim if memory is left */
void fs_stop(struct ferry_server *server);

/** fs_fail_alloc() - let the @nth allocation from now on fail, 0 for none */
void fs_fail_alloc(unsigned long nth);
/** fs_allocated() - allocations that are not freed */
long fs_allocated(void);

/** fs_clock() - ferry_now() says @sec from now on, until it is told another; 0: the time */
void fs_clock(u64 sec);
/** fs_as() - whose requests the thread's next ones are; root's at first */
void fs_as(u32 uid, u32 gid);
/** fs_cut_data() - pulls of the thread give @after bytes and then -EFAULT; ~0 for never */
void fs_cut_data(u64 after);

/**
 * fs_call() - one request
 * @in, @in_len: its fixed struct
 * @name1, @name2: its names, or NULL
 * @out, @out_len: the structs of its reply
 * @data, @data_len: what it carries or has room for
 * Return: bytes of data that came, or -errno
 */
int fs_call(struct ferry_server *s, u32 opcode, u64 node, const void *in, u32 in_len,
	    const char *name1, const char *name2, void *out, u32 out_len,
	    void *data, u32 data_len, bool data_in);

int fs_lookup(struct ferry_server *s, u64 dir, const char *name, struct fuse_entry_out *e);
int fs_getattr(struct ferry_server *s, u64 node, struct fuse_attr *attr);
int fs_setattr(struct ferry_server *s, u64 node, const struct fuse_setattr_in *in,
	       struct fuse_attr *attr);
int fs_truncate(struct ferry_server *s, u64 node, u64 size);
int fs_chmod(struct ferry_server *s, u64 node, u32 mode);
int fs_mkdir(struct ferry_server *s, u64 dir, const char *name, u32 mode,
	     struct fuse_entry_out *e);
int fs_mknod(struct ferry_server *s, u64 dir, const char *name, u32 mode, u32 rdev,
	     struct fuse_entry_out *e);
int fs_symlink(struct ferry_server *s, u64 dir, const char *name, const char *target,
	       struct fuse_entry_out *e);
int fs_readlink(struct ferry_server *s, u64 node, char *buf, u32 size);
int fs_create(struct ferry_server *s, u64 dir, const char *name, u32 mode,
	      struct fuse_entry_out *e, u64 *fh);
int fs_open(struct ferry_server *s, u64 node, u32 flags, u64 *fh);
int fs_release(struct ferry_server *s, u64 node, u64 fh);
int fs_releasedir(struct ferry_server *s, u64 node, u64 fh);
int fs_unlink(struct ferry_server *s, u64 dir, const char *name);
int fs_rmdir(struct ferry_server *s, u64 dir, const char *name);
int fs_rename(struct ferry_server *s, u64 dir, const char *name, u64 new_dir,
	      const char *new_name, u32 flags);
int fs_link(struct ferry_server *s, u64 node, u64 dir, const char *name,
	    struct fuse_entry_out *e);
int fs_read(struct ferry_server *s, u64 node, u64 fh, u64 off, void *buf, u32 len);
int fs_write(struct ferry_server *s, u64 node, u64 fh, u64 off, const void *buf, u32 len);
int fs_write_flags(struct ferry_server *s, u64 node, u64 off, const void *buf, u32 len,
		   u32 flags);
s64 fs_lseek(struct ferry_server *s, u64 node, u64 fh, u64 off, u32 whence);
int fs_fallocate(struct ferry_server *s, u64 node, u64 fh, u32 mode, u64 off, u64 len);
int fs_statfs(struct ferry_server *s, struct fuse_kstatfs *st);
int fs_setxattr(struct ferry_server *s, u64 node, const char *name, const void *value, u32 len,
		u32 flags);
int fs_getxattr(struct ferry_server *s, u64 node, const char *name, void *value, u32 size);
int fs_listxattr(struct ferry_server *s, u64 node, char *list, u32 size);
int fs_removexattr(struct ferry_server *s, u64 node, const char *name);
void fs_forget(struct ferry_server *s, u64 node, u64 nlookup);

/**
 * fs_readdir() - one round of a listing
 * @off: in: where to begin; out: where it goes on
 * @room: bytes
 * @each: called with each name; @entry is NULL without @plus
 * Return: names, 0 at the end
 */
int fs_readdir(struct ferry_server *s, u64 dir, u64 fh, u64 *off, u32 room, bool plus,
	       void (*each)(void *arg, const char *name, const struct fuse_dirent *de,
			    const struct fuse_entry_out *entry),
	       void *arg);

#endif
