// SPDX-License-Identifier: GPL-2.0-only
/* A mount: options, super block, the INIT exchange, and the end of it. */
#include <linux/backing-dev.h>
#include <linux/completion.h>
#include <linux/ctype.h>
#include <linux/file.h>
#include <linux/module.h>
#include <linux/pagemap.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/statfs.h>
#include <linux/writeback.h>
#include "fs/fs.h"

#define FERRY_SUPER_MAGIC	0x46455259

#define IO_MIN			PAGE_SIZE
#define IO_MAX			FERRY_DATA_MAX
#define IO_DEFAULT		(1U << 20)

#define PROTOCOL		7	/* FUSE's major number, since 2006 */
#define MINOR_MIN		23	/* setattr says ctime */
#define INIT_OUT_MIN		offsetof(struct fuse_init_out, time_gran)
#define MAX_PAGES_DEFAULT	32	/* of a server that knows no FUSE_MAX_PAGES */
#define MAX_PAGES_MAX		(FERRY_DATA_MAX / PAGE_SIZE)

/* How long umount waits for the server to say goodbye. */
#define DESTROY_TIMEOUT		(4 * HZ)

/* fc->fs_private while a mount is being set up; it owns @file. */
struct mount_ctx {
	struct file	*file;
	bool		has_root_mode;
	bool		has_user_id;
	bool		has_group_id;
	bool		has_permissions;
};

enum {
	OPT_FD,
	OPT_ROOTMODE,
	OPT_USER_ID,
	OPT_GROUP_ID,
	OPT_DEFAULT_PERMISSIONS,
	OPT_NO_DEFAULT_PERMISSIONS,
	OPT_ALLOW_OTHER,
	OPT_NO_ALLOW_OTHER,
	OPT_MAX_READ,
	OPT_MAX_WRITE,
	OPT_ATTR_TIMEOUT,
	OPT_ENTRY_TIMEOUT,
};

static const struct fs_parameter_spec ferry_fs_params[] = {
	fsparam_fd	("fd",			OPT_FD),
	fsparam_u32oct	("rootmode",		OPT_ROOTMODE),
	fsparam_u32	("user_id",		OPT_USER_ID),
	fsparam_u32	("group_id",		OPT_GROUP_ID),
	fsparam_flag	("default_permissions",	OPT_DEFAULT_PERMISSIONS),
	fsparam_flag	("no_default_permissions", OPT_NO_DEFAULT_PERMISSIONS),
	fsparam_flag	("allow_other",		OPT_ALLOW_OTHER),
	fsparam_flag	("no_allow_other",	OPT_NO_ALLOW_OTHER),
	fsparam_u32	("max_read",		OPT_MAX_READ),
	fsparam_u32	("max_write",		OPT_MAX_WRITE),
	fsparam_string	("attr_timeout",	OPT_ATTR_TIMEOUT),
	fsparam_string	("entry_timeout",	OPT_ENTRY_TIMEOUT),
	{}
};

/* "1", "0.25": seconds to jiffies, rounded up, so that only 0 is 0. */
static int parse_seconds(const char *s, unsigned long *jiffies_out)
{
	u64 sec = 0;
	u32 nsec = 0, unit = NSEC_PER_SEC;

	if (!isdigit(*s))
		return -EINVAL;
	for (; isdigit(*s); s++)
		sec = min_t(u64, sec * 10 + (*s - '0'), U32_MAX);
	if (*s == '.')
		for (s++; isdigit(*s); s++) {
			unit /= 10;
			nsec += unit * (*s - '0');
		}
	if (*s)
		return -EINVAL;
	*jiffies_out = sec * HZ + DIV_ROUND_UP_ULL((u64)nsec * HZ, NSEC_PER_SEC);
	return 0;
}

static int parse_fd(struct fs_context *fc, struct fs_parameter *param, unsigned int fd)
{
	struct ferry_mount *m = fc->s_fs_info;
	struct mount_ctx *ctx = fc->fs_private;
	struct file *file;

	m->fd = fd;
	if (fc->purpose == FS_CONTEXT_FOR_RECONFIGURE)
		return 0;
	if (param->type == fs_value_is_file)
		file = get_file(param->file);
	else
		file = fget(fd);
	if (!file)
		return invalf(fc, "ferry: fd=%u is not an open file", fd);
	if (ctx->file)
		fput(ctx->file);
	ctx->file = file;
	return 0;
}

