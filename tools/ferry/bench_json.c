// SPDX-License-Identifier: GPL-2.0-only OR MIT
/* ferry bench: the results for programs. */
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include <json-c/json.h>

#include "bench.h"
#include "modules.h"

static void add_string(struct json_object *obj, const char *key, const char *value)
{
	json_object_object_add(obj, key, json_object_new_string(value));
}

/* First line of @path that begins with @key; what stands behind its ": " */
static void add_line(struct json_object *obj, const char *key, const char *path, const char *start)
{
	FILE *file = fopen(path, "re");
	char line[256];

	while (file && fgets(line, sizeof(line), file)) {
		const char *value = strstr(line, ": ");

		if (strncmp(line, start, strlen(start)))
			continue;
		line[strcspn(line, "\n")] = '\0';
		add_string(obj, key, *start && value ? value + 2 : line);
		break;
	}
	if (file)
		fclose(file);
}

/* Whether the CPUs have @flag, and tell of it. */
static bool cpu_has(const char *flag)
{
	FILE *file = fopen("/proc/cpuinfo", "re");
	char *line = NULL, *at, *next;
	bool found = false;
	size_t size = 0;

	while (file && !found && getline(&line, &size, file) > 0) {
		if (strncmp(line, "flags", 5))
			continue;
		next = line;
		while (!found && (at = strsep(&next, " \t\n")))
			found = !strcmp(at, flag);
		break;
	}
	free(line);
	if (file)
		fclose(file);
	return found;
}

static struct json_object *machine(const struct bench_opts *opts)
{
	struct json_object *obj = json_object_new_object();
	struct utsname uts;

	uname(&uts);
	add_string(obj, "arch", uts.machine);
	add_line(obj, "cpu", "/proc/cpuinfo", "model name");
	json_object_object_add(obj, "cpus", json_object_new_int64(sysconf(_SC_NPROCESSORS_ONLN)));
	json_object_object_add(obj, "memory_bytes",
			       json_object_new_int64((int64_t)sysconf(_SC_PHYS_PAGES) *
						     sysconf(_SC_PAGESIZE)));
	add_line(obj, "cmdline", "/proc/cmdline", "");
	add_line(obj, "clocksource",
		 "/sys/devices/system/clocksource/clocksource0/current_clocksource", "");
	/* By this one the kernel copies to users byte by byte, which an emulator is slow at. */
	json_object_object_add(obj, "erms", json_object_new_boolean(cpu_has("erms")));
	json_object_object_add(obj, "icount", json_object_new_boolean(opts->icount));
	json_object_object_add(obj, "pinned_cpu", json_object_new_int(opts->cpu));
	json_object_object_add(obj, "other_cpu", json_object_new_int(opts->other_cpu));
	if (bench_fs_dirty_limit)
		add_string(obj, "fuse_dirty_limit", bench_fs_dirty_limit);
	return obj;
}

/* As many digits as a measurement has, and not those of its binary fraction. */
static void add_number(struct json_object *obj, const char *key, double v)
{
	char text[32];

	snprintf(text, sizeof(text), "%.*f", v < 100 ? 4 : 1, v);
	json_object_object_add(obj, key, json_object_new_double_s(v, text));
}

/* Of single operations, in nanoseconds; by instructions the same number is that of those. */
static struct json_object *latency(const struct bench_hist *hist)
{
	struct json_object *obj = json_object_new_object();
	struct json_object *powers = json_object_new_object();
	char key[32];

	add_number(obj, "p50", bench_hist_quantile(hist, 0.5));
	if (bench_hist_tells(hist, 0.99))
		add_number(obj, "p99", bench_hist_quantile(hist, 0.99));
	if (bench_hist_tells(hist, 0.999))
		add_number(obj, "p99.9", bench_hist_quantile(hist, 0.999));
	json_object_object_add(obj, "n", json_object_new_int64((int64_t)hist->total));
	for (unsigned int power = 0; power < 47; power++) {
		uint64_t nr = bench_hist_power(hist, power);

		if (!nr)
			continue;
		snprintf(key, sizeof(key), "%llu", 1ULL << power);
		json_object_object_add(powers, key, json_object_new_int64((int64_t)nr));
	}
	json_object_object_add(obj, "log2", powers);
	return obj;
}

/* A rate is told in the other unit as well. */
static void add_rates(struct json_object *obj, const struct bench_row *row)
{
	if (!row->cs->bytes || !row->rate)
		return;
	if (!strcmp(row->cs->unit, "IOPS"))
		add_number(obj, "mb_s", row->median * row->cs->bytes / 1e6);
	else if (!strcmp(row->cs->unit, "MB/s"))
		add_number(obj, "iops", row->median * 1e6 / row->cs->bytes);
}

