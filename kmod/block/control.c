// SPDX-License-Identifier: GPL-2.0-only
/* /dev/ferryblk: where disks are asked for. The contract is in uapi/linux/ferry_blk.h. */
#include <linux/capability.h>
#include <linux/compat.h>
#include <linux/ctype.h>
#include <linux/file.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include "block/block.h"

static bool is_terminated(const char *s, size_t size)
{
	return strnlen(s, size) < size;
}

static bool name_ok(const char *s, const char *also)
{
	for (; *s; s++) {
		if (!isascii(*s) || (!isalnum(*s) && !strchr(also, *s)))
			return false;
	}
	return true;
}

static int check_add(const struct ferry_blk_add *how)
{
	if (how->size != sizeof(*how) || how->abi != FERRY_ABI)
		return -EPROTO;
	if (how->reserved || how->flags & ~(FERRY_BLK_READ_ONLY | FERRY_BLK_ROTATIONAL) ||
	    how->depth > FERRY_BLK_DEPTH_MAX || how->timeout > FERRY_BLK_TIMEOUT_MAX ||
	    how->fd < -1 || !is_terminated(how->backend, sizeof(how->backend)) ||
	    !is_terminated(how->serial, sizeof(how->serial)) || !name_ok(how->serial, "-_."))
		return -EINVAL;
	return 0;
}

static struct ferry_chan *chan_of_fd(const struct ferry_blk_add *how, const char *args,
				     char *names, size_t size)
{
	struct file *file;
	struct ferry_chan *chan;

	if (args && (strlen(args) >= size || !name_ok(args, "-_.+")))
		return ERR_PTR(-EINVAL);
	file = fget(how->fd);
	if (!file)
		return ERR_PTR(-EBADF);
	chan = ferry_chan_of_file(file, FERRY_CLASS_BLOCK);
	fput(file);
	if (!IS_ERR(chan))
		strscpy(names, args ?: ferry_chan_name(chan), size);
	return chan;
}

static struct ferry_chan *chan_of_backend(const struct ferry_blk_add *how, const char *args,
					  char *names, size_t size)
{
	struct ferry_chan *chan = ferry_chan_local(FERRY_CLASS_BLOCK, how->backend, args);

	if (!IS_ERR(chan))
		ferry_chan_names(chan, names, size);
	return chan;
}

static struct ferry_chan *get_chan(const struct ferry_blk_add *how, char *names, size_t size)
{
	struct ferry_chan *chan;
	char *args = NULL;

	if (how->args) {
		args = strndup_user(u64_to_user_ptr(how->args), FERRY_BLK_ARGS_MAX);
		if (IS_ERR(args))
			return ERR_CAST(args);
	}
	chan = how->fd >= 0 ? chan_of_fd(how, args, names, size) :
			      chan_of_backend(how, args, names, size);
	kfree(args);
	return chan;
}

static long add(struct ferry_blk_add __user *arg)
{
	char names[FERRY_BLK_NAMES_MAX];
	struct ferry_blk_add how;
	struct ferry_chan *chan;
	int err;

	if (copy_from_user(&how, arg, sizeof(how)))
		return -EFAULT;
	err = check_add(&how);
	if (err)
		return err;
	chan = get_chan(&how, names, sizeof(names));
	if (IS_ERR(chan))
		return PTR_ERR(chan);
	err = ferry_disk_add(chan, &how, names, &how.index);
	if (err)
		return err;
	if (put_user(how.index, &arg->index)) {
		ferry_disk_del(how.index, true);
		return -EFAULT;
	}
	return 0;
}

static long del(const struct ferry_blk_del __user *arg)
{
	struct ferry_blk_del how;

	if (copy_from_user(&how, arg, sizeof(how)))
		return -EFAULT;
	if (how.flags & ~FERRY_BLK_DEL_FORCE)
		return -EINVAL;
	return ferry_disk_del(how.index, how.flags & FERRY_BLK_DEL_FORCE);
}

static long resize(struct ferry_blk_set_size __user *arg)
{
	struct ferry_blk_set_size how;
	u64 bytes;
	int err;

	if (copy_from_user(&how, arg, sizeof(how)))
		return -EFAULT;
	if (how.reserved)
		return -EINVAL;
	bytes = how.bytes;
	err = ferry_disk_resize(how.index, &bytes);
	if (err)
		return err;
	return copy_to_user(&arg->bytes, &bytes, sizeof(bytes)) ? -EFAULT : 0;
}

static long control_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	void __user *argp = (void __user *)arg;
	long err;

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	switch (cmd) {
	case FERRY_BLK_IOC_ADD:
		err = add(argp);
		break;
	case FERRY_BLK_IOC_DEL:
		err = del(argp);
		break;
	case FERRY_BLK_IOC_RESIZE:
		err = resize(argp);
		break;
	default:
		return -ENOTTY;
	}
	/* Only a signal that kills ends a wait here: nothing is to be begun again. */
	return err == -ERESTARTSYS ? -EINTR : err;
}

static const struct file_operations control_fops = {
	.owner		= THIS_MODULE,
	.unlocked_ioctl	= control_ioctl,
	.compat_ioctl	= compat_ptr_ioctl,
	.llseek		= noop_llseek,
};

static struct miscdevice control = {
	.minor		= MISC_DYNAMIC_MINOR,
	.name		= "ferryblk",
	.mode		= 0600,
	.fops		= &control_fops,
};

int ferry_control_init(void)
{
	return misc_register(&control);
}

void ferry_control_exit(void)
{
	misc_deregister(&control);
}
