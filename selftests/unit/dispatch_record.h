/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/* A backend that writes down how it was called, and answers something. */
#ifndef DISPATCH_RECORD_H
#define DISPATCH_RECORD_H

#include "dispatch_host.h"

/** said - the last call, its arguments behind it; forgets are strung together */
extern char said[1024];

/** record_init_err - what init() returns */
extern int record_init_err;

/** record_entry - what it answers where an entry is wanted */
extern const struct ferry_entry record_entry;

extern const struct ferry_fs_ops record_ops;

#endif