static int parse_option(struct fs_context *fc, struct fs_parameter *param)
{
	struct ferry_mount *m = fc->s_fs_info;
	struct mount_ctx *ctx = fc->fs_private;
	struct fs_parse_result res;
	int opt;

	opt = fs_parse(fc, ferry_fs_params, param, &res);
	if (opt < 0)
		return opt;

	switch (opt) {
	case OPT_FD:
		return parse_fd(fc, param, res.uint_32);
	case OPT_ROOTMODE:
		if (!S_ISDIR(res.uint_32) || res.uint_32 & ~(S_IFMT | 07777))
			return invalf(fc, "ferry: rootmode=%o is not a directory's mode (040000)",
				      res.uint_32);
		m->root_mode = res.uint_32;
		ctx->has_root_mode = true;
		return 0;
	case OPT_USER_ID:
		m->user_id = make_kuid(fc->user_ns, res.uint_32);
		if (!uid_valid(m->user_id))
			return invalf(fc, "ferry: user_id=%u is no user here", res.uint_32);
		ctx->has_user_id = true;
		return 0;
	case OPT_GROUP_ID:
		m->group_id = make_kgid(fc->user_ns, res.uint_32);
		if (!gid_valid(m->group_id))
			return invalf(fc, "ferry: group_id=%u is no group here", res.uint_32);
		ctx->has_group_id = true;
		return 0;
	case OPT_DEFAULT_PERMISSIONS:
	case OPT_NO_DEFAULT_PERMISSIONS:
		m->default_permissions = opt == OPT_DEFAULT_PERMISSIONS;
		ctx->has_permissions = true;
		return 0;
	case OPT_ALLOW_OTHER:
	case OPT_NO_ALLOW_OTHER:
		m->allow_other = opt == OPT_ALLOW_OTHER;
		return 0;
	case OPT_MAX_READ:
		if (res.uint_32 < IO_MIN)
			return invalf(fc, "ferry: max_read=%u is below %lu", res.uint_32, IO_MIN);
		m->max_read = min(res.uint_32, IO_MAX);
		return 0;
	case OPT_MAX_WRITE:
		if (res.uint_32 < IO_MIN)
			return invalf(fc, "ferry: max_write=%u is below %lu", res.uint_32,
				      IO_MIN);
		m->write_limit = min(res.uint_32, IO_MAX);
		return 0;
	case OPT_ATTR_TIMEOUT:
		if (parse_seconds(param->string, &m->attr_timeout))
			return invalf(fc, "ferry: attr_timeout=%s is no number of seconds",
				      param->string);
		m->has_attr_timeout = true;
		return 0;
	default:
		if (parse_seconds(param->string, &m->entry_timeout))
			return invalf(fc, "ferry: entry_timeout=%s is no number of seconds",
				      param->string);
		m->has_entry_timeout = true;
		return 0;
	}
}

static bool same_options(const struct ferry_mount *a, const struct ferry_mount *b)
{
	return a->fd == b->fd && a->root_mode == b->root_mode &&
	       uid_eq(a->user_id, b->user_id) && gid_eq(a->group_id, b->group_id) &&
	       a->default_permissions == b->default_permissions &&
	       a->allow_other == b->allow_other && a->max_read == b->max_read &&
	       a->write_limit == b->write_limit &&
	       a->has_attr_timeout == b->has_attr_timeout &&
	       a->attr_timeout == b->attr_timeout &&
	       a->has_entry_timeout == b->has_entry_timeout &&
	       a->entry_timeout == b->entry_timeout;
}

/*
 * mount(8) gives a remount all that it reads in mountinfo. That is parsed into a copy of
 * the mount, and nothing may come out different.
 */
static int ferry_parse_param(struct fs_context *fc, struct fs_parameter *param)
{
	int err = parse_option(fc, param);

	if (!err && fc->purpose == FS_CONTEXT_FOR_RECONFIGURE &&
	    !same_options(fc->s_fs_info, fc->root->d_sb->s_fs_info))
		return invalf(fc, "ferry: %s cannot be changed while mounted", param->key);
	return err;
}

