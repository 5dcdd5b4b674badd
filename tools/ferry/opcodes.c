// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* What the opcodes of the classes are called. */
#include "channel.h"

#include <linux/ferry_blk.h>
#include <linux/fuse.h>

/* Those of a class are counted from 1; FERRY_OP_SAVE, which is the core's, as 0. */
static const char *const fs_names[] = {
	[0]			= "SAVE",
	[FUSE_LOOKUP]		= "LOOKUP",
	[FUSE_FORGET]		= "FORGET",
	[FUSE_GETATTR]		= "GETATTR",
	[FUSE_SETATTR]		= "SETATTR",
	[FUSE_READLINK]		= "READLINK",
	[FUSE_SYMLINK]		= "SYMLINK",
	[FUSE_MKNOD]		= "MKNOD",
	[FUSE_MKDIR]		= "MKDIR",
	[FUSE_UNLINK]		= "UNLINK",
	[FUSE_RMDIR]		= "RMDIR",
	[FUSE_RENAME]		= "RENAME",
	[FUSE_LINK]		= "LINK",
	[FUSE_OPEN]		= "OPEN",
	[FUSE_READ]		= "READ",
	[FUSE_WRITE]		= "WRITE",
	[FUSE_STATFS]		= "STATFS",
	[FUSE_RELEASE]		= "RELEASE",
	[FUSE_FSYNC]		= "FSYNC",
	[FUSE_SETXATTR]		= "SETXATTR",
	[FUSE_GETXATTR]		= "GETXATTR",
	[FUSE_LISTXATTR]	= "LISTXATTR",
	[FUSE_REMOVEXATTR]	= "REMOVEXATTR",
	[FUSE_FLUSH]		= "FLUSH",
	[FUSE_INIT]		= "INIT",
	[FUSE_OPENDIR]		= "OPENDIR",
	[FUSE_READDIR]		= "READDIR",
	[FUSE_RELEASEDIR]	= "RELEASEDIR",
	[FUSE_FSYNCDIR]		= "FSYNCDIR",
	[FUSE_GETLK]		= "GETLK",
	[FUSE_SETLK]		= "SETLK",
	[FUSE_SETLKW]		= "SETLKW",
	[FUSE_ACCESS]		= "ACCESS",
	[FUSE_CREATE]		= "CREATE",
	[FUSE_INTERRUPT]	= "INTERRUPT",
	[FUSE_BMAP]		= "BMAP",
	[FUSE_DESTROY]		= "DESTROY",
	[FUSE_IOCTL]		= "IOCTL",
	[FUSE_POLL]		= "POLL",
	[FUSE_BATCH_FORGET]	= "BATCH_FORGET",
	[FUSE_FALLOCATE]	= "FALLOCATE",
	[FUSE_READDIRPLUS]	= "READDIRPLUS",
	[FUSE_RENAME2]		= "RENAME2",
	[FUSE_LSEEK]		= "LSEEK",
	[FUSE_COPY_FILE_RANGE]	= "COPY_FILE_RANGE",
	[FUSE_SYNCFS]		= "SYNCFS",
};

static const char *const block_names[] = {
	[0]			= "SAVE",
	[FERRY_BLK_INIT]	= "INIT",
	[FERRY_BLK_READ]	= "READ",
	[FERRY_BLK_WRITE]	= "WRITE",
	[FERRY_BLK_FLUSH]	= "FLUSH",
	[FERRY_BLK_DISCARD]	= "DISCARD",
	[FERRY_BLK_WRITE_ZEROES] = "WRITE_ZEROES",
	[FERRY_BLK_RESIZE]	= "RESIZE",
};

#define NAMES(table)	{ table, sizeof(table) / sizeof((table)[0]) }

static const struct {
	const char *const *names;
	uint32_t nr;
} classes[] = {
	[FERRY_CLASS_FS]	= NAMES(fs_names),
	[FERRY_CLASS_BLOCK]	= NAMES(block_names),
};

const char *opcode_name(uint32_t class, uint32_t opcode)
{
	if (class >= sizeof(classes) / sizeof(classes[0]) || opcode >= classes[class].nr)
		return NULL;
	return classes[class].names[opcode];
}
