// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * file: a disk in a file, or on a block device. `path` names it; writes go through the
 * host's page cache, or past it with `direct`. A flush is the host's fdatasync().
 *
 * A disk is one file for life, whatever its path comes to mean: who goes on with it has the
 * file that was open, or finds the same one by the path, or does not serve.
 */
#include <ferry/block.h>
#include <ferry/state.h>

/**
 * struct left - what the next server finds when this one was killed
 * @id: of the file
 * @kept: see ferry_state_keep_file()
 * @watch: see ferry_state_watch_file()
 * @lost: see struct disk
 */
struct left {
	struct ferry_file_id id;
	int kept;
	int watch;
	bool lost;
};

/* In a stream, before the file's own: disk.lost is set. No file has it. */
static const struct ferry_file_id lost_id = { .dev = ~0ULL, .ino = ~0ULL, .rdev = ~0ULL };

/**
 * struct disk
 * @file: open as long as the server is there
 * @left: NULL where nobody finds it
 * @begun: flushes that have been
 * @lock: one flushes at a time; guards what follows
 * @lost: something that was answered could not be written, and never will: no flush succeeds
 *	any more
 * @ask: somebody may have died before he could say so
 */
struct disk {
	struct ferry_file *file;
	struct left *left;
	struct ferry_atomic begun;
	struct ferry_mutex lock;
	bool lost;
	bool ask;
};

static struct disk *disk_of(const struct ferry_req *req)
{
	return ferry_req_server(req)->priv;
}

static struct ferry_file *file_of(const struct ferry_req *req)
{
	return disk_of(req)->file;
}

/* A disk has no end in the middle: what is short failed. */
static void reply(struct ferry_req *req, ssize_t n, u32 len)
{
	if (n < 0)
		ferry_reply_err(req, n);
	else
		ferry_reply_err(req, n == len ? 0 : -EIO);
}

static void file_read(struct ferry_req *req, u64 off, u32 len)
{
	reply(req, ferry_req_push_file(req, file_of(req), off, len), len);
}

static int flush_now(struct disk *disk)
{
	int err = ferry_file_flush(disk->file);

	if (!err && disk->ask)
		err = ferry_state_watched(disk->left->watch);
	disk->ask = false;
	return err;
}

/*
 * The host says once that it could not write something, to whichever flush comes first, and never
 * tries again. It may be anybody's, so it is said to all from then on. For that, one flushes after
 * the other; who waits is served by a flush that began when he was there already.
 */
static int flush(struct disk *disk)
{
	const s64 begun = ferry_atomic_read(&disk->begun);
	int err;

	ferry_mutex_lock(&disk->lock);
	if (!disk->lost && ferry_atomic_read(&disk->begun) == begun) {
		ferry_atomic_add(&disk->begun, 1);
		err = flush_now(disk);
		if (err) {
			ferry_log(FERRY_LOG_ERR, "file: what was written is lost, error %d, see errno(3): each flush of this disk fails from now on",
				  -err);
			disk->lost = true;
		}
		if (err && disk->left)
			disk->left->lost = true;
	}
	err = disk->lost ? -EIO : 0;
	ferry_mutex_unlock(&disk->lock);
	return err;
}

static void file_write(struct ferry_req *req, u64 off, u32 len, u32 flags)
{
	ssize_t n = ferry_req_pull_file(req, file_of(req), off, false);

	if (n == len && flags & FERRY_BLOCK_FUA)
		n = flush(disk_of(req)) ?: n;
	reply(req, n, len);
}

static void file_flush(struct ferry_req *req)
{
	ferry_reply_err(req, flush(disk_of(req)));
}

/* What is no whole number of the device's blocks cannot be: then the client writes zeros. */
static int zero(struct ferry_file *file, u64 off, u64 len, bool keep)
{
	int err = ferry_file_zero(file, off, len, keep);

	return err == -EINVAL ? -EOPNOTSUPP : err;
}

static void file_discard(struct ferry_req *req, u64 off, u64 len)
{
	ferry_reply_err(req, zero(file_of(req), off, len, false));
}

static void file_write_zeroes(struct ferry_req *req, u64 off, u64 len, u32 flags)
{
	/* Not all that can punch holes can keep the room: then the client writes zeros. */
	int err = zero(file_of(req), off, len, flags & FERRY_BLOCK_KEEP);

	if (!err && flags & FERRY_BLOCK_FUA)
		err = flush(disk_of(req));
	ferry_reply_err(req, err);
}