static struct ferry_chan *chan_of_fd(struct fs_context *fc, struct mount_ctx *ctx)
{
	struct ferry_chan *chan;

	if (!ctx->has_root_mode || !ctx->has_user_id || !ctx->has_group_id) {
		errorf(fc, "ferry: fd= wants rootmode=, user_id= and group_id= with it");
		return ERR_PTR(-EINVAL);
	}
	chan = ferry_chan_of_file(ctx->file, FERRY_CLASS_FS);
	if (IS_ERR(chan))
		errorf(fc, "ferry: fd=%d is not /dev/ferry, or not of a filesystem server",
		       ((struct ferry_mount *)fc->s_fs_info)->fd);
	return chan;
}

/* Source BACKEND[:ARGS]: the backend of that name inside the kernel. */
static struct ferry_chan *chan_of_source(struct fs_context *fc)
{
	char name[FERRY_NAME_MAX];
	struct ferry_chan *chan;
	const char *args;
	size_t len;

	if (!fc->source || !*fc->source) {
		errorf(fc, "ferry: no source; say BACKEND[:ARGS], or fd=");
		return ERR_PTR(-EINVAL);
	}
	args = strchr(fc->source, ':');
	len = args ? args++ - fc->source : strlen(fc->source);
	if (!len || len >= sizeof(name)) {
		errorf(fc, "ferry: source \"%s\" names no backend", fc->source);
		return ERR_PTR(-EINVAL);
	}
	memcpy(name, fc->source, len);
	name[len] = '\0';

	chan = ferry_chan_local(FERRY_CLASS_FS, name, args);
	if (chan == ERR_PTR(-ENOENT))
		errorf(fc, "ferry: no backend \"%s\" in the kernel; is module ferry-%s installed?",
		       name, name);
	else if (chan == ERR_PTR(-EOPNOTSUPP))
		errorf(fc, "ferry: backend \"%s\" is not a filesystem", name);
	else if (IS_ERR(chan))
		errorf(fc, "ferry: backend \"%s\" did not start: error %ld", name, -PTR_ERR(chan));
	return chan;
}

/* The INIT exchange. Unbinding waits for ->end(), so that @m stays as long. */
struct init {
	struct ferry_mount	*m;
	struct ferry_args	args;
	struct fuse_init_in	in;
	struct fuse_init_out	out;
};

static void init_fill(struct init *init)
{
	init->in.major = PROTOCOL;
	init->in.minor = FUSE_KERNEL_MINOR_VERSION;
	init->in.max_readahead = init->m->max_read;
	init->in.flags = FUSE_ASYNC_READ | FUSE_BIG_WRITES | FUSE_AUTO_INVAL_DATA |
			 FUSE_DO_READDIRPLUS | FUSE_READDIRPLUS_AUTO |
			 FUSE_WRITEBACK_CACHE | FUSE_NO_OPEN_SUPPORT | FUSE_PARALLEL_DIROPS |
			 FUSE_HANDLE_KILLPRIV | FUSE_MAX_PAGES | FUSE_NO_OPENDIR_SUPPORT |
			 FUSE_HANDLE_KILLPRIV_V2 | FUSE_INIT_EXT;
	init->in.flags2 = FERRY_FUSE_PASSTHROUGH;

	ferry_args_init(&init->args, FUSE_INIT, 0);
	ferry_args_in(&init->args, &init->in, sizeof(init->in));
	ferry_args_out(&init->args, &init->out, sizeof(init->out));
	init->args.flags = FERRY_ARGS_INIT | FERRY_ARGS_OUT_VAR | FERRY_ARGS_NO_CRED;
}

/*
 * Files backed by the server's own: how deep that makes this filesystem. What we own the
 * times of cannot be changed past us.
 */
static int stack_depth(const struct fuse_init_out *out, u32 flags)
{
	u32 depth = (&out->flags2)[1];

	if (!(flags & FUSE_INIT_EXT) || !(out->flags2 & FERRY_FUSE_PASSTHROUGH) ||
	    flags & FUSE_WRITEBACK_CACHE || !depth || depth > FILESYSTEM_MAX_STACK_DEPTH)
		return 0;
	return depth;
}