static struct json_object *rows(const struct bench_opts *opts, const struct bench_results *res)
{
	struct json_object *array = json_object_new_array();

	for (unsigned int i = 0; i < res->nr; i++) {
		const struct bench_row *row = &res->rows[i];
		struct json_object *obj = json_object_new_object();

		add_string(obj, "case", row->cs->name);
		add_string(obj, "system", row->sys ? row->sys->system : "machine");
		add_string(obj, "placement", row->sys ? row->sys->placement : "");
		add_string(obj, "wait", row->sys ? row->sys->wait : "");
		if (row->sys && *row->sys->data)
			add_string(obj, "data", row->sys->data);
		add_string(obj, "unit", opts->icount ? "instr" : row->cs->unit);
		add_number(obj, "median", row->median);
		add_number(obj, "p10", row->p10);
		add_number(obj, "p90", row->p90);
		json_object_object_add(obj, "n", json_object_new_int64(row->samples.nr));
		if (row->hist.total)
			json_object_object_add(obj, "latency", latency(&row->hist));
		if (row->cpu.nr)
			add_number(obj, "cpu_us", row->cpu_us);
		add_rates(obj, row);
		json_object_array_add(array, obj);
	}
	return array;
}

/* Which ferry this was: of the modules what they were built from, not what is beside us. */
static struct json_object *software(void)
{
	static const char *const modules[] = { "ferry", "ferryfs", "ferryblk" };
	struct json_object *obj = json_object_new_object(), *built = json_object_new_object();
	const char *commit = getenv("FERRY_COMMIT");
	char text[64];

	add_string(obj, "version", FERRY_VERSION);
	/* tools/figures knows it, and FERRY_DATE. */
	if (commit && *commit)
		add_string(obj, "commit", commit);
	for (unsigned int i = 0; i < sizeof(modules) / sizeof(modules[0]); i++)
		if (module_attr(modules[i], "srcversion", text, sizeof(text)))
			add_string(built, modules[i], text);
	json_object_object_add(obj, "srcversion", built);
	return obj;
}

/* The first line that @program, one beside us if it is there, says with @option; or nothing. */
static void add_version(struct json_object *obj, const char *key, const char *program,
			const char *option)
{
	char path[BENCH_PATH_MAX], command[BENCH_PATH_MAX + 32], line[128];
	FILE *file;

	if (bench_beside(program, path, sizeof(path)))
		snprintf(path, sizeof(path), "%s", program);
	snprintf(command, sizeof(command), "'%s' %s 2>&1", path, option);
	file = popen(command, "re");
	if (!file)
		return;
	if (!fgets(line, sizeof(line), file))
		*line = '\0';
	line[strcspn(line, "\n")] = '\0';
	if (!pclose(file) && *line)
		add_string(obj, key, line);
}

/* What it was measured with and compared with. */
static struct json_object *others(const struct bench_opts *opts)
{
	struct json_object *obj = json_object_new_object();

	if (!opts->icount)
		add_version(obj, "fio", "fio", "--version");
	if (opts->class == &bench_fs) {
		add_version(obj, "libfuse", "fuse-peer", "--version");
	} else {
		add_version(obj, "nbdkit", "nbdkit", "--version");
		add_version(obj, "nbd-client", "nbd-client", "-V");
	}
	return obj;
}

/* A machine whose clock counts instructions does not know what day it is. */
static void add_date(struct json_object *root, const struct bench_opts *opts)
{
	const char *known = getenv("FERRY_DATE");
	time_t now = time(NULL);
	char date[32];

	strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%SZ", gmtime(&now));
	if (known && *known)
		add_string(root, "date", known);
	else if (!opts->icount)
		add_string(root, "date", date);
}

/* What every result begins with. */
struct json_object *bench_json_root(const struct bench_opts *opts)
{
	struct json_object *root = json_object_new_object();
	struct utsname uts;

	uname(&uts);
	add_string(root, "kernel", uts.release);
	add_string(root, "command", opts->command);
	add_date(root, opts);
	add_string(root, "class", opts->class->name);
	json_object_object_add(root, "ferry", software());
	json_object_object_add(root, "others", others(opts));
	json_object_object_add(root, "machine", machine(opts));
	return root;
}

/* Puts @root. Return: 0, or 1 after a message */
int bench_json_write(const struct bench_opts *opts, struct json_object *root)
{
	int err = json_object_to_file_ext(opts->json, root,
					  JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE);

	if (err)
		bench_say("%s: cannot be written: %s", opts->json, json_util_get_last_err());
	json_object_put(root);
	return err ? 1 : 0;
}

/* Return: 0, or 1 after a message */
int bench_json(const struct bench_opts *opts, const struct bench_results *res)
{
	struct json_object *root = bench_json_root(opts);

	json_object_object_add(root, "rows", rows(opts, res));
	return bench_json_write(opts, root);
}