/* The file is as large as its owner made it: a size that is asked for must be there. */
static void file_resize(struct ferry_req *req, u64 size)
{
	s64 have = ferry_file_size(file_of(req));

	if (have < 0) {
		ferry_reply_err(req, have);
		return;
	}
	have &= -(s64)ferry_req_server(req)->block.logical_block;
	if (size > (u64)have || !have)
		ferry_reply_err(req, -ENOSPC);
	else
		ferry_reply_resized(req, size ? size : (u64)have);
}

static const char *why_not_opened(int err, bool again)
{
	switch (err) {
	case -ENOENT:
		if (again)
			return "is not there any more: put it back";
		return "is not there: make it, as large as the disk is to be: truncate -s 1G FILE";
	case -EACCES:
	case -EPERM:
		return "may not be opened: be root, or see to its mode and owner";
	case -EBUSY:
		return "is in use: unmount it, or end what holds it";
	case -EROFS:
		return "cannot be written to: say ro";
	case -EISDIR:
	case -EINVAL:
		return "a regular file or a block device is needed, and of direct one that can do direct I/O";
	}
	return NULL;
}

/* Is it the one that was served before? 0, or -ESTALE after a line in the log. */
static int check_same(const struct ferry_file_id *id, const struct ferry_file_id *before,
		      const char *path)
{
	if (ferry_file_id_same(id, before))
		return 0;
	ferry_log(FERRY_LOG_ERR, "file: %s: is not the file that is this disk's: put that one back",
		  path);
	return -ESTALE;
}

/*
 * Who has it may be about to let it go; where a server is loaded, until that is asked to go: then
 * whoever loads us tries again.
 */
static int open_free(const struct ferry_server *server, const char *path, u32 flags,
		     struct ferry_file **file)
{
	unsigned int tries = 0;
	int err;

	do
		err = ferry_file_open(path, flags, file);
	while (!ferry_server_loads(server) && ferry_file_again(err, &tries));
	return err;
}

/* The file that is served on from the start, or -errno after a line in the log. */
static int find_file(const struct ferry_server *server, const char *path, u32 flags,
		     struct disk *disk)
{
	const struct left *left = ferry_state_root();
	struct ferry_file **file = &disk->file;
	struct ferry_file_id id;
	const char *why;
	int err;

	if (left && !ferry_state_find_file(left->kept, &left->id, file)) {
		disk->ask = true;
		return 0;
	}
	err = open_free(server, path, flags, file);
	if (err == -EBUSY && ferry_server_loads(server))
		return err;
	if (err) {
		why = why_not_opened(err, left);
		if (why)
			ferry_log(FERRY_LOG_ERR, "file: %s: %s", path, why);
		else
			ferry_log(FERRY_LOG_ERR, "file: %s does not open: error %d, see errno(3)",
				  path, -err);
		return err;
	}
	if (left)
		err = ferry_file_id(*file, &id) ?: check_same(&id, &left->id, path);
	if (err)
		ferry_file_close(*file);
	return err;
}

/* For who goes on when this server is killed. Found open already, it stays so. */
static int leave_file(struct disk *disk)
{
	struct left *left = ferry_state_root();
	int err;

	disk->left = left;
	disk->lost = left && left->lost;
	if (!ferry_state_is_kept() || left)
		return 0;
	left = ferry_state_alloc(sizeof(*left));
	if (!left)
		return -ENOMEM;
	err = ferry_file_id(disk->file, &left->id);
	if (err) {
		ferry_state_free(left);
		return err;
	}
	left->kept = ferry_state_keep_file(disk->file);
	left->watch = ferry_state_watch_file(disk->file);
	ferry_state_set_root(left);
	disk->left = left;
	return 0;
}

static int open_file(struct ferry_server *server, const char *path, bool direct,
		     struct disk *disk)
{
	u32 flags = (server->block.read_only ? 0 : FERRY_FILE_WRITE) |
		    (direct ? FERRY_FILE_DIRECT : 0);
	const bool goes_on = ferry_state_root() || ferry_server_loads(server);
	s64 size;
	int err;

	err = find_file(server, path, flags, disk);
	if (err)
		return err;
	size = ferry_file_size(disk->file);
	if (size <= 0)
		ferry_log(FERRY_LOG_ERR, "file: %s is empty: make it as large as the disk is to be",
			  path);
	err = size > 0 ? leave_file(disk) : size < 0 ? size : -EINVAL;
	if (err) {
		ferry_file_close(disk->file);
		return err;
	}
	if (direct)
		server->block.logical_block = max(server->block.logical_block,
						  ferry_file_block(disk->file));
	/* Somebody may have made it longer since it was a disk: that is no reason to lose it. */
	if (goes_on)
		size -= size % server->block.logical_block;
	server->block.size = size;
	server->block.write_zeroes = !server->block.read_only && ferry_file_can_zero(disk->file);
	server->block.discard = server->block.write_zeroes;
	return 0;
}