/* Take over what the server answered; what it left out is 0. */
static int init_take(struct init *init)
{
	const struct fuse_init_out *out = &init->out;
	u32 flags = out->flags & init->in.flags;
	struct ferry_mount *m = init->m;
	struct super_block *sb = m->sb;
	u32 io_max;

	if (init->args.out_len < INIT_OUT_MIN || out->major != PROTOCOL ||
	    out->minor < MINOR_MIN)
		return -EPROTO;
	m->minor = min_t(u32, out->minor, FUSE_KERNEL_MINOR_VERSION);

	io_max = flags & FUSE_MAX_PAGES ? clamp_t(u32, out->max_pages, 1, MAX_PAGES_MAX) :
					  MAX_PAGES_DEFAULT;
	io_max *= PAGE_SIZE;
	m->max_read = min(m->max_read, io_max);
	m->max_write = clamp_t(u32, out->max_write, IO_MIN, min(io_max, m->write_limit));

	m->writeback = flags & FUSE_WRITEBACK_CACHE;
	m->readdirplus = flags & FUSE_DO_READDIRPLUS;
	m->readdirplus_auto = flags & FUSE_READDIRPLUS_AUTO;
	m->async_read = flags & FUSE_ASYNC_READ;
	m->auto_inval = flags & FUSE_AUTO_INVAL_DATA;
	m->handle_killpriv = flags & FUSE_HANDLE_KILLPRIV;
	m->killpriv_v2 = flags & FUSE_HANDLE_KILLPRIV_V2;
	if (m->killpriv_v2)
		sb->s_flags |= SB_NOSEC;
	m->stack_depth = stack_depth(out, flags);
	sb->s_stack_depth = m->stack_depth;

	if (out->time_gran && out->time_gran <= NSEC_PER_SEC)
		sb->s_time_gran = out->time_gran;
	sb->s_bdi->ra_pages = min(out->max_readahead, init->in.max_readahead) / PAGE_SIZE;
	sb->s_bdi->io_pages = m->max_read / PAGE_SIZE;
	m->initialised = true;
	return 0;
}

static void init_end(struct ferry_args *args, int err)
{
	struct init *init = container_of(args, struct init, args);
	struct ferry_mount *m = init->m;

	if (!err)
		err = init_take(init);
	kfree(init);
	ferry_chan_ready(m->chan, err);
}

/*
 * A backend in the kernel answers at once, and what it says is mount(2)'s result. A
 * daemon may be the very thread that calls mount(2), so that nobody waits for it here;
 * other requests do, inside the core.
 */
static int init_send(struct ferry_mount *m)
{
	struct init *init = kzalloc(sizeof(*init), GFP_KERNEL);
	int err;

	if (!init)
		return -ENOMEM;
	init->m = m;
	init_fill(init);
	if (!ferry_chan_is_local(m->chan)) {
		init->args.end = init_end;
		ferry_submit(m->chan, &init->args);
		return 0;
	}
	err = ferry_call(m->chan, &init->args);
	if (!err)
		err = init_take(init);
	kfree(init);
	ferry_chan_ready(m->chan, err);
	return err;
}

struct destroy {
	struct ferry_args	args;
	struct completion	done;
};

static void destroy_end(struct ferry_args *args, int err)
{
	complete_all(&container_of(args, struct destroy, args)->done);
}

/*
 * What had to wait for answers to callers who have gone; may be called by several at a time,
 * and when the channel is dead nothing waits any more.
 */
static void go_on(struct ferry_mount *m)
{
	ferry_releases_go_on(m);
	ferry_forgets_go_on(m);
}

/*
 * Tell the server that all is over, and wait until it has seen what was sent before,
 * but not for ever: a stuck one is let go by ferry_chan_unbind(), which ends the
 * request too. One that may be at work for a caller who has gone is not told: when it asks
 * for the next request it learns as much, and it is not at work then.
 */
