// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* A session: server, channel, threads, mount, and in which order they go. */
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/rseq.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "ring.h"
#include "saved.h"
#include "state.h"

#define INIT_TIMEOUT_S	30
#define GRACE_DEFAULT_S	30

/* Takes a thread out of its ioctl. Blocked elsewhere, and nobody else's. */
#define SIG_STOP	SIGRTMIN

static const struct ferry_loop_ops *const loops[] = {
	&ferry_loop_sync,
	&ferry_loop_poll,
	&ferry_loop_uring,
	&ferry_loop_rw,
};

static const struct ferry_loop_ops *find_loop(const char *name)
{
	size_t i;

	if (!name)
		return loops[0];
	for (i = 0; i < ARRAY_SIZE(loops); i++)
		if (!strcmp(loops[i]->name, name))
			return loops[i];
	ferry_log(FERRY_LOG_ERR, "wait=%s: no such wait style: there are sync, poll, uring and rw", name);
	return NULL;
}

u32 ferry_session_reissues(const struct ferry_backend *backend,
			   const struct ferry_session_options *options)
{
	bool reissue = backend->flags & FERRY_RECOVERS &&
		       (!options->wait || strcmp(options->wait, ferry_loop_rw.name));

	if (options->on_death && !options->attach)
		reissue = strcmp(options->on_death, "fail");
	return reissue ? options->grace ? options->grace : GRACE_DEFAULT_S : 0;
}

/* 0: @backend can go on as options->on_death says. */
static int check_death(const struct ferry_backend *backend,
		       const struct ferry_session_options *options)
{
	const char *how = options->on_death;

	if (!how || !strcmp(how, "fail") || !strcmp(how, "reissue"))
		return 0;
	if (strcmp(how, "kernel")) {
		ferry_log(FERRY_LOG_ERR, "on_death=%s: there are reissue, kernel and fail", how);
		return -EINVAL;
	}
	if (backend->flags & FERRY_STATELESS || (backend->save && backend->load))
		return 0;
	ferry_log(FERRY_LOG_ERR,
		  "%s: on_death=kernel: it cannot go on inside the kernel: there are reissue and fail",
		  backend->name);
	return -EOPNOTSUPP;
}

static int check_backend(const struct ferry_session *session,
			 const struct ferry_backend *backend)
{
	if (backend->abi != FERRY_BACKEND_ABI) {
		ferry_log(FERRY_LOG_ERR, "%s: built for backend ABI %u, not %u: build it anew",
			  backend->name, backend->abi, FERRY_BACKEND_ABI);
		return -EPROTO;
	}
	if (session->class == FERRY_CLASS_FS && !backend->fs) {
		ferry_log(FERRY_LOG_ERR, "%s: is no filesystem%s", backend->name,
			  backend->block ? ": it is a disk, see 'ferry disk --help'" : "");
		return -EOPNOTSUPP;
	}
	if (session->class == FERRY_CLASS_BLOCK && !backend->block) {
		ferry_log(FERRY_LOG_ERR, "%s: is no disk%s", backend->name,
			  backend->fs ? ": it is a filesystem, see 'ferry mount --help'" : "");
		return -EOPNOTSUPP;
	}
	return 0;
}

/* Does the backend keep what it knows in the state? If not there is none any more. */
static void settle_state(struct ferry_session *session)
{
	if (session->state_fd >= 0 && !ferry_state_ready()) {
		close(session->state_fd);
		session->state_fd = -1;
	}
}

/* A server, and a channel for it. */
static int found(struct ferry_session *session, const struct ferry_backend *backend,
		 const char *args, const struct ferry_session_options *want)
{
	int err;

	if (ferry_session_reissues(backend, want)) {
		err = ferry_state_create(backend, &session->state_fd);
		if (err)
			return err;
	}
	err = ferry_server_init(&session->server, backend, session->class, args);
	if (err)
		return err;
	settle_state(session);
	err = ferry_channel_open(session, want);
	if (err)
		goto stop_server;
	err = session->loop->open(session);
	if (err)
		goto close_channel;
	if (session->loop != &ferry_loop_rw)
		ferry_ring_write_args(session->loop_data, args);
	return 0;

close_channel:
	ferry_channel_close(session);
stop_server:
	ferry_server_destroy(&session->server, session->class);
	return err;
}

