// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* Backends are shared objects NAME.so in one directory. */
#include <dirent.h>
#include <dlfcn.h>
#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include <ferry/req.h>
#include <ferry/session.h>

static bool is_dir(const char *path)
{
	struct stat st;

	return !stat(path, &st) && S_ISDIR(st.st_mode);
}

static void find_dir(char *dir, size_t size)
{
	const char *env = secure_getenv("FERRY_BACKENDS_DIR");
	char exe[PATH_MAX];
	ssize_t n;

	if (env) {
		snprintf(dir, size, "%s", env);
		return;
	}
	n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	if (n > 0) {
		exe[n] = 0;
		snprintf(dir, size, "%s", dirname(dirname(exe)));
		strncat(dir, "/backends", size - strlen(dir) - 1);
		if (is_dir(dir))
			return;
	}
	snprintf(dir, size, "%s", FERRY_BACKENDS_PATH);
}

static int is_backend(const struct dirent *de)
{
	size_t len = strlen(de->d_name);

	return len > 3 && !strcmp(de->d_name + len - 3, ".so");
}

/* "memfs, null, template" */
static void list_dir(const char *dir, char *list, size_t size)
{
	struct dirent **names;
	int n = scandir(dir, &names, is_backend, alphasort);
	size_t used = 0;
	int i;

	snprintf(list, size, "none");
	for (i = 0; i < n; i++) {
		if (used < size)
			used += snprintf(list + used, size - used, "%s%.*s", i ? ", " : "",
					 (int)strlen(names[i]->d_name) - 3, names[i]->d_name);
		free(names[i]);
	}
	if (n >= 0)
		free(names);
}

int ferry_backend_get(const struct ferry_server *above, const char *name,
		      const struct ferry_backend **backend)
{
	return ferry_backend_load(name, backend);
}

/* One that is loaded stays. */
void ferry_backend_put(const struct ferry_backend *backend)
{
}

int ferry_backend_load(const char *name, const struct ferry_backend **backend)
{
	char dir[PATH_MAX], path[PATH_MAX + NAME_MAX], list[512];
	void *so;

	find_dir(dir, sizeof(dir));
	if (snprintf(path, sizeof(path), "%s/%s.so", dir, name) >= (int)sizeof(path) ||
	    !*name || strchr(name, '/') || access(path, F_OK)) {
		list_dir(dir, list, sizeof(list));
		ferry_log(FERRY_LOG_ERR, "no backend \"%s\" in %s: there are %s", name, dir, list);
		return -ENOENT;
	}
	so = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!so) {
		ferry_log(FERRY_LOG_ERR, "%s: does not load: %s", path, dlerror());
		return -EINVAL;
	}
	*backend = dlsym(so, "ferry_backend");
	if (!*backend) {
		ferry_log(FERRY_LOG_ERR, "%s: is no ferry backend: it defines no ferry_backend",
			  path);
		dlclose(so);
		return -EINVAL;
	}
	if ((*backend)->abi != FERRY_BACKEND_ABI) {
		ferry_log(FERRY_LOG_ERR, "%s: built for backend ABI %u, not %u: build it anew",
			  path, (*backend)->abi, FERRY_BACKEND_ABI);
		dlclose(so);
		return -EPROTO;
	}
	return 0;
}
