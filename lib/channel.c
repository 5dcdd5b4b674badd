// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* /dev/ferry: a channel and an endpoint for each thread. */
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "internal.h"

#define DEVICE	"/dev/ferry"

/* Of a queue, where nobody says what he wants. */
#define DISK_DEPTH	64U
#define DISK_DATA	(8U << 10)	/* what goes through a slot where nobody says how much */
#define DISK_DATA_MAX	(64U << 10)

static int open_device(void)
{
	int fd = open(DEVICE, O_RDWR | O_CLOEXEC);
	int err = -errno;

	if (fd >= 0)
		return fd;
	if (err == -ENOENT || err == -ENXIO || err == -ENODEV)
		ferry_log(FERRY_LOG_ERR,
			  "%s: the ferry module is not loaded: run 'modprobe ferry' or 'make load'",
			  DEVICE);
	else if (err == -EACCES || err == -EPERM)
		ferry_log(FERRY_LOG_ERR,
			  "%s: may not be opened: run as root, or as a member of its group",
			  DEVICE);
	else
		ferry_log(FERRY_LOG_ERR, "%s: %s", DEVICE, strerror(-err));
	return err;
}

/* One a CPU, as far as a channel can have as many of @depth slots; 0: the kernel sees to that. */
static u32 default_queues(u32 depth)
{
	const long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	u32 most = FERRY_QUEUES_MAX;

	if (depth)
		most = min(most, FERRY_TAGS_MAX / depth);
	return cpus < 1 || !most ? 1 : min(cpus, (long)most);
}

/*
 * What a queue is to be like. Whoever uses a disk has many requests under way, of which each
 * has its data in the slot or past it: there are more slots, and smaller ones. 0: as the kernel
 * likes.
 */
static struct ferry_geometry geometry(const struct ferry_session *session,
				      const struct ferry_session_options *want)
{
	const bool disk = session->class == FERRY_CLASS_BLOCK;
	struct ferry_geometry geo = {
		.nr_queues = want->queues,
		.depth = want->depth,
		.data_size = want->data_size,
		.inline_max = want->inline_max,
	};

	if (disk && !geo.depth)
		geo.depth = DISK_DEPTH;
	if (disk && !geo.data_size)
		geo.data_size = min(geo.inline_max, DISK_DATA_MAX);
	if (disk)
		geo.data_size = max(geo.data_size, DISK_DATA);
	if (!geo.nr_queues)
		geo.nr_queues = default_queues(geo.depth);
	return geo;
}

