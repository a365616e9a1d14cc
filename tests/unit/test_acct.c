// SOURCES: vmm/acct/acct.c vmm/arena.c
#include <stdlib.h>
#include <string.h>

#include "inc/error.h"
#include "inc/x86.h"
#include "tests/unit/unit.h"
#include "vmm/vmm.h"

/* Accounting: nothing is lost and nothing is counted twice, whatever the order of events. */

static unsigned int pages_out;
static unsigned int pages_left; /* pages that can be allocated before memory runs out */

void *
host_page(void)
{
	void *page;

	if (!pages_left)
		return NULL;
	pages_left--;
	pages_out++;
	page = aligned_alloc(PAGE_SIZE, PAGE_SIZE);
	return memset(page, 0, PAGE_SIZE);
}

void
host_page_free(void *page)
{
	if (page)
		pages_out--;
	free(page);
}

static struct acct acct;
static uint64_t now, seed;

static int
set_up(void **state)
{
	(void)state;
	pages_left = 1000;
	now = 1000;
	seed = 1;
	assert_int_equal(acct_init(&acct, 100, now), 0);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	acct_free(&acct);
	assert_int_equal(pages_out, 0);
	return 0;
}

/* Makes an exit of this kind, with guest time before it; its handler has not run yet. */
static struct hv_exit *
make_exit(enum hv_exit_kind kind, uint64_t guest)
{
	struct hv_exit *x;

	acct_enter(&acct, now);
	now += guest;
	x = acct_exit(&acct, now);
	x->kind = kind;
	acct_count(&acct, kind);
	return x;
}

static void
handle(enum hv_exit_kind kind, uint64_t cycles)
{
	make_exit(kind, 10);
	now += cycles;
	acct_enter(&acct, now);
	acct_exit(&acct, now)->kind = HV_EXIT_UNKNOWN; /* closed, and not counted */
}

static uint64_t
bucket(enum hv_exit_kind kind, unsigned int i)
{
	uint64_t buckets[VM_BUCKETS] = {0};

	acct_add_histogram(&acct, kind, buckets);
	return buckets[i];
}

static void
test_histogram(void **state)
{
	static const struct {
		uint64_t cycles;
		unsigned int bucket;
	} rows[] = {{0, 0},           {1, 0},           {63, 0},          {64, 1},
	            {127, 1},         {128, 2},         {255, 2},         {256, 3},
	            {0x7ffffff, 21},  {0x8000000, 22},  {0xfffffff, 22},  {0x10000000, 22},
	            {0xffffffff, 22}, {1ull << 32, 22}, {1ull << 50, 22}, {1ull << 32, 22},
	            {0xfffffff, 22},  {64, 1}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint64_t before = bucket(HV_EXIT_HLT, rows[i].bucket);

		handle(HV_EXIT_HLT, rows[i].cycles);
		assert_int_equal(bucket(HV_EXIT_HLT, rows[i].bucket), before + 1);
	}
}

static void
test_min_and_max(void **state)
{
	struct vm_stats stats = {0};

	(void)state;
	acct_add_stats(&acct, &stats, now);
	assert_int_equal(stats.min[HV_EXIT_HLT], 0);
	handle(HV_EXIT_HLT, 300);
	handle(HV_EXIT_HLT, 200);
	handle(HV_EXIT_HLT, 0x200000000);
	memset(&stats, 0, sizeof(stats));
	acct_add_stats(&acct, &stats, now);
	assert_int_equal(stats.count[HV_EXIT_HLT], 3);
	assert_int_equal(stats.min[HV_EXIT_HLT], 200);
	assert_int_equal(stats.max[HV_EXIT_HLT], 0x200000000);
	assert_int_equal(stats.cycles[HV_EXIT_HLT], 0x200000000 + 500);
}

/* Keys that come again and again keep their rows, whatever other keys come. */
static void
test_hot_keys_stay(void **state)
{
	static struct vm_keys keys;
	uint64_t cold = 1 << 20;

	(void)state;
	for (unsigned int round = 0; round < 300; round++) {
		for (uint64_t hot = 0; hot < 16; hot++) {
			make_exit(HV_EXIT_IO_INSTRUCTION, 10);
			acct_key(&acct, HV_EXIT_IO_INSTRUCTION, 0x60 + hot * 0x100);
			now += 7;
		}
		make_exit(HV_EXIT_IO_INSTRUCTION, 10);
		acct_key(&acct, HV_EXIT_IO_INSTRUCTION, cold++);
		now += 5;
	}
	acct_leave(&acct, VM_TIME_MONITOR, now);
	memset(&keys, 0, sizeof(keys));
	acct_add_keys(&acct, HV_EXIT_IO_INSTRUCTION, &keys);
	assert_int_equal(keys.rows, VM_KEYS_MAX);
	assert_true(keys.overflow.count > 0);
	for (uint64_t i = 0; i < 16; i++) {
		unsigned int at = 0;

		while (at < keys.rows && keys.row[at].key != 0x60 + i * 0x100)
			at++;
		assert_true(at < keys.rows);
		assert_int_equal(keys.row[at].count, 300);
		assert_int_equal(keys.row[at].cycles, 2100);
	}
}

