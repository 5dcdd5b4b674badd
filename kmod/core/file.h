/* SPDX-License-Identifier: GPL-2.0-only */
/* Files of the host, from inside: what local delivery asks of env_file.c. */
#ifndef FERRY_CORE_FILE_H
#define FERRY_CORE_FILE_H

#include <linux/types.h>

struct ferry_file;
struct iov_iter;

ssize_t ferry_file_iter(struct ferry_file *file, u64 off, struct iov_iter *iter, bool write,
			bool sync);

#endif
