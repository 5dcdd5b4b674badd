/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* Private to lib/dispatch: what its files ask of each other. */
#ifndef FERRY_DISPATCH_H
#define FERRY_DISPATCH_H

#include <linux/ferry.h>
#include <ferry/block.h>
#include <ferry/fs.h>
#include <ferry/req.h>

/* How the fs class keeps an operation's arguments in struct ferry_req.arg. */
struct ferry_fs_arg {
	struct ferry_handle handle;
	struct ferry_setattr set;
};

/*
 * The request is answered: "reply" is filled in. From done() on it is the host's, which
 * may have given it a new message already: a second answer is noticed only as long
 * as it has not.
 */
static inline void ferry_req_end(struct ferry_req *req)
{
	req->answered = true;
	req->host->done(req);
}

/* There is no room for the reply, or none is wanted any more: say so. Returns NULL. */
void *ferry_req_refuse(struct ferry_req *req);

/* A reply of one struct, or the begin of one of several: NULL if there is no room. */
static inline void *ferry_req_out(struct ferry_req *req, size_t size)
{
	if (unlikely(req->answered || req->error || !req->nr_out || req->out[0].len < size))
		return ferry_req_refuse(req);
	req->out_len = size;
	return req->out[0].p;
}

void ferry_fs_dispatch(struct ferry_req *req);
enum ferry_change ferry_fs_change(const struct ferry_req *req);
void ferry_fs_negotiate(struct ferry_req *req);	/* answers FUSE_INIT */
int ferry_fs_server_init(struct ferry_server *server, const char *args);
void ferry_fs_server_destroy(struct ferry_server *server);

void ferry_block_dispatch(struct ferry_req *req);
enum ferry_change ferry_block_change(const struct ferry_req *req);
void ferry_block_server_stop(struct ferry_server *server);
int ferry_block_settle(struct ferry_server *server);
int ferry_block_server_init(struct ferry_server *server, const char *args);
void ferry_block_server_destroy(struct ferry_server *server);

#endif
