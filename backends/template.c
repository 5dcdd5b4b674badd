// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * template: the smallest filesystem that is one, to start your own from.
 *
 *	ferry mount template:text=Good_morning /mnt
 *	cat /mnt/hello
 *
 * Copy this file, name it in backends/sources.mk, and change what is behind the
 * operations. They come in groups below; each comment says what the group owes
 * its client. The contract in full is in <ferry/fs.h> and <ferry/backend.h>.
 *
 * Nothing else may be included: the same source becomes a part of the kernel.
 * What the C library would give you is in <ferry/env.h>, under other names.
 */
#include <ferry/fs.h>
#include <ferry/state.h>

/*
 * Nodes are numbers of your choice, above 0; the root's is given. Here they are
 * constants. A filesystem with more files wants a table from number to node that
 * notices a number which is not valid any more, as memfs_node.c does.
 */
#define NODE_ROOT	FERRY_ROOT_NODE
#define NODE_HELLO	2

#define NAME_HELLO	"hello"

/*
 * How long the client may answer from its cache. What never changes may be
 * FERRY_FOREVER; what others may change behind the client's back should be short,
 * and 0 asks for a request each time.
 */
#define VALID_NS	FERRY_FOREVER

/*
 * One instance: what a mount of this backend knows. There may be several of them
 * in a process, so there are no global variables. Requests come from many
 * threads: what changes after init() needs a lock. Here nothing does.
 */
struct template {
	struct ferry_time born;
	size_t len;
	char text[];
};

static struct template *template_of(const struct ferry_req *req)
{
	return ferry_req_server(req)->priv;
}

/* What stat() shows. False: there is no such node. */
static bool fill_attr(const struct template *t, u64 node, struct ferry_attr *attr)
{
	memset(attr, 0, sizeof(*attr));
	attr->node = node;
	attr->atime = t->born;
	attr->mtime = t->born;
	attr->ctime = t->born;
	switch (node) {
	case NODE_ROOT:
		attr->mode = S_IFDIR | 0555;
		attr->nlink = 2;
		return true;
	case NODE_HELLO:
		attr->mode = S_IFREG | 0444;
		attr->nlink = 1;
		attr->size = t->len;
		attr->blocks = (t->len + 511) / 512;
		return true;
	default:
		return false;
	}
}

static void fill_entry(const struct template *t, u64 node, struct ferry_entry *entry)
{
	entry->node = node;
	/* Numbers are not used again for something else, so one generation does. */
	entry->generation = 0;
	entry->entry_ns = VALID_NS;
	entry->attr_ns = VALID_NS;
	fill_attr(t, node, &entry->attr);
}

/*
 * Names and nodes. lookup() turns a name into a node and thereby counts one
 * lookup; until forget() has taken all of them back the client may name that
 * number in requests. Whoever frees nodes frees them there. With constants there
 * is nothing to count, and forget() may be left out.
 */
static void template_lookup(struct ferry_req *req, u64 parent, const char *name)
{
	struct ferry_entry entry;

	if (parent != NODE_ROOT) {
		ferry_reply_err(req, -ENOTDIR);
		return;
	}
	if (strcmp(name, NAME_HELLO)) {
		/* An entry with node 0 instead would let the client remember the miss. */
		ferry_reply_err(req, -ENOENT);
		return;
	}
	fill_entry(template_of(req), NODE_HELLO, &entry);
	ferry_reply_entry(req, &entry);
}

/*
 * Attributes. @handle is the open file that the client asks by, or NULL.
 * setattr() is chmod, chown, truncate and utimes in one; it would change what
 * set->valid names and answer as getattr() does.
 */
static void template_getattr(struct ferry_req *req, u64 node, struct ferry_handle *handle)
{
	struct ferry_attr attr;

	if (fill_attr(template_of(req), node, &attr))
		ferry_reply_attr(req, &attr, VALID_NS);
	else
		ferry_reply_err(req, -ESTALE);
}

static void template_setattr(struct ferry_req *req, u64 node, const struct ferry_setattr *set,
			     struct ferry_handle *handle)
{
	ferry_reply_err(req, -EROFS);
}

/*
 * Making and removing names: mknod, mkdir, symlink, link, create, unlink, rmdir,
 * rename. Those that make something answer with its entry, the others with
 * ferry_reply_err(req, 0). All of them look like these two; an operation that is
 * left out is answered with -ENOSYS.
 */
static void template_mkdir(struct ferry_req *req, u64 parent, const char *name, u32 mode)
{
	ferry_reply_err(req, -EROFS);
}

static void template_unlink(struct ferry_req *req, u64 parent, const char *name)
{
	ferry_reply_err(req, -EROFS);
}

static void template_create(struct ferry_req *req, u64 parent, const char *name, u32 mode,
			    struct ferry_handle *handle)
{
	ferry_reply_err(req, -EROFS);
}

/*
 * Open files. open() may put a number of yours into handle->fh, which comes back
 * with each request on the file until release(). Without open() in the table the
 * client does not ask at all. Permissions have been checked already, by mode, uid
 * and gid of your attributes, unless the backend sets FERRY_CHECKS_ACCESS or who
 * mounts says no_default_permissions.
 */
static void template_open(struct ferry_req *req, u64 node, struct ferry_handle *handle)
{
	if ((handle->flags & O_ACCMODE) != O_RDONLY) {
		ferry_reply_err(req, -EROFS);
		return;
	}
	handle->keep = FERRY_OPEN_KEEP_CACHE;
	ferry_reply_open(req, handle);
}