/* Key 0 (CPUID's first leaf) is a key like others, although unused rows hold 0, too. */
static void
test_key_zero(void **state)
{
	static struct vm_keys keys;

	(void)state;
	for (unsigned int i = 0; i < 6000; i++) {
		make_exit(HV_EXIT_CPUID, 10);
		acct_key(&acct, HV_EXIT_CPUID, i % 3 ? i % 20 : 0);
		now += 3;
	}
	acct_leave(&acct, VM_TIME_MONITOR, now);
	memset(&keys, 0, sizeof(keys));
	acct_add_keys(&acct, HV_EXIT_CPUID, &keys);
	assert_int_equal(keys.rows, 20);
	assert_int_equal(keys.overflow.count, 0);
	for (unsigned int i = 0; i < keys.rows; i++)
		assert_int_equal(keys.row[i].count, keys.row[i].key ? 200 : 2200);
}

static void
check_sums(void)
{
	static struct vm_keys keys;
	struct vm_stats stats = {0};
	uint64_t count = 0, cycles = 0, monitor = 0, time = 0;

	acct_add_stats(&acct, &stats, now);
	for (unsigned int k = 0; k < HV_EXIT_KINDS; k++) {
		uint64_t buckets[VM_BUCKETS] = {0};
		uint64_t in_buckets = 0;

		acct_add_histogram(&acct, k, buckets);
		for (unsigned int i = 0; i < VM_BUCKETS; i++)
			in_buckets += buckets[i];
		assert_int_equal(in_buckets, stats.count[k]);
		count += stats.count[k];
		cycles += stats.cycles[k];
		monitor += stats.monitor[k];
	}
	for (unsigned int t = 0; t < VM_TIMES; t++)
		time += stats.time[t];
	assert_int_equal(count, stats.total);
	assert_int_equal(cycles, stats.total_cycles);
	assert_int_equal(cycles, stats.time[VM_TIME_HANDLER]);
	assert_true(monitor <= stats.time[VM_TIME_MONITOR]);
	assert_int_equal(time, stats.wall);
	for (unsigned int i = 0; i < ACCT_KEYED_KINDS; i++) {
		memset(&keys, 0, sizeof(keys));
		acct_add_keys(&acct, acct_keyed[i], &keys);
		count = keys.overflow.count;
		cycles = keys.overflow.cycles;
		for (uint64_t row = 0; row < keys.rows; row++) {
			count += keys.row[row].count;
			cycles += keys.row[row].cycles;
		}
		assert_int_equal(count, stats.count[acct_keyed[i]]);
		assert_int_equal(cycles, stats.cycles[acct_keyed[i]]);
	}
}

/* After an exit, time passes in one state after another, until the next entry. */
static void
stay_away(void)
{
	acct_leave(&acct, VM_TIME_MONITOR + random32(&seed) % 4, now);
	check_sums();
	for (unsigned int n = random32(&seed) % 4; n; n--) {
		now += random32(&seed) % 5000;
		acct_switch(&acct, VM_TIME_MONITOR + random32(&seed) % 4, now);
	}
	now += random32(&seed) % 5000;
	check_sums();
}

static void
test_sums(void **state)
{
	(void)state;
	check_sums();
	for (unsigned int n = 0; n < 20000; n++) {
		enum hv_exit_kind kind = random32(&seed) % HV_EXIT_KINDS;

		now += random32(&seed) % 100;
		if (random32(&seed) % 500 == 0) {
			acct_enter(&acct, now);
			acct_refused(&acct, now += 3);
			acct_leave(&acct, VM_TIME_MONITOR, now);
			check_sums();
			continue;
		}
		make_exit(kind, random32(&seed) % 1000);
		if (acct.kinds[kind]->keys)
			acct_key(&acct, kind, random32(&seed) % 200);
		now += random32(&seed) % 3000;
		if (random32(&seed) % 20 == 0)
			stay_away();
	}
}

/* Two pages of records, as 100 do not fit in one. */
enum { ROOM = 2 * ACCT_EXITS_PER_PAGE };

static void
test_recorder(void **state)
{
	struct vm_trace t;

	(void)state;
	assert_false(acct_trace(&acct, 0, &t, now));
	for (uint64_t n = 0; n < 5 * ROOM + 17; n++) {
		struct hv_exit *x = make_exit(HV_EXIT_CPUID, 10);
		uint64_t oldest = n < ROOM ? 0 : n + 1 - ROOM;

		x->rip = n * 3;
		x->action = HV_SKIP;
		x->number = (uint32_t)n;
		now += 50;
		acct_enter(&acct, now); /* charges the time to the exit */
		acct_refused(&acct, now);
		assert_true(acct_trace(&acct, 0, &t, now));
		assert_int_equal(t.number, oldest);
		assert_int_equal(t.rip, oldest * 3);
		assert_true(acct_trace(&acct, n, &t, now));
		assert_int_equal(t.number, n);
		assert_int_equal(t.rip, n * 3);
		assert_int_equal(t.key, n);
		assert_int_equal(t.cycles, 50);
		assert_int_equal(t.kind, HV_EXIT_CPUID);
		assert_int_equal(t.action, HV_SKIP);
		assert_false(acct_trace(&acct, n + 1, &t, now));
	}
}

