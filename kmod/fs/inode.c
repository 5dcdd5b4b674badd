// SPDX-License-Identifier: GPL-2.0-only
/*
 * Life of nodes: from the answer that names one to the FORGET.
 *
 * The memory of an inode also carries what the server is to forget of it, which may still
 * wait when the VFS frees the inode; whoever of the two comes last frees the memory.
 */
#include <linux/slab.h>
#include "fs/fs.h"

#define FORGETS_WAIT	(HZ / 4)

static struct kmem_cache *inode_cachep;

static void init_once(void *p)
{
	struct ferry_inode *fi = p;

	inode_init_once(&fi->inode);
}

int ferry_inode_cache_create(void)
{
	inode_cachep = kmem_cache_create("ferry_inode", sizeof(struct ferry_inode), 0,
					 SLAB_HWCACHE_ALIGN | SLAB_ACCOUNT | SLAB_RECLAIM_ACCOUNT,
					 init_once);
	return inode_cachep ? 0 : -ENOMEM;
}

void ferry_inode_cache_destroy(void)
{
	rcu_barrier();		/* ferry_inode_free() is called by RCU */
	kmem_cache_destroy(inode_cachep);
}

struct inode *ferry_inode_alloc(struct super_block *sb)
{
	struct ferry_inode *fi = alloc_inode_sb(sb, inode_cachep, GFP_KERNEL);

	if (!fi)
		return NULL;
	fi->node = 0;
	fi->generation = 0;
	fi->flags = 0;
	fi->mode = 0;
	fi->blkbits = sb->s_blocksize_bits;
	atomic_set(&fi->holds, 1);
	spin_lock_init(&fi->lock);
	fi->attr_stale = 0;
	fi->nlookup = 0;
	fi->attr_until = 0;
	fi->attr_version = 0;
	fi->attr_changed = 0;
	INIT_LIST_HEAD(&fi->write_files);
	INIT_LIST_HEAD(&fi->past);
	fi->io_mode = 0;
	atomic_set(&fi->writing, 0);
	fi->times_next = NULL;
	return &fi->inode;
}

static void inode_drop_hold(struct ferry_inode *fi)
{
	if (atomic_dec_and_test(&fi->holds))
		kmem_cache_free(inode_cachep, fi);
}

void ferry_inode_free(struct inode *inode)
{
	inode_drop_hold(ferry_inode_of(inode));
}

/*
 * Make one request of what waits, but for nodes that the server may be at work with for a caller
 * who has gone, or that it has not released yet; false: nothing is left then, and the forgets
 * are not busy any more.
 */
static bool forgets_take(struct ferry_mount *m)
{
	struct ferry_forgets *fg = &m->forgets;
	struct ferry_args *args = &fg->args;
	struct ferry_forget *f, *next;
	LIST_HEAD(taken);
	u32 nr = 0;

	spin_lock(&fg->lock);
	list_for_each_entry_safe(f, next, &fg->waiting, link) {
		if (nr == FERRY_FORGETS_MAX)
			break;
		if (ferry_chan_is_left(m->chan, f->node) || ferry_is_parting(m, f->node))
			continue;
		fg->batch[nr].nodeid = f->node;
		fg->batch[nr++].nlookup = f->nlookup;
		list_move_tail(&f->link, &taken);
	}
	fg->busy = nr;
	fg->sending = nr;
	fg->ended = false;
	spin_unlock(&fg->lock);
	list_for_each_entry_safe(f, next, &taken, link)
		f->free(f);
	if (!nr) {
		if (wq_has_sleeper(&fg->none))
			wake_up_all(&fg->none);
		return false;
	}

	if (nr == 1) {
		ferry_args_init(args, FUSE_FORGET, fg->batch[0].nodeid);
		fg->one.nlookup = fg->batch[0].nlookup;
		ferry_args_in(args, &fg->one, sizeof(fg->one));
	} else {
		ferry_args_init(args, FUSE_BATCH_FORGET, 0);
		fg->head = (struct fuse_batch_forget_in){ .count = nr };
		ferry_args_in(args, &fg->head, sizeof(fg->head));
		ferry_args_in(args, fg->batch, nr * sizeof(fg->batch[0]));
	}
	args->flags = FERRY_ARGS_NO_REPLY | FERRY_ARGS_NO_CRED | FERRY_ARGS_LAZY;
	return true;
}

static void forgets_send(struct ferry_mount *m);

