// SPDX-License-Identifier: GPL-2.0-only
/*
 * Do files have ->mmap_prepare(), and is a mapping made by vfs_mmap()?
 * Since 6.17, "mm/filemap: introduce vfs_mmap_prepare() helper" and what followed it.
 */
#include <linux/fs.h>

int probe(struct file *file, struct vm_area_struct *vma);
int probe(struct file *file, struct vm_area_struct *vma)
{
	return can_mmap_file(file) ? vfs_mmap(file, vma) : 0;
}
