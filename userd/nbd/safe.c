// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * What is safe at an NBD server: which of the writes that it has answered a flush has stood for,
 * and what may have been lost with a connection. See nbd.h for the rule.
 */
#include "nbd.h"

void nbd_safe_begin(struct nbd_conn *conn)
{
	struct nbd_disk *disk = conn->disk;

	pthread_mutex_lock(&disk->safe_lock);
	conn->since = disk->answered;
	pthread_mutex_unlock(&disk->safe_lock);
}

void nbd_safe_came(struct nbd_disk *disk, struct nbd_job *job)
{
	pthread_mutex_lock(&disk->safe_lock);
	job->told = disk->told;
	pthread_mutex_unlock(&disk->safe_lock);
}

void nbd_safe_answered(struct nbd_disk *disk, const struct nbd_job *job)
{
	const bool written = job->op == NBD_WRITE || job->op == NBD_ZERO;

	if (!disk->geo->flush)
		return;
	pthread_mutex_lock(&disk->safe_lock);
	if (written && !(job->flags & LIBNBD_CMD_FLAG_FUA))
		disk->answered++;
	else if (job->op == NBD_FLUSH)
		disk->safe = max(disk->safe, job->covers);
	if (disk->safe >= disk->answered)
		disk->geo->lost = false;	/* nbd_safe_lost() may not have seen this one come */
	pthread_mutex_unlock(&disk->safe_lock);
}

bool nbd_safe_covers(struct nbd_conn *conn, struct nbd_job *job)
{
	struct nbd_disk *disk = conn->disk;
	bool all;

	pthread_mutex_lock(&disk->safe_lock);
	all = conn->since <= disk->safe && (!job->req || job->told == disk->told);
	job->covers = disk->answered;
	pthread_mutex_unlock(&disk->safe_lock);
	return all;
}

void nbd_safe_tell(struct nbd_conn *conn, const struct nbd_job *job)
{
	struct nbd_disk *disk = conn->disk;

	pthread_mutex_lock(&disk->safe_lock);
	if (job->req && job->told == disk->told) {
		ferry_log(FERRY_LOG_ERR, "nbd: %s: a flush fails, as the connection was lost when not all that was written was flushed: if its server was, too, that may be lost",
			  disk->uri);
		disk->told++;
		/* Another flush may have been answered meanwhile. */
		disk->safe = max(disk->safe, conn->since);
		disk->geo->lost = false;
	}
	pthread_mutex_unlock(&disk->safe_lock);
}

u64 nbd_safe_mark(struct nbd_disk *disk)
{
	u64 safe;

	pthread_mutex_lock(&disk->safe_lock);
	safe = disk->safe;
	pthread_mutex_unlock(&disk->safe_lock);
	return safe;
}

void nbd_safe_lost(struct nbd_disk *disk)
{
	pthread_mutex_lock(&disk->safe_lock);
	if (disk->answered > disk->safe)
		disk->geo->lost = true;
	pthread_mutex_unlock(&disk->safe_lock);
}
