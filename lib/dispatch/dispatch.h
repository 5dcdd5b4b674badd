/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* Private to lib/dispatch: what its files ask of each other. */
#ifndef FERRY_DISPATCH_H
#define FERRY_DISPATCH_H

#include <linux/ferry.h>
#include <ferry/fs.h>
#include <ferry/req.h>

/* How the fs class keeps an operation's arguments in struct ferry_req.arg. */
struct ferry_fs_arg {
	struct ferry_handle handle;
	struct ferry_setattr set;
};

/* The request is answered: "reply" is filled in. */
void ferry_req_end(struct ferry_req *req);

/* A reply of one struct, or the begin of one of several: NULL if there is no room. */
void *ferry_req_out(struct ferry_req *req, size_t size);

void ferry_fs_dispatch(struct ferry_req *req);
void ferry_fs_negotiate(struct ferry_req *req);	/* answers FUSE_INIT */
int ferry_fs_server_init(struct ferry_server *server, const char *args);
void ferry_fs_server_destroy(struct ferry_server *server);

#endif
