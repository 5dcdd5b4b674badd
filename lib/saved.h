/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
#ifndef FERRY_SAVED_H
#define FERRY_SAVED_H

#include "internal.h"

/* Answer a request of the core's own: FERRY_OP_SAVE. */
void ferry_saved_serve(struct ferry_session *session, struct ferry_req *req);

/* Wait until nothing is being saved, session->saving. */
void ferry_saved_wait(struct ferry_session *session);

/* Is a saved server in this file? */
bool ferry_saved_is(int fd);

/* Make session->server from it; 0, or -errno after a line in the log. */
int ferry_saved_load(struct ferry_session *session, const struct ferry_backend *backend, int fd);

#endif
