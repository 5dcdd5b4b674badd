// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* mirror: the server, attributes, and the table of operations. See mirror.h. */
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/statvfs.h>

#include "mirror.h"

#define NS_PER_S	1000000000ULL

static pthread_key_t buffer_key;
static pthread_once_t buffer_once = PTHREAD_ONCE_INIT;

static void make_buffer_key(void)
{
	if (pthread_key_create(&buffer_key, free))
		abort();
}

/* mirror_buffer() - MIRROR_BUFFER bytes that are this thread's; NULL: no memory */
void *mirror_buffer(void)
{
	void *buffer;

	pthread_once(&buffer_once, make_buffer_key);
	buffer = pthread_getspecific(buffer_key);
	if (!buffer) {
		buffer = malloc(MIRROR_BUFFER);
		if (buffer && pthread_setspecific(buffer_key, buffer)) {
			free(buffer);
			buffer = NULL;
		}
	}
	return buffer;
}

/* mirror_kill_suid() - what the host does not do where root writes; 0 or -errno */
int mirror_kill_suid(int fd)
{
	char path[PROC_PATH];
	struct stat st;
	mode_t mode;

	if (fstatat(fd, "", &st, AT_EMPTY_PATH))
		return -errno;
	mode = st.st_mode & 07777 & ~S_ISUID;
	if (mode & S_IXGRP)
		mode &= ~S_ISGID;
	if (mode == (st.st_mode & 07777))
		return 0;
	return chmod(mirror_proc_path(fd, path), mode) ? -errno : 0;
}

static int get_attr(const struct mirror *m, const struct mirror_node *node, struct ferry_attr *attr)
{
	struct stat st;

	if (fstatat(node->fd, "", &st, AT_EMPTY_PATH))
		return -errno;
	mirror_attr(m, &st, attr);
	return 0;
}

static void reply_attr(struct ferry_req *req, int err, const struct ferry_attr *attr)
{
	if (err)
		ferry_reply_err(req, err);
	else
		ferry_reply_attr(req, attr, mirror_of(req)->valid_ns);
}

static void mirror_getattr(struct ferry_req *req, u64 id, struct ferry_handle *handle)
{
	struct mirror *m = mirror_of(req);
	struct mirror_node *node = mirror_get(m, id);
	struct ferry_attr attr;
	int err;

	if (!node) {
		ferry_reply_err(req, -ESTALE);
		return;
	}
	err = get_attr(m, node, &attr);
	mirror_put(m, node);
	reply_attr(req, err, &attr);
}

static struct timespec time_to_set(u32 valid, u32 bit, u32 now_bit, const struct ferry_time *t)
{
	struct timespec ts = { .tv_nsec = UTIME_OMIT };

	if (valid & now_bit) {
		ts.tv_nsec = UTIME_NOW;
	} else if (valid & bit) {
		ts.tv_sec = t->sec;
		ts.tv_nsec = t->nsec;
	}
	return ts;
}

/* The host applies one after the other; the client sees what was reached. */
static int set_attr(const struct mirror_node *node, const struct ferry_setattr *set)
{
	const u32 times = FERRY_SET_ATIME | FERRY_SET_MTIME | FERRY_SET_ATIME_NOW |
			  FERRY_SET_MTIME_NOW;
	uid_t uid = set->valid & FERRY_SET_UID ? set->uid : (uid_t)-1;
	gid_t gid = set->valid & FERRY_SET_GID ? set->gid : (gid_t)-1;
	struct timespec ts[2];
	char path[PROC_PATH];
	int err = 0;

	mirror_proc_path(node->fd, path);
	if (set->valid & (FERRY_SET_UID | FERRY_SET_GID) &&
	    fchownat(node->fd, "", uid, gid, AT_EMPTY_PATH))
		return -errno;
	if (set->valid & FERRY_SET_SIZE && truncate(path, set->size))
		return -errno;
	/* after chown(), which drops the bits that chmod() may be meant to set */
	if (set->valid & FERRY_SET_MODE)
		err = chmod(path, set->mode & 07777) ? -errno : 0;
	else if (set->valid & FERRY_SET_KILL_SUID && S_ISREG(node->type))
		err = mirror_kill_suid(node->fd);
	if (!err && set->valid & times) {
		ts[0] = time_to_set(set->valid, FERRY_SET_ATIME, FERRY_SET_ATIME_NOW,
				    &set->atime);
		ts[1] = time_to_set(set->valid, FERRY_SET_MTIME, FERRY_SET_MTIME_NOW,
				    &set->mtime);
		err = utimensat(node->fd, "", ts, AT_EMPTY_PATH) ? -errno : 0;
	}
	return err;
}