/*
 * Contents. A read is answered with pieces of your memory, which are copied
 * before the call returns. It may be shorter than asked for at the end of the
 * file only. write() would take the data with one ferry_req_pull() and answer by
 * ferry_reply_written().
 */
static void template_read(struct ferry_req *req, u64 node, struct ferry_handle *handle, u64 off,
			  u32 len)
{
	struct template *t = template_of(req);
	struct ferry_iov iov;

	if (node != NODE_HELLO) {
		ferry_reply_err(req, -EISDIR);
		return;
	}
	if (off >= t->len) {
		ferry_reply_data(req, NULL, 0);
		return;
	}
	iov.base = t->text + off;
	iov.len = min((u64)len, t->len - off);
	ferry_reply_data(req, &iov, 1);
}

/*
 * Directories. Names are added from offset @off on until there is no room; each
 * comes with the offset that goes on behind it. An offset must stay good while
 * names come and go. With @plus each entry is a lookup as well: attributes are
 * used and a lookup is counted where ferry_dirent_add() returned true.
 */
static void template_readdir(struct ferry_req *req, u64 node, struct ferry_handle *handle,
			     u64 off, bool plus)
{
	static const struct {
		const char *name;
		u64 node;
	} list[] = {
		{ ".", NODE_ROOT },
		{ "..", NODE_ROOT },
		{ NAME_HELLO, NODE_HELLO },
	};
	struct ferry_entry entry;

	if (node != NODE_ROOT) {
		ferry_reply_err(req, -ENOTDIR);
		return;
	}
	for (; off < ARRAY_SIZE(list); off++) {
		fill_entry(template_of(req), list[off].node, &entry);
		if (!ferry_dirent_add(req, list[off].name, strlen(list[off].name), &entry,
				      off + 1))
			break;
	}
	ferry_reply_dir(req);
}

/* The filesystem as a whole, for statfs() and df. */
static void template_statfs(struct ferry_req *req, u64 node)
{
	const struct ferry_statfs st = {
		.blocks = 1,
		.files = 2,
		.bsize = FERRY_PAGE_SIZE,
		.frsize = FERRY_PAGE_SIZE,
		.namelen = 255,
	};

	ferry_reply_statfs(req, &st);
}

/*
 * Extended attributes. The reply says the whole value; that the client may have
 * asked for its length only, or has too little room, is taken care of. The list
 * is of names with a NUL behind each.
 */
static void template_getxattr(struct ferry_req *req, u64 node, const char *name)
{
	static const char value[] = "ferry";

	if (node == NODE_HELLO && !strcmp(name, "user.from"))
		ferry_reply_xattr(req, value, strlen(value));
	else
		ferry_reply_err(req, -ENODATA);
}

static void template_listxattr(struct ferry_req *req, u64 node)
{
	static const char list[] = "user.from";

	ferry_reply_xattr(req, list, node == NODE_HELLO ? sizeof(list) : 0);
}

/*
 * Begin and end. init() reads the arguments; where it refuses them it says why in
 * one line of the log. What is to survive the process is allocated from the state; what
 * a request changes there it would save before, by ferry_tx_add(). destroy() is called
 * when no request is under way.
 */
static int template_init(struct ferry_server *server, const char *args)
{
	static const char *const known[] = { "text", NULL };
	const char *text = "Hello from ferry";
	size_t len = strlen(text);
	struct template *t;
	const char *arg;
	size_t arg_len;
	int err;

	/* Where another process was killed its state is here; see ferry/state.h. */
	server->priv = ferry_state_root();
	if (server->priv)
		return 0;
	err = ferry_args_check(server, args, known);
	if (err)
		return err;
	arg = ferry_opt_find(args, "text", &arg_len);
	if (arg) {
		text = arg;
		len = arg_len;
	}

	t = ferry_state_alloc(sizeof(*t) + len + 1);
	if (!t)
		return -ENOMEM;
	memcpy(t->text, text, len);
	t->text[len] = '\n';
	t->len = len + 1;
	ferry_now(&t->born);
	ferry_state_set_root(t);
	server->priv = t;
	return 0;
}

static void template_destroy(struct ferry_server *server)
{
	/* A state that is kept is the next server's. */
	if (!ferry_state_is_kept())
		ferry_state_free(server->priv);
}

static const struct ferry_fs_ops template_ops = {
	.size = sizeof(template_ops),
	.init = template_init,
	.destroy = template_destroy,
	.lookup = template_lookup,
	.getattr = template_getattr,
	.setattr = template_setattr,
	.mkdir = template_mkdir,
	.unlink = template_unlink,
	.rmdir = template_unlink,
	.create = template_create,
	.open = template_open,
	.read = template_read,
	.readdir = template_readdir,
	.statfs = template_statfs,
	.getxattr = template_getxattr,
	.listxattr = template_listxattr,
};

/* This makes it a backend: a shared object in user space, a module in the kernel. */
/*
 * The flags are right as long as nothing is remembered but the arguments. Who remembers more takes
 * both off: else it is lost, and nobody told, when another server follows this one. What has to
 * be done to have them again is in backend-guide.rst, 6 and 7.
 */
FERRY_BACKEND(template, .flags = FERRY_RECOVERS | FERRY_STATELESS,
	      .help = "[text=TEXT]  one file, hello, that says TEXT",
	      .fs = &template_ops);