/* What the last server has left behind when it died. */
static int take_over_state(struct ferry_session *session, const struct ferry_backend *backend,
			   const char *args)
{
	char *remembered = args ? NULL : ferry_ring_read_args(session->loop_data);
	int err = 0;

	if (!args)
		args = remembered;
	if (session->state_fd >= 0)
		err = ferry_state_attach(backend, session->state_fd, ferry_ring_mark,
					 session->loop_data);
	if (!err)
		err = ferry_server_init(&session->server, backend, session->class, args);
	if (!err) {
		settle_state(session);
		ferry_ring_read_notes(session->loop_data);
		ferry_ring_write_args(session->loop_data, args);
	}
	free(remembered);
	return err;
}

/* Do it and all that stands behind it know nothing but their arguments? */
static bool is_stateless(const struct ferry_server *server)
{
	while (server && server->backend->flags & FERRY_STATELESS)
		server = server->below;
	return !server;
}

/* What the last server saved before it went. @state: made for it already, or -1 */
static int load_saved(struct ferry_session *session, const struct ferry_backend *backend,
		      const struct ferry_session_options *want, int state)
{
	int saved = session->state_fd;
	int err = 0;

	session->state_fd = state;
	if (state < 0 && ferry_session_reissues(backend, want))
		err = ferry_state_create(backend, &session->state_fd);
	if (!err)
		err = ferry_saved_load(session, backend, saved);
	close(saved);
	if (err)
		return err;
	settle_state(session);
	ferry_ring_write_notes(session->loop_data);
	ferry_ring_write_args(session->loop_data, session->server.args);
	if (!ferry_session_reissues(backend, want))
		return ferry_channel_keep(session, true);
	/* It was true when we came. Of a stateless server it stays so. */
	return session->state_fd < 0 && is_stateless(&session->server) ?
	       0 : ferry_channel_keep(session, false);
}

/* A channel that has lost its server, and a server that goes on where that one stopped. */
static int succeed(struct ferry_session *session, const struct ferry_backend *backend,
		   const char *args, const struct ferry_session_options *want)
{
	int err, state = -1;

	if (session->loop == &ferry_loop_rw) {
		ferry_log(FERRY_LOG_ERR, "channel %u: wait=rw cannot take the place of a server",
			  want->attach);
		return -EINVAL;
	}
	/* All that can be is made ready before clients wait. */
	if (want->replace && ferry_session_reissues(backend, want)) {
		err = ferry_state_create(backend, &state);
		if (err)
			return err;
		ferry_state_warm();
		session->cools = true;
	}
	err = ferry_channel_open(session, want);
	if (err)
		goto close_state;
	err = session->loop->open(session);
	if (err)
		goto close_channel;
	if (session->state_fd >= 0 && ferry_saved_is(session->state_fd)) {
		err = load_saved(session, backend, want, state);
		state = -1;
	} else {
		ferry_state_close();
		err = take_over_state(session, backend, args);
	}
	if (!err)
		goto close_state;
	session->loop->close(session);
close_channel:
	ferry_channel_close(session);
close_state:
	if (state >= 0)
		close(state);
	return err;
}

int ferry_session_new(const struct ferry_backend *backend, const char *args,
		      const struct ferry_session_options *options,
		      struct ferry_session **result)
{
	struct ferry_session_options want = { 0 };
	struct ferry_session *session;
	pthread_condattr_t attr;
	int err;