static void mirror_setattr(struct ferry_req *req, u64 id, const struct ferry_setattr *set,
			   struct ferry_handle *handle)
{
	struct mirror *m = mirror_of(req);
	struct mirror_node *node = mirror_get(m, id);
	struct ferry_attr attr;
	int err;

	if (!node) {
		ferry_reply_err(req, -ESTALE);
		return;
	}
	err = set_attr(node, set);
	if (!err)
		err = get_attr(m, node, &attr);
	mirror_put(m, node);
	reply_attr(req, err, &attr);
}

static void mirror_statfs(struct ferry_req *req, u64 id)
{
	struct mirror *m = mirror_of(req);
	struct mirror_node *node = mirror_get(m, id);
	struct ferry_statfs st;
	struct statvfs vfs;
	int err;

	if (!node) {
		ferry_reply_err(req, -ESTALE);
		return;
	}
	err = fstatvfs(node->fd, &vfs) ? -errno : 0;
	mirror_put(m, node);
	if (err) {
		ferry_reply_err(req, err);
		return;
	}
	st.blocks = vfs.f_blocks;
	st.bfree = vfs.f_bfree;
	st.bavail = vfs.f_bavail;
	st.files = vfs.f_files;
	st.ffree = vfs.f_ffree;
	st.bsize = vfs.f_bsize;
	st.frsize = vfs.f_frsize;
	st.namelen = vfs.f_namemax;
	ferry_reply_statfs(req, &st);
}

/* A descriptor a node: as many as we may have. */
static void raise_nofile(void)
{
	struct rlimit lim;
	FILE *f;
	unsigned long max;

	if (getrlimit(RLIMIT_NOFILE, &lim))
		return;
	f = fopen("/proc/sys/fs/nr_open", "re");
	if (f) {
		if (fscanf(f, "%lu", &max) == 1 && !geteuid())
			lim.rlim_max = max;
		fclose(f);
	}
	lim.rlim_cur = lim.rlim_max;
	if (!setrlimit(RLIMIT_NOFILE, &lim) || getrlimit(RLIMIT_NOFILE, &lim))
		return;
	lim.rlim_cur = lim.rlim_max;
	setrlimit(RLIMIT_NOFILE, &lim);
}

/* "NAME=yes" or "NAME=no" in @args; -EINVAL after a line in the log. */
static int option_bool(const char *args, const char *name, bool *value)
{
	size_t len;
	const char *p = ferry_opt_find(args, name, &len);
	bool yes = p && len == 3 && !memcmp(p, "yes", 3);

	if (p && !yes && (len != 2 || memcmp(p, "no", 2))) {
		ferry_log(FERRY_LOG_ERR, "mirror: %s= wants yes or no", name);
		return -EINVAL;
	}
	if (p)
		*value = yes;
	return 0;
}

/* "PATH[,timeout=SECONDS][,passthrough=no]", but for PATH; 0 or -errno after a line in the log */
static int configure(struct mirror *m, const char *args)
{
	static const char *const known[] = { "timeout", "passthrough", NULL };
	const char *comma = args ? strchr(args, ',') : NULL;
	const char *value;
	double seconds;
	size_t len;
	char *end;
	int err;

	if (!args || !*args || comma == args) {
		ferry_log(FERRY_LOG_ERR, "mirror: name the directory to serve, as in mirror:/srv");
		return -EINVAL;
	}
	m->valid_ns = NS_PER_S;
	m->passthrough = true;
	if (!comma)
		return 0;
	err = ferry_opt_check(comma + 1, known);
	if (!err)
		err = option_bool(comma + 1, "passthrough", &m->passthrough);
	if (err)
		return err;
	value = ferry_opt_find(comma + 1, "timeout", &len);
	seconds = value ? strtod(value, &end) : 1;
	if (value && (!len || end != value + len || !(seconds >= 0 && seconds < 1e9))) {
		ferry_log(FERRY_LOG_ERR,
			  "mirror: timeout= wants seconds from 0 to 10^9, as in timeout=0.5");
		return -EINVAL;
	}
	m->valid_ns = seconds * NS_PER_S;
	return 0;
}