static int create(struct ferry_session *session, const struct ferry_session_options *want,
		  int fd)
{
	const char *name = session->server.backend->name;
	u32 grace = ferry_session_reissues(session->server.backend, want);
	bool kernel = grace && want->on_death && !strcmp(want->on_death, "kernel");
	struct ferry_setup setup = {
		.size = sizeof(setup),
		.abi = FERRY_ABI,
		.class = session->class,
		.flags = session->loop->create_flags,
		.state_fd = session->state_fd,
		.on_death = kernel ? FERRY_DEATH_KERNEL :
			    grace ? FERRY_DEATH_REISSUE : FERRY_DEATH_FAIL,
		.grace = grace,
		.timeout = want->timeout,
		.geo = geometry(session, want),
	};
	int err;

	if (strlen(name) >= sizeof(setup.name)) {
		ferry_log(FERRY_LOG_ERR, "%s: a backend's name has %zu bytes at most", name,
			  sizeof(setup.name) - 1);
		return -ENAMETOOLONG;
	}
	strcpy(setup.name, name);
	if (!ioctl(fd, FERRY_IOC_CREATE, &setup)) {
		session->channel = setup.id;
		session->geo = setup.geo;
		session->on_death = setup.on_death;
		session->grace = setup.grace;
		return 0;
	}
	err = -errno;
	if (err == -EPROTO && setup.abi != FERRY_ABI)
		ferry_log(FERRY_LOG_ERR,
			  "the ferry module speaks ABI %u, libferry ABI %u: use those of one build",
			  setup.abi, FERRY_ABI);
	else if (kernel && err == -EPERM)
		ferry_log(FERRY_LOG_ERR, "%s: on_death=kernel: only root may (CAP_SYS_ADMIN)", name);
	else if (kernel && (err == -ENOENT || err == -EOPNOTSUPP))
		ferry_log(FERRY_LOG_ERR, "%s: on_death=kernel: %s: there are reissue and fail", name,
			  err == -ENOENT ? "there is no such backend in the kernel" :
			  "the one in the kernel cannot go on where this one stops");
	else if (err == -EINVAL && grace && session->loop->create_flags & FERRY_CREATE_RW)
		ferry_log(FERRY_LOG_ERR, "%s: on_death=%s needs another wait style than rw", name,
			  kernel ? "kernel" : "reissue");
	else if (err == -EINVAL && (grace > FERRY_GRACE_MAX ||
				    want->timeout > FERRY_TIMEOUT_MAX))
		ferry_log(FERRY_LOG_ERR, "%s: grace=%u, timeout=%u: at most %u and %u seconds",
			  name, grace, want->timeout, FERRY_GRACE_MAX,
			  FERRY_TIMEOUT_MAX);
	else if (err == -EINVAL)
		ferry_log(FERRY_LOG_ERR,
			  "%s: no channel of %u queues, depth %u: at most %u, %u, and %u in all",
			  name, setup.geo.nr_queues, setup.geo.depth, FERRY_QUEUES_MAX,
			  FERRY_DEPTH_MAX, FERRY_TAGS_MAX);
	else
		ferry_log(FERRY_LOG_ERR, "%s: no channel: %s", name, strerror(-err));
	return err;
}

static const char *why_not_moved(int err)
{
	switch (err) {
	case -ENOENT:
		return "there is no such channel: see 'ferry list'";
	case -EPERM:
		return "only root may (CAP_SYS_ADMIN), and only what root alone has served";
	case -EOPNOTSUPP:
		return "its backend cannot, or there is none of its name in the kernel"
		       ", or it is served with wait=rw";
	case -ENOTCONN:
		return "it has no server: see 'ferry recover'";
	case -ESTALE:
		return "what it serves is away, or its name means another one by now: put back what it serves";
	case -ETIMEDOUT:
		return "requests under way did not end in time; nothing has changed";
	case -ENOMEM:
		return "there is not enough memory for what it knows, twice; nothing has changed";
	default:
		return strerror(-err);
	}
}

int ferry_channel_move(u32 channel, bool to_kernel, u64 *held_ns)
{
	struct ferry_move move = {
		.size = sizeof(move),
		.to = to_kernel ? FERRY_MOVE_KERNEL : FERRY_MOVE_USER,
		.id = channel,
	};
	int dev = open_device();
	int err;

	if (dev < 0)
		return dev;
	move.fd = memfd_create("ferry-moved", MFD_CLOEXEC);
	err = move.fd < 0 || ioctl(dev, FERRY_IOC_MOVE, &move) ? -errno : 0;
	if (move.fd >= 0)
		close(move.fd);
	close(dev);
	if (!err && held_ns)
		*held_ns = move.held_ns;
	if (err && err != -EALREADY)
		ferry_log(FERRY_LOG_ERR, "channel %u: was not moved: %s", channel,
			  why_not_moved(err));
	return err;
}