static int new_disk(struct ferry_server *server, const char *path, bool direct)
{
	struct disk *disk = ferry_alloc(sizeof(*disk));
	int err = disk ? open_file(server, path, direct, disk) : -ENOMEM;

	if (err) {
		ferry_free(disk);
		return err;
	}
	ferry_mutex_init(&disk->lock);
	server->priv = disk;
	return 0;
}

/* A copy of an option's value, or NULL. */
static char *string_of(const char *args, const char *name)
{
	size_t len = 0;
	const char *value = ferry_opt_find(args, name, &len);
	char *s = value ? ferry_alloc(len + 1) : NULL;

	if (s)
		memcpy(s, value, len);
	return s;
}

static int file_init(struct ferry_server *server, const char *args)
{
	static const char *const known[] = { "path", "block", "direct", "ro", NULL };
	u64 block = FERRY_BLOCK_SIZE_MIN;
	char *path;
	int err;

	err = ferry_args_check(server, args, known);
	if (err)
		return err;
	path = string_of(args, "path");
	if (!path || path[0] != '/' || ferry_opt_size(args, "block", &block) ||
	    block > FERRY_BLOCK_SIZE_MAX) {
		ferry_log(FERRY_LOG_ERR, "file: path= wants an absolute path, and block= bytes, as in path=/srv/disk,block=4096");
		ferry_free(path);
		return -EINVAL;
	}
	server->block.logical_block = block;
	server->block.physical_block = FERRY_PAGE_SIZE;
	server->block.read_only = ferry_opt_has(args, "ro");
	server->block.fua = true;
	server->block.does_io = true;
	server->block.repeats = true;
	err = new_disk(server, path, ferry_opt_has(args, "direct"));
	ferry_free(path);
	return err;
}

static void file_destroy(struct ferry_server *server)
{
	struct disk *disk = server->priv;

	ferry_file_close(disk->file);
	ferry_mutex_destroy(&disk->lock);
	ferry_free(disk);
}

/* Who is to go on will look by the path: not behind it, when this one is gone. */
static int check_path(struct ferry_server *server, const struct ferry_file_id *id)
{
	char *path = string_of(server->args, "path");
	struct ferry_file_id there;
	int err = path ? ferry_file_id_at(path, &there) : -ENOMEM;

	if (err == -ENOENT)
		ferry_log(FERRY_LOG_ERR, "file: %s: %s", path, why_not_opened(err, true));
	if (!err)
		err = check_same(&there, id, path);
	ferry_free(path);
	return err == -ENOENT ? -ESTALE : err;
}

static int file_save(struct ferry_server *server, struct ferry_stream *stream)
{
	struct disk *disk = server->priv;
	struct ferry_file_id id;
	int err = ferry_file_id(disk->file, &id);

	if (!err)
		err = check_path(server, &id);
	if (err)
		return err;
	/*
	 * The last close() of a block device does it, and who is sent home must not take minutes.
	 * What cannot be written is no reason to stay.
	 */
	if (id.rdev && !server->block.read_only)
		flush(disk);
	if (disk->lost)
		ferry_stream_write(stream, &lost_id, sizeof(lost_id));
	return ferry_stream_write(stream, &id, sizeof(id));
}

static int file_load(struct ferry_server *server, struct ferry_stream *stream)
{
	struct disk *disk = server->priv;
	struct ferry_file_id id, before;
	int err = ferry_stream_read(stream, &before, sizeof(before));

	disk->lost = !err && ferry_file_id_same(&before, &lost_id);
	if (disk->lost)
		err = ferry_stream_read(stream, &before, sizeof(before));
	if (disk->left)
		disk->left->lost = disk->lost;
	if (!err)
		err = ferry_file_id(disk->file, &id);
	return err ? err : check_same(&id, &before, server->args);
}

static const struct ferry_block_ops file_ops = {
	.size = sizeof(file_ops),
	.init = file_init,
	.destroy = file_destroy,
	.read = file_read,
	.write = file_write,
	.flush = file_flush,
	.discard = file_discard,
	.write_zeroes = file_write_zeroes,
	.resize = file_resize,
};

FERRY_BACKEND(file, .help = "path=FILE[,direct][,ro][,block=BYTES]"
			    "  a disk in a file, or on a block device",
	      .flags = FERRY_RECOVERS, .block = &file_ops, .save = file_save,
	      .load = file_load);
