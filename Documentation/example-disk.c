// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * An asynchronous server of a disk: operations put requests into a list, and a thread of
 * the server's own answers them, as one would that waits for a network. `make check`
 * compiles it.
 *
 *	cc example-disk.c $(pkg-config --cflags --libs ferry) -pthread
 *	./a.out &		# prints the disk's name when it is there
 *	mkfs.ext4 /dev/ferryb0
 */
#include <stdio.h>
#include <stdlib.h>

#include <ferry/block.h>
#include <ferry/session.h>
#include <linux/ferry.h>

#define SIZE	(64ULL << 20)

/** struct job - a request that waits for the thread */
struct job {
	struct job *next;
	struct ferry_req *req;
	u64 off;
	u32 len;
	bool write;
};

/** struct disk - @lock guards @first, @last and @stop; @changed: one of them did */
struct disk {
	char *memory;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct job *first;
	struct job **last;
	bool stop;
};

/* Any thread may answer, at any time, in any order. */
static void do_job(struct disk *disk, struct job *job)
{
	struct ferry_iov iov = { disk->memory + job->off, job->len };
	ssize_t n = job->len;

	if (!job->write) {
		ferry_reply_data(job->req, &iov, 1);
		return;
	}
	n = ferry_req_pull(job->req, 0, &iov, 1);
	ferry_reply_err(job->req, n == job->len ? 0 : -EIO);
}

static void *work(void *arg)
{
	struct disk *disk = arg;
	struct job *job;

	pthread_mutex_lock(&disk->lock);
	while (!disk->stop || disk->first) {
		job = disk->first;
		if (!job) {
			pthread_cond_wait(&disk->changed, &disk->lock);
			continue;
		}
		disk->first = job->next;
		if (!disk->first)
			disk->last = &disk->first;
		pthread_mutex_unlock(&disk->lock);
		do_job(disk, job);
		free(job);
		pthread_mutex_lock(&disk->lock);
	}
	pthread_mutex_unlock(&disk->lock);
	return NULL;
}

static void add_job(struct ferry_req *req, u64 off, u32 len, bool write)
{
	struct disk *disk = ferry_req_server(req)->priv;
	struct job *job = malloc(sizeof(*job));

	if (!job) {
		ferry_reply_err(req, -ENOMEM);
		return;
	}
	*job = (struct job) { .req = req, .off = off, .len = len, .write = write };
	pthread_mutex_lock(&disk->lock);
	*disk->last = job;
	disk->last = &job->next;
	pthread_cond_signal(&disk->changed);
	pthread_mutex_unlock(&disk->lock);
}

static void disk_read(struct ferry_req *req, u64 off, u32 len)
{
	add_job(req, off, len, false);
}

static void disk_write(struct ferry_req *req, u64 off, u32 len, u32 flags)
{
	add_job(req, off, len, true);
}

static int disk_init(struct ferry_server *server, const char *args)
{
	struct disk *disk = calloc(1, sizeof(*disk));

	if (!disk)
		return -ENOMEM;
	disk->memory = calloc(1, SIZE);
	disk->last = &disk->first;
	pthread_mutex_init(&disk->lock, NULL);
	pthread_cond_init(&disk->changed, NULL);
	if (!disk->memory || pthread_create(&disk->thread, NULL, work, disk)) {
		free(disk->memory);
		free(disk);
		return -ENOMEM;
	}
	server->priv = disk;
	server->block.size = SIZE;
	server->block.logical_block = 4096;
	return 0;
}

static void disk_destroy(struct ferry_server *server)
{
	struct disk *disk = server->priv;

	pthread_mutex_lock(&disk->lock);
	disk->stop = true;
	pthread_cond_signal(&disk->changed);
	pthread_mutex_unlock(&disk->lock);
	pthread_join(disk->thread, NULL);
	free(disk->memory);
	free(disk);
}

static const struct ferry_block_ops disk_ops = {
	.size = sizeof(disk_ops),
	.init = disk_init,
	.destroy = disk_destroy,
	.read = disk_read,
	.write = disk_write,
};

static const struct ferry_backend backend = {
	.abi = FERRY_BACKEND_ABI,
	.name = "example",
	.block = &disk_ops,
};

int main(void)
{
	const struct ferry_session_options options = {
		.size = sizeof(options),
		.class = FERRY_CLASS_BLOCK,
	};
	struct ferry_session *session;
	int disk;

	if (ferry_session_new(&backend, NULL, &options, &session))
		return 1;
	disk = ferry_session_disk(session, "example", NULL);
	if (disk >= 0) {
		printf("/dev/ferryb%d is there until 'ferry disk del ferryb%d'\n", disk, disk);
		fflush(stdout);
		ferry_session_wait(session);
	}
	ferry_session_free(session);
	return disk < 0;
}