	if (options)
		memcpy(&want, options, min(options->size, sizeof(want)));
	session = calloc(1, sizeof(*session));
	if (!session) {
		ferry_log(FERRY_LOG_ERR, "no memory for a session");
		return -ENOMEM;
	}
	pthread_mutex_init(&session->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&session->changed, &attr);
	pthread_condattr_destroy(&attr);
	session->state_fd = -1;
	session->class = want.class ? want.class : FERRY_CLASS_FS;
	session->disk = -1;
	err = check_backend(session, backend);
	if (err)
		goto free_session;
	err = want.attach ? 0 : check_death(backend, &want);
	if (err)
		goto free_session;
	err = -EINVAL;
	session->loop = find_loop(want.wait);
	if (!session->loop)
		goto free_session;
	session->ended_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (session->ended_fd < 0) {
		err = -errno;
		ferry_log(FERRY_LOG_ERR, "no eventfd: %s", strerror(-err));
		goto free_session;
	}
	session->spin_us = want.spin_us;
	session->mounted = want.attach ? want.mounted : 0;
	session->server.backend = backend;
	err = want.attach ? succeed(session, backend, args, &want) :
			    found(session, backend, args, &want);
	if (err)
		goto close_state;
	*result = session;
	return 0;

close_state:
	ferry_state_close();
	if (session->state_fd >= 0)
		close(session->state_fd);
	close(session->ended_fd);
free_session:
	pthread_cond_destroy(&session->changed);
	pthread_mutex_destroy(&session->lock);
	free(session);
	return err;
}

void ferry_session_answered(struct ferry_session *session)
{
	if (!session->server.fs.minor)
		return;
	pthread_mutex_lock(&session->lock);
	__atomic_store_n(&session->up, true, __ATOMIC_RELAXED);
	pthread_cond_broadcast(&session->changed);
	pthread_mutex_unlock(&session->lock);
}

static void thread_ended(struct ferry_session *session, int err)
{
	pthread_mutex_lock(&session->lock);
	if (err && !session->error)
		session->error = err;
	if (!--session->running)
		eventfd_write(session->ended_fd, 1);
	pthread_cond_broadcast(&session->changed);
	pthread_mutex_unlock(&session->lock);
}

/*
 * The kernel writes each thread's CPU into its rseq area whenever it has been off the
 * processor, which for us is at each request. Nobody here reads it; sched_getcpu()
 * has another way. Where this fails all is as before.
 */
static void drop_rseq(void)
{
	struct rseq *rseq = (void *)((char *)__builtin_thread_pointer() + __rseq_offset);

	if (__rseq_size)
		syscall(SYS_rseq, rseq, max(__rseq_size, 32U), RSEQ_FLAG_UNREGISTER, RSEQ_SIG);
}

static void *worker_main(void *arg)
{
	struct ferry_worker *worker = arg;
	struct ferry_session *session = worker->session;
	int err;

	/* Reclaim that waits for this server must not be what the server waits for. */
	if (session->server.fs.writeback || session->class == FERRY_CLASS_BLOCK)
		prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0);
	drop_rseq();
	err = session->loop->run(worker);
	if (err)
		ferry_log(FERRY_LOG_ERR, "%s: thread %u ends: %s", session->server.backend->name,
			  worker->queue, strerror(-err));
	thread_ended(session, err);
	return NULL;
}

static void on_stop(int sig)
{
}

int ferry_session_start(struct ferry_session *session)
{
	struct sigaction sa = { .sa_handler = on_stop };
	sigset_t block, old;
	int err = 0;

	sigaction(SIG_STOP, &sa, NULL);
	sigfillset(&block);
	sigdelset(&block, SIG_STOP);
	pthread_sigmask(SIG_BLOCK, &block, &old);
	pthread_mutex_lock(&session->lock);
	while (!err && session->started < session->nr_workers) {
		struct ferry_worker *worker = &session->workers[session->started];

		err = -pthread_create(&worker->thread, NULL, worker_main, worker);
		if (!err) {
			session->started++;
			session->running++;
		}
	}
	pthread_mutex_unlock(&session->lock);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (err)
		ferry_log(FERRY_LOG_ERR, "no thread: %s", strerror(-err));
	return err;
}