static void destroy_and_unbind(struct ferry_mount *m)
{
	struct destroy d;
	bool told = m->initialised && !ferry_chan_is_dead(m->chan) &&
		    !ferry_chan_is_left(m->chan, 0);

	if (told) {
		init_completion(&d.done);
		ferry_args_init(&d.args, FUSE_DESTROY, 0);
		d.args.flags = FERRY_ARGS_NO_CRED;
		d.args.end = destroy_end;
		ferry_submit(m->chan, &d.args);
		wait_for_completion_killable_timeout(&d.done, DESTROY_TIMEOUT);
	}
	ferry_chan_unbind(m->chan);
	go_on(m);
	if (told)
		wait_for_completion(&d.done);
}

/* A reply came whose caller had been killed: give back what it brought. */
static void client_late(void *client, const struct ferry_late *late)
{
	struct ferry_mount *m = client;
	const void *out = late->out;
	size_t out_len = late->out_len;
	u64 node = late->node;
	const struct fuse_entry_out *entry = NULL;
	const struct ferry_open_out *open = NULL;
	struct ferry_file *ff;

	switch (late->opcode) {
	case FUSE_LOOKUP:
	case FUSE_MKNOD:
	case FUSE_MKDIR:
	case FUSE_SYMLINK:
	case FUSE_LINK:
		if (out_len == sizeof(*entry))
			entry = out;
		break;
	case FUSE_CREATE:
		if (out_len == sizeof(*entry) + sizeof(*open)) {
			entry = out;
			open = out + sizeof(*entry);
			node = entry->nodeid;
		}
		break;
	case FUSE_OPEN:
	case FUSE_OPENDIR:
		if (out_len == sizeof(*open))
			open = out;
		break;
	case FUSE_READDIRPLUS:
		ferry_readdir_late(m, late->data, late->data_len);
		break;
	}

	if (open) {
		ff = ferry_file_alloc(m);
		if (ff) {
			ff->node = node;
			ff->fh = open->fh;
			ff->isdir = late->opcode == FUSE_OPENDIR;
			ff->opened = true;
			ferry_backing_take(ff, open);
			ferry_file_put(ff);
		} else {
			pr_warn_once("ferry: no memory to release a file, it stays open\n");
		}
	}
	if (entry && entry->nodeid && entry->nodeid != FUSE_ROOT_ID)
		ferry_forget_send(m, entry->nodeid);
}

static void client_late_over(void *client)
{
	go_on(client);
}

static bool client_owns(void *client, const struct file *file)
{
	const struct ferry_mount *m = client;

	return file_inode(file)->i_sb == m->sb;
}

static int client_may_back(void *client, const struct file *file)
{
	return ferry_may_back(client, file);
}

static int client_describe(void *client, char *buf, size_t size)
{
	struct ferry_mount *m = client;

	return scnprintf(buf, size, "%u:%u", MAJOR(m->sb->s_dev), MINOR(m->sb->s_dev));
}

#define CHANGES	(BIT_ULL(FUSE_SETATTR) | BIT_ULL(FUSE_SYMLINK) | BIT_ULL(FUSE_MKNOD) |		\
		 BIT_ULL(FUSE_MKDIR) | BIT_ULL(FUSE_UNLINK) | BIT_ULL(FUSE_RMDIR) |		\
		 BIT_ULL(FUSE_RENAME) | BIT_ULL(FUSE_LINK) | BIT_ULL(FUSE_WRITE) |		\
		 BIT_ULL(FUSE_SETXATTR) | BIT_ULL(FUSE_REMOVEXATTR) | BIT_ULL(FUSE_CREATE) |	\
		 BIT_ULL(FUSE_FALLOCATE) | BIT_ULL(FUSE_RENAME2))

static const struct ferry_client_ops client_ops = {
	.late		= client_late,
	.late_over	= client_late_over,
	.owns		= client_owns,
	.may_back	= client_may_back,
	.describe	= client_describe,
	.changes	= CHANGES,
};