/* Take the place of a dead server, or of one that is sent home for it. */
static int succeed(struct ferry_session *session, const struct ferry_session_options *want, int fd)
{
	const char *name = session->server.backend->name;
	const u32 id = want->attach;
	struct ferry_setup setup = {
		.size = sizeof(setup),
		.abi = FERRY_ABI,
		.flags = session->loop->create_flags,
		.fd = -1,
		.id = id,
	};
	u64 held_ns = 0;
	int err;

	if (want->replace) {
		err = ferry_channel_move(id, false, &held_ns);
		if (err)
			return err;
		session->held_since = ferry_clock_ns() - held_ns;
	}
	if (ioctl(fd, FERRY_IOC_ATTACH, &setup)) {
		err = -errno;
		ferry_log(FERRY_LOG_ERR, "channel %u: cannot attach %s: %s%s", id, name,
			  strerror(-err),
			  err == -ENOENT ? ": no such channel, see 'ferry list'" :
			  err == -EBUSY ? ": it has a server" :
			  err == -EPERM ? ": another user has served it: only that one may" :
			  err == -ENOTCONN ? ": it does not wait for a server" : "");
		/*
		 * Whoever is to follow is told by one error that there is nothing to follow. Not so
		 * where it has a server: that may be the dead one, whose io_uring goes after it.
		 */
		return err == -ENOENT ? -ENOTCONN : err;
	}
	session->state_fd = setup.state_fd;
	if (want->grace_now)
		*want->grace_now = setup.grace;
	if (strcmp(setup.name, name)) {
		ferry_log(FERRY_LOG_ERR, "channel %u: was served by %s, not by %s", id,
			  setup.name, name);
		return -EINVAL;
	}
	if (setup.class != session->class) {
		ferry_log(FERRY_LOG_ERR, "channel %u: is %s: attach %s --disk", id,
			  setup.class == FERRY_CLASS_BLOCK ? "a disk's" : "a mount's",
			  setup.class == FERRY_CLASS_BLOCK ? "with" : "without");
		return -EINVAL;
	}
	session->channel = setup.id;
	session->geo = setup.geo;
	session->on_death = setup.on_death;
	session->grace = setup.grace;
	return 0;
}

int ferry_channel_keep(struct ferry_session *session, bool last)
{
	struct ferry_move move = {
		.size = sizeof(move),
		.to = last ? FERRY_MOVE_LAST : FERRY_MOVE_KEEP,
		.fd = last ? -1 : session->state_fd,
	};
	int err;

	if (!ioctl(session->workers[0].fd, FERRY_IOC_MOVE, &move))
		return 0;
	err = -errno;
	ferry_log(FERRY_LOG_ERR, "channel %u: does not keep the state: %s", session->channel,
		  strerror(-err));
	return err;
}

static int attach(struct ferry_session *session, int fd, u32 queue)
{
	struct ferry_setup setup = {
		.size = sizeof(setup),
		.abi = FERRY_ABI,
		.fd = session->workers[0].fd,
		.state_fd = -1,
		.queue = queue,
	};
	int err;

	if (!ioctl(fd, FERRY_IOC_ATTACH, &setup))
		return 0;
	err = -errno;
	ferry_log(FERRY_LOG_ERR, "%s: cannot attach to queue %u: %s",
		  session->server.backend->name, queue, strerror(-err));
	return err;
}

static void add_worker(struct ferry_session *session, int fd)
{
	struct ferry_worker *worker = &session->workers[session->nr_workers];

	worker->session = session;
	worker->fd = fd;
	worker->queue = session->nr_workers++;
}

int ferry_channel_open(struct ferry_session *session, const struct ferry_session_options *want)
{
	u32 queue;
	int err;
	int fd;

	fd = open_device();
	if (fd < 0)
		return fd;
	err = want->attach ? succeed(session, want, fd) : create(session, want, fd);
	if (err)
		goto close_fd;
	session->workers = calloc(session->geo.nr_queues, sizeof(*session->workers));
	if (!session->workers) {
		err = -ENOMEM;
		ferry_log(FERRY_LOG_ERR, "no memory for %u threads", session->geo.nr_queues);
		goto close_fd;
	}
	add_worker(session, fd);
	for (queue = 1; queue < session->geo.nr_queues; queue++) {
		fd = open_device();
		err = fd < 0 ? fd : attach(session, fd, queue);
		if (err)
			goto close_all;
		add_worker(session, fd);
	}
	return 0;

close_all:
	ferry_channel_close(session);
close_fd:
	if (fd >= 0)
		close(fd);
	return err;
}

void ferry_channel_close(struct ferry_session *session)
{
	while (session->nr_workers)
		close(session->workers[--session->nr_workers].fd);
	free(session->workers);
	session->workers = NULL;
}