/* By the clock that @changed has, which nobody sets. */
static void deadline(struct timespec *t, unsigned int ms)
{
	clock_gettime(CLOCK_MONOTONIC, t);
	t->tv_sec += ms / 1000;
	t->tv_nsec += ms % 1000 * 1000000L;
	if (t->tv_nsec >= 1000000000L) {
		t->tv_sec++;
		t->tv_nsec -= 1000000000L;
	}
}

/* The signal may come before a thread is in its ioctl: so it is sent until it ends. */
static void stop_workers(struct ferry_session *session)
{
	struct timespec t;
	u32 i;

	__atomic_store_n(&session->stop, true, __ATOMIC_RELAXED);
	pthread_mutex_lock(&session->lock);
	while (session->running) {
		for (i = 0; i < session->started; i++)
			pthread_kill(session->workers[i].thread, SIG_STOP);
		deadline(&t, 10);
		pthread_cond_timedwait(&session->changed, &session->lock, &t);
	}
	pthread_mutex_unlock(&session->lock);
}

static int wait_up(struct ferry_session *session)
{
	struct timespec t;
	int err = 0;

	deadline(&t, INIT_TIMEOUT_S * 1000);
	pthread_mutex_lock(&session->lock);
	while (!session->up && session->running && !err)
		err = -pthread_cond_timedwait(&session->changed, &session->lock, &t);
	if (session->up)
		err = 0;
	else if (!err)
		err = -ENOTCONN;
	pthread_mutex_unlock(&session->lock);
	return err;
}

int ferry_session_mount(struct ferry_session *session, const char *source,
			const char *dir, const char *options)
{
	char *all = NULL;
	struct stat st;
	int err;

	if (stat(dir, &st)) {
		err = -errno;
		ferry_log(FERRY_LOG_ERR, "%s: %s%s", dir, strerror(-err),
			  err == -ENOTCONN ? ": a mount without server is there, unmount it first" :
			  "");
		return err;
	}
	if (!S_ISDIR(st.st_mode)) {
		ferry_log(FERRY_LOG_ERR, "%s: is no directory: give one to mount on", dir);
		return -ENOTDIR;
	}
	err = ferry_session_start(session);
	if (err)
		return err;
	if (asprintf(&all, "fd=%d,rootmode=%o,user_id=%u,group_id=%u%s%s%s",
		     session->workers[0].fd, st.st_mode & S_IFMT, getuid(), getgid(),
		     session->server.backend->flags & FERRY_CHECKS_ACCESS ? "" : ",default_permissions",
		     options && *options ? "," : "", options ? options : "") < 0)
		return -ENOMEM;
	/* Afterwards the path may mean another directory, or nothing. */
	session->dir = realpath(dir, NULL);
	err = session->dir ? ferry_mount_known(source, dir, all, &session->server.mounted) : -errno;
	free(all);
	if (err) {
		free(session->dir);
		session->dir = NULL;
		return err;
	}
	session->mounted = session->server.mounted;
	if (!session->mounted)
		session->mounted = ferry_mounted_at(session->dir);
	err = wait_up(session);
	if (err) {
		ferry_log(FERRY_LOG_ERR, "%s: the kernel and %s did not come to terms: %s", dir,
			  session->server.backend->name, strerror(-err));
		ferry_session_unmount(session, true);
	}
	return err;
}

int ferry_session_resume(struct ferry_session *session, const char *dir)
{
	int err;

	if (dir) {
		if (!session->mounted)
			session->mounted = ferry_mounted_at(dir);
		if (session->mounted) {
			session->dir = strdup(dir);
			if (!session->dir)
				return -ENOMEM;
		} else {
			ferry_log(FERRY_LOG_WARN, "%s: is no ferry mount: no signal will unmount it", dir);
		}
	}
	session->server.mounted = session->mounted;
	session->up = true;
	if (session->class == FERRY_CLASS_BLOCK)
		session->disk = ferry_disk_of_channel(session->channel);
	err = ferry_session_start(session);
	session->held_ns = ferry_clock_ns() - session->held_since;
	/* What was made ready and is not needed goes back while clients go on. */
	if (session->cools && ferry_state_is_kept())
		ferry_state_cool();
	return err;
}

