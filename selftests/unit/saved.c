// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* A server saves: who asked for it may not wait any more, and requests come meanwhile. */
#include <pthread.h>
#include <semaphore.h>
#include <stdarg.h>
#include <unistd.h>

#include "../claim.h"
#include "../../lib/saved.h"

static sem_t begun, may_end;
static int answer = 1;

int __wrap_ioctl(int fd, unsigned long cmd, ...);
int __wrap_ioctl(int fd, unsigned long cmd, ...)
{
	CHECK_EQ(cmd, FERRY_IOC_MOVE);
	return 0;
}

void ferry_sleep(u64 us)
{
}

void ferry_log(enum ferry_log_level level, const char *fmt, ...)
{
}

void ferry_reply_err(struct ferry_req *req, int err)
{
	answer = err;
}

/* As long as the claim wants. */
int ferry_server_save(struct ferry_server *server, u32 class, struct ferry_stream *stream)
{
	sem_post(&begun);
	sem_wait(&may_end);
	return 0;
}

bool ferry_stream_is_saved(struct ferry_stream *stream)
{
	return false;
}

int ferry_server_load(struct ferry_server *server, const struct ferry_backend *backend,
		      u32 class, struct ferry_stream *stream)
{
	return -EPROTO;
}

static struct ferry_worker worker = { .fd = STDIN_FILENO };
static struct ferry_session session = {
	.workers = &worker,
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.changed = PTHREAD_COND_INITIALIZER,
};

static void *save(void *arg)
{
	struct ferry_req req = { .opcode = FERRY_OP_SAVE };

	ferry_saved_serve(&session, &req);
	return NULL;
}

static void *come(void *arg)
{
	ferry_saved_wait(&session);
	__atomic_store_n((bool *)arg, true, __ATOMIC_RELEASE);
	return NULL;
}

static void requests_wait(void)
{
	pthread_t saver, other;
	bool came = false;

	ferry_saved_wait(&session);
	DO(pthread_create(&saver, NULL, save, NULL));
	sem_wait(&begun);
	CHECK(__atomic_load_n(&session.saving, __ATOMIC_RELAXED));
	DO(pthread_create(&other, NULL, come, &came));
	usleep(100000);
	CHECK(!__atomic_load_n(&came, __ATOMIC_ACQUIRE));
	CHECK_EQ(answer, 1);
	sem_post(&may_end);
	DO(pthread_join(other, NULL));
	DO(pthread_join(saver, NULL));
	CHECK(came && !session.saving);
	CHECK_EQ(answer, 0);
}

static const struct claim claims[] = {
	{ "a request that comes while a server saves waits for the end of it", requests_wait },
};
CLAIMS_MAIN(claims)