static int ferry_statfs(struct dentry *dentry, struct kstatfs *buf)
{
	struct super_block *sb = dentry->d_sb;
	struct ferry_mount *m = sb->s_fs_info;
	struct fuse_statfs_out out;
	struct ferry_args args;
	int err;

	buf->f_type = FERRY_SUPER_MAGIC;
	if (!ferry_may_enter(m))
		return 0;

	ferry_args_init(&args, FUSE_STATFS, ferry_inode_of(d_inode(dentry))->node);
	ferry_args_out(&args, &out, sizeof(out));
	err = ferry_call(m->chan, &args);
	if (err)
		return err;

	buf->f_bsize = out.st.bsize ?: PAGE_SIZE;
	buf->f_frsize = out.st.frsize;
	buf->f_blocks = out.st.blocks;
	buf->f_bfree = out.st.bfree;
	buf->f_bavail = out.st.bavail;
	buf->f_files = out.st.files;
	buf->f_ffree = out.st.ffree;
	buf->f_namelen = out.st.namelen;
	buf->f_fsid = u64_to_fsid(huge_encode_dev(sb->s_dev));
	return 0;
}

static void show_seconds(struct seq_file *seq, const char *name, unsigned long t)
{
	unsigned int ms = jiffies_to_msecs(t % HZ);

	seq_printf(seq, ",%s=%lu", name, t / HZ);
	if (ms)
		seq_printf(seq, ".%03u", ms);
}

static int ferry_show_options(struct seq_file *seq, struct dentry *root)
{
	struct super_block *sb = root->d_sb;
	struct ferry_mount *m = sb->s_fs_info;

	if (m->fd >= 0)
		seq_printf(seq, ",fd=%d", m->fd);
	seq_printf(seq, ",rootmode=%o,user_id=%u,group_id=%u", m->root_mode,
		   from_kuid_munged(m->user_ns, m->user_id),
		   from_kgid_munged(m->user_ns, m->group_id));
	if (m->default_permissions)
		seq_puts(seq, ",default_permissions");
	if (m->allow_other)
		seq_puts(seq, ",allow_other");
	seq_printf(seq, ",max_read=%u,max_write=%u", m->max_read, m->write_limit);
	if (m->has_attr_timeout)
		show_seconds(seq, "attr_timeout", m->attr_timeout);
	if (m->has_entry_timeout)
		show_seconds(seq, "entry_timeout", m->entry_timeout);
	return 0;
}

static void ferry_umount_begin(struct super_block *sb)
{
	struct ferry_mount *m = sb->s_fs_info;

	ferry_chan_abort(m->chan);
}

static void ferry_put_super(struct super_block *sb)
{
	struct ferry_mount *m = sb->s_fs_info;

	destroy_and_unbind(m);
}

static const struct super_operations ferry_super_ops = {
	.alloc_inode	= ferry_inode_alloc,
	.free_inode	= ferry_inode_free,
	.evict_inode	= ferry_inode_evict,
	.dirty_inode	= ferry_dirty_inode,
	.write_inode	= ferry_write_inode,
	.sync_fs	= ferry_sync_fs,
	.put_super	= ferry_put_super,
	.umount_begin	= ferry_umount_begin,
	.statfs		= ferry_statfs,
	.show_options	= ferry_show_options,
};

static int ferry_fill_super(struct super_block *sb, struct fs_context *fc)
{
	struct ferry_mount *m = sb->s_fs_info;
	struct inode *root;
	int err;

	m->sb = sb;
	sb->s_magic = FERRY_SUPER_MAGIC;
	sb->s_op = &ferry_super_ops;
	sb->s_maxbytes = MAX_LFS_FILESIZE;
	sb->s_time_gran = 1;
	sb->s_blocksize = PAGE_SIZE;
	sb->s_blocksize_bits = PAGE_SHIFT;
	sb->s_flags &= ~SB_POSIXACL;
	ferry_set_xattr(sb, ferry_xattr_handlers);
	set_default_d_op(sb, &ferry_dentry_operations);

	err = super_setup_bdi(sb);
	if (err)
		return err;
	sb->s_bdi->ra_pages = m->max_read / PAGE_SIZE;
	sb->s_bdi->io_pages = m->max_read / PAGE_SIZE;

	err = ferry_chan_bind(m->chan, &client_ops, m, sb->s_user_ns);
	if (err == -EBUSY)
		errorf(fc, "ferry: this server has a mount already");
	else if (err)
		errorf(fc, "ferry: the server is gone");
	if (err)
		return err;

	root = ferry_inode_root(sb);
	if (root)
		sb->s_root = d_make_root(root);
	if (!sb->s_root) {
		ferry_chan_unbind(m->chan);
		return -ENOMEM;
	}

	/* With a root, ->put_super() is called and takes back what was bound. */
	err = init_send(m);
	if (err)
		errorf(fc, "ferry: backend \"%s\" refused to be mounted: error %d",
		       ferry_chan_name(m->chan), -err);
	return err;
}