double ferry_session_held(const struct ferry_session *session)
{
	return session->held_ns / 1e6;
}

static void *mover_main(void *arg)
{
	struct ferry_session *session = arg;
	u64 held_ns;
	int err = ferry_channel_move(session->channel, true, &held_ns);

	if (!err)
		ferry_log(FERRY_LOG_INFO, "channel %u: %s is in the kernel now, clients waited %.1f ms",
			  session->channel, session->server.backend->name, held_ns / 1e6);
	return NULL;
}

/* It ends when this process has closed its endpoints: so not before they are. */
int ferry_session_to_kernel(struct ferry_session *session)
{
	int err = -pthread_create(&session->mover, NULL, mover_main, session);

	if (err)
		ferry_log(FERRY_LOG_ERR, "no thread: %s", strerror(-err));
	session->moves = !err;
	return err;
}

u32 ferry_session_channel(const struct ferry_session *session)
{
	return session->channel;
}

u32 ferry_session_on_death(const struct ferry_session *session)
{
	return session->on_death;
}

u32 ferry_session_grace(const struct ferry_session *session)
{
	return session->grace;
}

u64 ferry_session_mounted(const struct ferry_session *session)
{
	return session->mounted;
}

int ferry_session_unmount(struct ferry_session *session, bool lazy)
{
	int err;

	if (!session->dir)
		return -EINVAL;
	/* Since then something may have been mounted over it, or it may have been moved. */
	if (session->mounted && ferry_mounted_at(session->dir) != session->mounted) {
		ferry_log(FERRY_LOG_ERR, "%s: not unmounted: what is there is not channel %u's mount",
			  session->dir, session->channel);
		return -EINVAL;
	}
	if (!umount2(session->dir, UMOUNT_NOFOLLOW | (lazy ? MNT_DETACH : 0)))
		return 0;
	err = -errno;
	if (err == -EBUSY)
		ferry_log(FERRY_LOG_ERR, "%s: is in use, not unmounted: see 'fuser -vm %s'",
			  session->dir, session->dir);
	else
		ferry_log(FERRY_LOG_ERR, "%s: not unmounted: %s", session->dir, strerror(-err));
	return err;
}

int ferry_session_fd(const struct ferry_session *session)
{
	return session->ended_fd;
}

int ferry_session_wait(struct ferry_session *session)
{
	int err;

	pthread_mutex_lock(&session->lock);
	while (session->running)
		pthread_cond_wait(&session->changed, &session->lock);
	err = session->error;
	pthread_mutex_unlock(&session->lock);
	return err;
}

/* A backend with threads of its own may still be at work. */
static void wait_answered(struct ferry_session *session)
{
	const struct timespec pause = { .tv_nsec = 1000000 };
	unsigned int pending, ms;

	for (ms = 1; (pending = ferry_session_pending(session)); ms++) {
		if (ms == 2000)
			ferry_log(FERRY_LOG_WARN, "%s: waiting for %u answers",
				  session->server.backend->name, pending);
		nanosleep(&pause, NULL);
	}
}

void ferry_session_free(struct ferry_session *session)
{
	if (!session)
		return;
	stop_workers(session);
	while (session->started)
		pthread_join(session->workers[--session->started].thread, NULL);
	ferry_later_hurry(true);
	ferry_server_stop(&session->server, session->class);
	wait_answered(session);
	ferry_later_hurry(false);
	ferry_server_destroy(&session->server, session->class);
	session->loop->close(session);
	ferry_channel_close(session);
	if (session->moves)
		pthread_join(session->mover, NULL);
	ferry_state_close();
	if (session->state_fd >= 0)
		close(session->state_fd);
	close(session->ended_fd);
	pthread_cond_destroy(&session->changed);
	pthread_mutex_destroy(&session->lock);
	free(session->dir);
	free(session);
}
