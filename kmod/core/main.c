// SPDX-License-Identifier: GPL-2.0-only
/* ferry.ko: channels, delivery, /dev/ferry, control. */
#include <linux/module.h>
#include "core/core.h"

static int __init ferry_init(void)
{
	int err;

	err = ferry_recover_begin();
	if (err)
		return err;
	err = ferry_netlink_init();
	if (err)
		goto exit_recover;
	err = ferry_dev_init();
	if (err)
		goto exit_netlink;
	return 0;

exit_netlink:
	ferry_netlink_exit();
exit_recover:
	ferry_recover_exit();
	return err;
}

static void __exit ferry_exit(void)
{
	ferry_dev_exit();
	ferry_recover_exit();	/* a process that is being started holds a channel */
	ferry_netlink_exit();
	ferry_chan_exit();
}

const char FERRY_CORE_API = 0;
EXPORT_SYMBOL_GPL(FERRY_CORE_API);

module_init(ferry_init);
module_exit(ferry_exit);
MODULE_DESCRIPTION("ferry: servers on either side of the user/kernel line");
MODULE_LICENSE("GPL");
MODULE_VERSION(FERRY_VERSION);
