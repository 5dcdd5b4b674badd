// SPDX-License-Identifier: GPL-2.0-only
/*
 * Is ->error_remove_page() called ->error_remove_folio()?
 * Since 6.8, "fs: convert error_remove_page to error_remove_folio".
 */
#include <linux/fs.h>
#include <linux/mm.h>

struct address_space_operations probe = {
	.error_remove_folio = generic_error_remove_folio,
};