/* PATH's descriptor, or -errno after a line in the log. */
static int open_root(const char *args)
{
	char *path = strndup(args, strcspn(args, ","));
	int fd;

	if (!path)
		return -ENOMEM;
	fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0) {
		fd = -errno;
		ferry_log(FERRY_LOG_ERR, "mirror: %s: %s", path, strerror(-fd));
	}
	free(path);
	return fd;
}

static void mirror_destroy(struct ferry_server *server)
{
	struct mirror *m = server->priv;
	u32 i;

	/* The next server may go on with it. */
	if (ferry_state_is_kept())
		return;
	mirror_nodes_destroy(m);
	for (i = 0; i < ARRAY_SIZE(m->dir_lock); i++)
		pthread_mutex_destroy(&m->dir_lock[i]);
	pthread_mutex_destroy(&m->lock);
	ferry_state_free(m);
}

static int mirror_init(struct ferry_server *server, const char *args)
{
	struct mirror *left = ferry_state_root();
	struct mirror *m = left ? left : ferry_state_alloc(sizeof(*m));
	int fd = -1, err;
	u32 i;

	if (!m)
		return -ENOMEM;
	err = configure(m, args);
	/* What was left has its root, wherever that is by now, and whatever PATH means. */
	if (!err && !left) {
		fd = open_root(args);
		err = min(fd, 0);
	}
	if (err) {
		if (!left)
			ferry_state_free(m);
		return err;
	}
	raise_nofile();
	mirror_caps_init();
	/* The client has applied the caller's. */
	umask(0);
	pthread_mutex_init(&m->lock, NULL);
	for (i = 0; i < ARRAY_SIZE(m->dir_lock); i++)
		pthread_mutex_init(&m->dir_lock[i], NULL);
	server->priv = m;
	server->fs.stack_depth = m->passthrough;
	if (left) {
		err = mirror_nodes_resume(m);
		if (err)
			ferry_log(FERRY_LOG_ERR,
				  "mirror: the last server's files are not open any more: only the ferryd that started it can start another");
		return err;
	}
	err = mirror_nodes_init(m, fd);
	if (err) {
		ferry_log(FERRY_LOG_ERR, "mirror: %s", strerror(-err));
		mirror_destroy(server);
		return err;
	}
	ferry_state_set_root(m);
	return 0;
}

static const struct ferry_fs_ops mirror_ops = {
	.size = sizeof(mirror_ops),
	.init = mirror_init,
	.destroy = mirror_destroy,
	.lookup = mirror_lookup,
	.forget = mirror_forget,
	.getattr = mirror_getattr,
	.setattr = mirror_setattr,
	.readlink = mirror_readlink,
	.mknod = mirror_mknod,
	.mkdir = mirror_mkdir,
	.symlink = mirror_symlink,
	.unlink = mirror_unlink,
	.rmdir = mirror_rmdir,
	.rename = mirror_rename,
	.link = mirror_link,
	.open = mirror_open,
	.create = mirror_create,
	.read = mirror_read,
	.write = mirror_write,
	.release = mirror_release,
	.fsync = mirror_fsync,
	.opendir = mirror_opendir,
	.readdir = mirror_readdir,
	.releasedir = mirror_release,
	.statfs = mirror_statfs,
	.setxattr = mirror_setxattr,
	.getxattr = mirror_getxattr,
	.listxattr = mirror_listxattr,
	.removexattr = mirror_removexattr,
	.lseek = mirror_lseek,
	.fallocate = mirror_fallocate,
};

FERRY_BACKEND(mirror, .flags = FERRY_RECOVERS,
	      .help = "PATH[,timeout=SECONDS][,passthrough=no]  a directory of the host",
	      .fs = &mirror_ops);
