#include "user/exits/exits.h"

/* Exits by port, MSR, CPUID leaf or page: the most frequent first. */

enum { KINDS_MAX = 2, ROWS_SHOWN = 20 };

static const struct key_view {
	const char *name, *format;
	enum hv_exit_kind kinds[KINDS_MAX];
	unsigned int count;
} views[] = {
        {"port", "%04lx", {HV_EXIT_IO_INSTRUCTION}, 1},
        {"msr", "%08lx", {HV_EXIT_RDMSR, HV_EXIT_WRMSR}, 2},
        {"leaf", "%08lx", {HV_EXIT_CPUID}, 1},
        {"page", "%#lx", {HV_EXIT_EPT_VIOLATION}, 1},
};

struct row {
	enum hv_exit_kind kind;
	struct vm_key key;
};

static struct row rows[KINDS_MAX * VM_KEYS_MAX];
static size_t row_count;

const struct key_view *
key_view_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(views); i++)
		if (!strcmp(name, views[i].name))
			return &views[i];
	return NULL;
}

/* In order of their counts; equal ones in order of their keys. */
static bool
before(const struct row *a, const struct row *b)
{
	return a->key.count != b->key.count ? a->key.count > b->key.count : a->key.key < b->key.key;
}

static void
insert(enum hv_exit_kind kind, struct vm_key key)
{
	struct row row = {kind, key};
	size_t at = row_count++;

	for (; at && before(&row, &rows[at - 1]); at--)
		rows[at] = rows[at - 1];
	rows[at] = row;
}

static void
print_row(const struct options *o, const char *exit, const char *key, const struct vm_key *k,
          uint64_t total)
{
	unsigned int share = permille(k->count, total);

	if (o->tsv)
		printf("%s\t%s\t%lu\t%lu\n", exit, key, k->count, k->cycles);
	else
		printf("%-16s %12s %10lu %3u.%u %14lu %7lu\n", exit, key, k->count, share / 10,
		       share % 10, k->cycles, mean(k->cycles, k->count));
}

/* The rows of a kind are taken; what had no row is added to *others, and all to *total. */
static long
take(const struct options *o, enum hv_exit_kind kind, struct vm_key *others, struct vm_key *total)
{
	static struct vm_keys keys;
	long err = sys_vm_keys(o->vm, o->vcpu, kind, &keys);

	if (err < 0)
		return err;
	for (uint64_t i = 0; i < keys.rows && i < VM_KEYS_MAX; i++) {
		insert(kind, keys.row[i]);
		total->count += keys.row[i].count;
		total->cycles += keys.row[i].cycles;
	}
	others->count += keys.overflow.count;
	others->cycles += keys.overflow.cycles;
	total->count += keys.overflow.count;
	total->cycles += keys.overflow.cycles;
	return 0;
}

int
keys_print(const struct options *o)
{
	struct vm_key others = {0}, total = {0};
	char key[24];

	for (unsigned int i = 0; i < o->by->count; i++) {
		long err = take(o, o->by->kinds[i], &others, &total);

		if (err < 0)
			return say_error(o, err);
	}
	if (o->tsv)
		printf("exit\t%s\tcount\tcycles\n", o->by->name);
	else
		printf("%-16s %12s %10s %5s %14s %7s\n", "exit", o->by->name, "count", "%",
		       "cycles", "mean");
	for (size_t i = 0; i < row_count; i++) {
		if (!o->tsv && i >= ROWS_SHOWN) {
			others.count += rows[i].key.count;
			others.cycles += rows[i].key.cycles;
			continue;
		}
		snprintf(key, sizeof key, o->tsv ? "%#lx" : o->by->format, rows[i].key.key);
		print_row(o, hv_exit_name(rows[i].kind), key, &rows[i].key, total.count);
	}
	if (others.count)
		print_row(o, "others", "-", &others, total.count);
	print_row(o, "total", "-", &total, total.count);
	return STATUS_OK;
}
