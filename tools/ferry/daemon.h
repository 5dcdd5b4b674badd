/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* ferryd, as the verbs start it. */
#ifndef FERRY_DAEMON_H
#define FERRY_DAEMON_H

#include <stddef.h>

/** ferryd_find() - our own ferryd, which stands beside us; @buf or "ferryd" */
const char *ferryd_find(char *buf, size_t size);

/** ferryd_complain() - exec of @ferryd failed with errno: one line; returns -errno */
int ferryd_complain(const char *ferryd);

#endif
