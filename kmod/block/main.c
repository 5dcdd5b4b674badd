// SPDX-License-Identifier: GPL-2.0-only
/* ferryblk.ko: wiring. */
#include <linux/module.h>
#include "block/block.h"

static int __init ferryblk_init(void)
{
	int err;

	err = ferry_disk_init();
	if (err)
		return err;
	err = ferry_control_init();
	if (err)
		ferry_disk_exit();
	return err;
}

static void __exit ferryblk_exit(void)
{
	ferry_control_exit();
	ferry_disk_exit();
}

FERRY_CLASS_MODULE();
module_init(ferryblk_init);
module_exit(ferryblk_exit);
MODULE_DESCRIPTION("ferry: disks served across the user/kernel line");
MODULE_LICENSE("GPL");
MODULE_VERSION(FERRY_VERSION);	/* and srcversion, which tells of which build it is */