static void forgets_end(struct ferry_args *args, int err)
{
	struct ferry_mount *m = container_of(args, struct ferry_mount, forgets.args);
	struct ferry_forgets *fg = &m->forgets;
	bool sending;

	WRITE_ONCE(fg->last, jiffies);
	spin_lock(&fg->lock);
	sending = fg->sending;
	fg->ended = true;
	spin_unlock(&fg->lock);
	if (!sending)
		forgets_send(m);
}

/* Send what waits. A request may end before it is submitted: hence a loop. */
static void forgets_send(struct ferry_mount *m)
{
	struct ferry_forgets *fg = &m->forgets;
	bool ended = true;

	while (ended && forgets_take(m)) {
		fg->args.end = forgets_end;
		ferry_submit(m->chan, &fg->args);
		spin_lock(&fg->lock);
		fg->sending = false;
		ended = fg->ended;
		spin_unlock(&fg->lock);
	}
}

void ferry_forgets_go_on(struct ferry_mount *m)
{
	struct ferry_forgets *fg = &m->forgets;
	bool busy;

	spin_lock(&fg->lock);
	busy = fg->busy || list_empty(&fg->waiting);
	fg->busy |= !busy;
	spin_unlock(&fg->lock);
	if (!busy)
		forgets_send(m);
}

/* Without the lock, as of some moment: what the caller himself has removed it does not miss. */
static bool has_forgets(const struct ferry_forgets *fg)
{
	return READ_ONCE(fg->busy) || !list_empty(&fg->waiting);
}

/* In style rw one has ended when the server has read it, who is at work with it for a while. */
static bool had_forgets(struct ferry_mount *m)
{
	const unsigned long last = READ_ONCE(m->forgets.last);

	return ferry_chan_is_rw(m->chan) &&
	       time_in_range_open(jiffies, last, last + FORGETS_WAIT);
}

/* They are lazy, so a request may be served before one that was made before it. */
int ferry_call_for_room(struct ferry_mount *m, struct ferry_args *args)
{
	struct ferry_forgets *fg = &m->forgets;
	const bool had = has_forgets(fg);
	int err = ferry_call(m->chan, args);
	long wait;

	if (unlikely(err == -ENOSPC) && (had || has_forgets(fg))) {
		if (wait_event_killable_timeout(fg->none, !has_forgets(fg), FORGETS_WAIT) < 0)
			return err;
		err = ferry_call(m->chan, args);
	}
	for (wait = 1; unlikely(err == -ENOSPC) && wait < FORGETS_WAIT && had_forgets(m); wait *= 2) {
		if (schedule_timeout_killable(wait))
			break;
		err = ferry_call(m->chan, args);
	}
	return err;
}

/* Give back lookups; nobody waits for that but who finds no room. */
static void forget(struct ferry_mount *m, struct ferry_forget *f, u64 node, u64 nlookup)
{
	struct ferry_forgets *fg = &m->forgets;
	bool busy;

	f->node = node;
	f->nlookup = nlookup;
	spin_lock(&fg->lock);
	list_add_tail(&f->link, &fg->waiting);
	busy = fg->busy;
	fg->busy = true;
	spin_unlock(&fg->lock);
	if (!busy)
		forgets_send(m);
}

static void forget_drop_hold(struct ferry_forget *f)
{
	inode_drop_hold(container_of(f, struct ferry_inode, forget));
}

/*
 * An inode goes that changed then, and nobody else knows. The next of its node is made when it is
 * in the hash no more, after us, and sees it.
 */
static void note_change(struct ferry_mount *m, u64 changed)
{
	u64 last = READ_ONCE(m->evicted);

	while (changed > last && !try_cmpxchg(&m->evicted, &last, changed))
		;
}

void ferry_inode_evict(struct inode *inode)
{
	struct ferry_inode *fi = ferry_inode_of(inode);

	truncate_inode_pages_final(&inode->i_data);
	clear_inode(inode);
	ferry_file_put_left(inode);
	if (inode->i_nlink)
		note_change(ferry_mount_of(inode), fi->attr_changed);

	/* At umount the server forgets all by itself. */
	if (!fi->nlookup || !(inode->i_sb->s_flags & SB_ACTIVE))
		return;
	atomic_inc(&fi->holds);
	fi->forget.free = forget_drop_hold;
	forget(ferry_mount_of(inode), &fi->forget, fi->node, fi->nlookup);
}

static void forget_free(struct ferry_forget *f)
{
	kfree(f);
}

