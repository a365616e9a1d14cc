#include "user/exits/exits.h"

/* What the exits of one kind cost: how many took 2^n to 2^(n+1)-1 cycles, less, or more. */

enum { BAR = 40 };

static void
print_bar(uint64_t count, uint64_t most)
{
	uint64_t length = permille(count, most) * BAR / 1000;

	/* What is there is seen. */
	for (uint64_t i = 0; i < length || (i == 0 && count); i++)
		putchar('#');
	putchar('\n');
}

int
histogram_print(const struct options *o)
{
	uint64_t buckets[VM_BUCKETS], total = 0, most = 0;
	unsigned int first = VM_BUCKETS, last = 0;
	long err = sys_vm_histogram(o->vm, o->vcpu, o->kind, buckets);

	if (err < 0)
		return say_error(o, err);
	for (unsigned int i = 0; i < VM_BUCKETS; i++) {
		if (!buckets[i])
			continue;
		total += buckets[i];
		most = buckets[i] > most ? buckets[i] : most;
		first = first < i ? first : i;
		last = i;
	}
	if (o->tsv)
		printf("from\tto\tcount\n");
	else
		printf("%s: %lu exits, by cycles in the handler\n%12s %12s %10s %5s\n",
		       hv_exit_name(o->kind), total, "from", "to", "count", "%");
	for (unsigned int i = first; i <= last && i < VM_BUCKETS; i++) {
		uint64_t from = i ? BIT(i + VM_BUCKET_SHIFT) : 0;
		uint64_t to = i + 1 < VM_BUCKETS ? BIT(i + VM_BUCKET_SHIFT + 1) - 1 : UINT64_MAX;
		unsigned int share = permille(buckets[i], total);

		if (o->tsv) {
			printf("%lu\t%lu\t%lu\n", from, to, buckets[i]);
			continue;
		}
		printf("%12lu ", from);
		if (to == UINT64_MAX)
			printf("%12s", "more");
		else
			printf("%12lu", to);
		printf(" %10lu %3u.%u ", buckets[i], share / 10, share % 10);
		print_bar(buckets[i], most);
	}
	return STATUS_OK;
}