/* The time of monitor and scheduler counts for the last exit, also while it still passes. */
static void
test_recorder_away(void **state)
{
	struct vm_trace t;

	(void)state;
	make_exit(HV_EXIT_CPUID, 10)->action = HV_SKIP;
	now += 100;
	make_exit(HV_EXIT_IO_INSTRUCTION, 10)->action = HV_USER;
	now += 100;
	acct_leave(&acct, VM_TIME_MONITOR, now);
	now += 1000;
	acct_switch(&acct, VM_TIME_WAITING, now);
	now += 500;
	assert_true(acct_trace(&acct, 1, &t, now));
	assert_int_equal(t.away, 1500);
	assert_int_equal(t.action, HV_USER);
	now += 1;
	acct_enter(&acct, now);
	acct_exit(&acct, now)->kind = HV_EXIT_UNKNOWN;
	acct_count(&acct, HV_EXIT_UNKNOWN);
	assert_true(acct_trace(&acct, 0, &t, now));
	assert_int_equal(t.away, 0);
	assert_true(acct_trace(&acct, 1, &t, now));
	assert_int_equal(t.away, 1501);
	assert_int_equal(acct.kinds[HV_EXIT_IO_INSTRUCTION]->monitor, 1000);
	assert_int_equal(acct_time(&acct, VM_TIME_WAITING, now), 501);
}

/* When a span's number is used again, the span belongs to the later exit. */
static struct vm_span
span(uint64_t number)
{
	struct vm_span s;

	assert_true(acct_span(&acct, number, &s, now));
	return s;
}

/* The time away is split into spans, in order.  Time in no span is the monitor's. */
static void
test_spans(void **state)
{
	struct vm_span s;

	(void)state;
	s = span(0); /* the time still passes */
	assert_true(s.exits == 0 && s.tsc == now && s.ticks == 0 && s.state == VM_TIME_MONITOR);
	now += 70;
	make_exit(HV_EXIT_HLT, 10)->action = HV_YIELD;
	s = span(0);
	assert_true(s.exits == 0 && s.ticks == 70 && s.state == VM_TIME_MONITOR);
	assert_false(acct_span(&acct, 1, &s, now));
	acct_leave(&acct, VM_TIME_HALTED, now += 100);
	acct_switch(&acct, VM_TIME_MONITOR, now += 500);
	assert_false(acct_span(&acct, 2, &s, now));
	acct_switch(&acct, VM_TIME_WAITING, now += 30);
	now += 9;
	s = span(1);
	assert_true(s.exits == 1 && s.ticks == 500 && s.state == VM_TIME_HALTED);
	assert_int_equal(s.tsc + s.ticks + 30, span(2).tsc);
	s = span(2);
	assert_true(s.exits == 1 && s.ticks == 9 && s.state == VM_TIME_WAITING);
	make_exit(HV_EXIT_CPUID, 10);
	s = span(2);
	assert_true(s.ticks == 9 && s.tsc + s.ticks == now - 10);
	assert_false(acct_span(&acct, 3, &s, now));
}

static void
test_spans_are_given_up(void **state)
{
	struct vm_span s;

	(void)state;
	make_exit(HV_EXIT_HLT, 10);
	acct_leave(&acct, VM_TIME_HALTED, now);
	for (uint64_t n = 1; n < 5 * ACCT_SPANS_PER_PAGE; n++) {
		acct_switch(&acct, n % 2 ? VM_TIME_WAITING : VM_TIME_HALTED, now += n);
		s = span(n);
		assert_true(s.number == n && s.ticks == n && span(n + 1).ticks == 0);
		s = span(0);
		assert_int_equal(s.number,
		                 n < ACCT_SPANS_PER_PAGE ? 0 : n + 1 - ACCT_SPANS_PER_PAGE);
	}
}

static void
test_no_memory(void **state)
{
	struct acct other;
	unsigned int need = pages_out;

	(void)state;
	for (unsigned int n = 0; n < need; n++) {
		pages_left = n;
		assert_int_equal(acct_init(&other, 100, now), -E_NO_MEM);
		assert_int_equal(pages_out, need);
	}
	pages_left = need;
	assert_int_equal(acct_init(&other, VM_TRACE_MAX + 1, now), -E_INVAL);
	assert_int_equal(acct_init(&other, 100, now), 0);
	acct_free(&other);
	pages_left = 1000;
	assert_int_equal(acct_init(&other, VM_TRACE_MAX, now), 0);
	acct_free(&other);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

UNIT_MAIN(TEST(test_histogram), TEST(test_min_and_max), TEST(test_hot_keys_stay),
          TEST(test_key_zero), TEST(test_sums), TEST(test_recorder), TEST(test_recorder_away),
          TEST(test_spans), TEST(test_spans_are_given_up), TEST(test_no_memory))
