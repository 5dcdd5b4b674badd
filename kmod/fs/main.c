// SPDX-License-Identifier: GPL-2.0-only
/* ferryfs.ko: wiring. */
#include <linux/module.h>
#include "fs/fs.h"

static int __init ferryfs_init(void)
{
	int err;

	err = ferry_inode_cache_create();
	if (err)
		return err;
	err = ferry_cache_init();
	if (err)
		goto out_inodes;
	err = ferry_pins_init();
	if (err)
		goto out_cache;
	err = register_filesystem(&ferry_fs_type);
	if (err)
		goto out_pins;
	return 0;

out_pins:
	ferry_pins_exit();
out_cache:
	ferry_cache_exit();
out_inodes:
	ferry_inode_cache_destroy();
	return err;
}

static void __exit ferryfs_exit(void)
{
	unregister_filesystem(&ferry_fs_type);
	ferry_pins_exit();
	ferry_cache_exit();
	ferry_inode_cache_destroy();
}

FERRY_CLASS_MODULE();
module_init(ferryfs_init);
module_exit(ferryfs_exit);
MODULE_ALIAS_FS("ferry");
MODULE_DESCRIPTION("ferry: filesystems served across the user/kernel line");
MODULE_LICENSE("GPL");
MODULE_VERSION(FERRY_VERSION);	/* and srcversion, which tells of which build it is */