static int ferry_get_tree(struct fs_context *fc)
{
	struct ferry_mount *m = fc->s_fs_info;
	struct mount_ctx *ctx = fc->fs_private;
	struct ferry_chan *chan;

	m->user_ns = fc->user_ns;
	chan = ctx->file ? chan_of_fd(fc, ctx) : chan_of_source(fc);
	if (IS_ERR(chan))
		return PTR_ERR(chan);
	m->chan = chan;
	m->dev_fops = ctx->file ? ctx->file->f_op : NULL;
	/* Of a daemon libferry knows whether it checks them, and says so. */
	if (!ctx->file && !ctx->has_permissions)
		m->default_permissions = !ferry_chan_checks_access(chan);
	return get_tree_nodev(fc, ferry_fill_super);
}

static int ferry_reconfigure(struct fs_context *fc)
{
	sync_filesystem(fc->root->d_sb);
	return 0;
}

static void mount_free(struct ferry_mount *m)
{
	if (!m)
		return;
	if (m->chan)
		ferry_chan_put(m->chan);
	kfree(m);
}

static void ferry_free_fc(struct fs_context *fc)
{
	struct mount_ctx *ctx = fc->fs_private;

	if (ctx && ctx->file)
		fput(ctx->file);
	kfree(ctx);
	mount_free(fc->s_fs_info);
}

static const struct fs_context_operations ferry_context_ops = {
	.free		= ferry_free_fc,
	.parse_param	= ferry_parse_param,
	.get_tree	= ferry_get_tree,
	.reconfigure	= ferry_reconfigure,
};

static int ferry_init_fs_context(struct fs_context *fc)
{
	struct ferry_mount *m;

	fc->ops = &ferry_context_ops;
	m = kzalloc(sizeof(*m), GFP_KERNEL);
	fc->fs_private = kzalloc(sizeof(struct mount_ctx), GFP_KERNEL);
	if (!m || !fc->fs_private) {
		kfree(m);
		kfree(fc->fs_private);
		fc->fs_private = NULL;
		return -ENOMEM;
	}
	fc->s_fs_info = m;
	if (fc->purpose == FS_CONTEXT_FOR_RECONFIGURE) {
		*m = *(struct ferry_mount *)fc->root->d_sb->s_fs_info;
		m->chan = NULL;
		return 0;
	}
	m->fd = -1;
	m->root_mode = S_IFDIR;
	m->user_id = current_fsuid();
	m->group_id = current_fsgid();
	m->max_read = IO_DEFAULT;
	m->write_limit = IO_DEFAULT;
	m->max_write = IO_MIN;
	ferry_times_init(&m->times);
	spin_lock_init(&m->forgets.lock);
	INIT_LIST_HEAD(&m->forgets.waiting);
	init_waitqueue_head(&m->forgets.none);
	spin_lock_init(&m->releases_lock);
	INIT_LIST_HEAD(&m->releases);
	hash_init(m->partings);
	return 0;
}

static void ferry_kill_sb(struct super_block *sb)
{
	struct ferry_mount *m = sb->s_fs_info;
	int round;

	/* What is written makes times to be told: the second time. */
	for (round = 0; sb->s_root && round < 2; round++) {
		writeback_inodes_sb(sb, WB_REASON_SYNC);
		if (!ferry_pins_wait(m)) {
			ferry_chan_abort(m->chan);
			break;
		}
	}
	ferry_pins_end(m);
	kill_anon_super(sb);
	mount_free(m);
}

struct file_system_type ferry_fs_type = {
	.owner			= THIS_MODULE,
	.name			= "ferry",
	.init_fs_context	= ferry_init_fs_context,
	.parameters		= ferry_fs_params,
	.kill_sb		= ferry_kill_sb,
};