/* Give back a lookup that no inode stands for. */
void ferry_forget_send(struct ferry_mount *m, u64 node)
{
	struct ferry_forget *f = kmalloc(sizeof(*f), GFP_KERNEL);

	if (!f) {
		pr_warn_once("ferry: no memory to forget a node, the server keeps it\n");
		return;
	}
	f->free = forget_free;
	forget(m, f, node, 1);
}

void ferry_inode_ref(struct inode *inode)
{
	struct ferry_inode *fi = ferry_inode_of(inode);

	spin_lock(&fi->lock);
	fi->nlookup++;
	spin_unlock(&fi->lock);
}

void ferry_inode_make_bad(struct inode *inode)
{
	set_bit(FERRY_I_BAD, &ferry_inode_of(inode)->flags);
	ferry_attr_invalidate(inode);
}

bool ferry_entry_ok(const struct fuse_entry_out *out)
{
	return out->nodeid && out->nodeid != FUSE_ROOT_ID && ferry_attr_ok(&out->attr);
}

/* A new inode's operations, by its type, which never changes. */
static void set_type(struct inode *inode, umode_t mode, u32 rdev)
{
	inode->i_mode = mode & S_IFMT;
	switch (mode & S_IFMT) {
	case S_IFREG:
		ferry_file_init_inode(inode);
		break;
	case S_IFDIR:
		ferry_dir_init_inode(inode);
		break;
	case S_IFLNK:
		ferry_symlink_init_inode(inode);
		break;
	default:
		ferry_special_init_inode(inode, mode, new_decode_dev(rdev));
	}
	inode->i_flags |= S_NOATIME;
	if (!ferry_owns_times(inode))
		inode->i_flags |= S_NOCMTIME;
}

static int is_node(struct inode *inode, void *node)
{
	return ferry_inode_of(inode)->node == *(u64 *)node;
}

static int set_node(struct inode *inode, void *node)
{
	ferry_inode_of(inode)->node = *(u64 *)node;
	return 0;
}

/* Is this cached inode another file than the one the server speaks of? */
bool ferry_inode_differs(struct inode *inode, const struct fuse_entry_out *out)
{
	return ferry_is_bad(inode) || ferry_inode_of(inode)->generation != out->generation ||
	       inode_wrong_type(inode, out->attr.mode);
}

struct inode *ferry_inode_get(struct super_block *sb, const struct fuse_entry_out *out,
			      u64 at)
{
	struct ferry_mount *m = sb->s_fs_info;
	u64 node = out->nodeid;
	struct ferry_inode *fi;
	struct inode *inode;

	if (!ferry_entry_ok(out)) {
		if (node && node != FUSE_ROOT_ID)
			ferry_forget_send(m, node);
		return ERR_PTR(-EIO);
	}

	for (;;) {
		inode = iget5_locked(sb, node, is_node, set_node, &node);
		if (!inode) {
			ferry_forget_send(m, node);
			return ERR_PTR(-ENOMEM);
		}
		fi = ferry_inode_of(inode);
		if (inode_state_read_once(inode) & I_NEW) {
			fi->generation = out->generation;
			inode->i_generation = out->generation;
			set_type(inode, out->attr.mode, out->attr.rdev);
			fi->nlookup = 1;
			ferry_attr_init(inode, &out->attr, out->attr_valid, out->attr_valid_nsec,
					at);
			unlock_new_inode(inode);
			return inode;
		}
		if (!ferry_inode_differs(inode, out))
			break;
		/* Its number went to another file; it keeps its own lookups to give back. */
		ferry_inode_make_bad(inode);
		remove_inode_hash(inode);
		iput(inode);
	}

	ferry_inode_ref(inode);
	ferry_attr_entry(inode, out, at);
	return inode;
}

/* The root is known before the server has said anything about it. */
struct inode *ferry_inode_root(struct super_block *sb)
{
	struct ferry_mount *m = sb->s_fs_info;
	u64 node = FUSE_ROOT_ID;
	struct inode *inode;

	inode = iget5_locked(sb, node, is_node, set_node, &node);
	if (!inode)
		return NULL;
	set_type(inode, m->root_mode, 0);
	inode->i_mode = m->root_mode;
	ferry_inode_of(inode)->mode = m->root_mode;
	inode->i_uid = m->user_id;
	inode->i_gid = m->group_id;
	set_nlink(inode, 2);
	inode->i_ino = node;
	unlock_new_inode(inode);
	return inode;
}
