// SPDX-License-Identifier: GPL-2.0-only
/*
 * Have locks of files a header of their own?
 * Since 6.3, "filelock: move file locking definitions to separate header file".
 */
#include <linux/filelock.h>
