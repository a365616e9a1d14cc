#include "guest/bench/bench.h"
#include "guest/checks/check.h"
#include "guest/kernel/command.h"
#include "guest/kernel/console.h"
#include "guest/kernel/cpu.h"
#include "inc/vm.h"
#include "inc/x86.h"

/*
 * The statistics leaves, profile v2: 4FFFFFFFh total exits, 4FFFFFFEh total
 * cycles, 4FFFFFFDh exits of the reason in ECX, 4FFFFFFCh cycles of that reason.
 */

enum {
	REASONS = 70,
	REASON_CPUID = 10,
};

#define LEAF_TOTAL_CYCLES 0x4ffffffeu
#define LEAF_COUNT        0x4ffffffdu
#define LEAF_CYCLES       0x4ffffffcu
#define UNDEFINED         0xffffffffu /* in EDX: the manual defines no such reason */

struct reason {
	bool defined;
	uint32_t count;
	uint64_t cycles;
};

/* The values that read_leaves() read.  Counts of exits are modulo 2^32, as the leaves give them. */
static struct snapshot {
	uint32_t total_before, total_after, cpuids;
	uint64_t cycles_before, cycles_after;
	struct reason reason[REASONS];
} snap;

static uint64_t
cycles_of(struct cpuid_regs r)
{
	return (uint64_t)r.ebx << 32 | r.ecx;
}

/* Reads all leaves before anything is printed, since printing causes exits. */
static void
read_leaves(void)
{
	snap.cycles_before = cycles_of(guest_cpuid(LEAF_TOTAL_CYCLES, 0));
	snap.total_before = guest_cpuid(LEAF_TOTAL, 0).eax;
	for (uint32_t i = 0; i < REASONS; i++) {
		struct cpuid_regs r = guest_cpuid(LEAF_COUNT, i);

		if (i == REASON_CPUID)
			snap.cpuids = guest_cpuids();
		snap.reason[i].defined = r.edx != UNDEFINED;
		snap.reason[i].count = r.eax;
		snap.reason[i].cycles = cycles_of(guest_cpuid(LEAF_CYCLES, i));
	}
	snap.total_after = guest_cpuid(LEAF_TOTAL, 0).eax;
	snap.cycles_after = cycles_of(guest_cpuid(LEAF_TOTAL_CYCLES, 0));
}

static void
print_leaves(void)
{
	printf("Total exits: %u\nTotal cycles: %lu\n", snap.total_before, snap.cycles_before);
	for (unsigned int i = 0; i < REASONS; i++) {
		const struct reason *r = &snap.reason[i];

		if (r->defined)
			printf("Exit %u: count %u cycles %lu\n", i, r->count, r->cycles);
		else
			printf("Exit %u: undefined\n", i);
	}
}

/*
 * Counters only grow, so the sums must lie between the totals before and after.  Each CPUID of the
 * guest since power on is one exit.
 */
static void
check_leaves(void)
{
	uint32_t count = 0;
	uint64_t cycles = 0;

	for (unsigned int i = 0; i < REASONS; i++) {
		count += snap.reason[i].count;
		cycles += snap.reason[i].cycles;
	}
	check(count - snap.total_before <= snap.total_after - snap.total_before,
	      "leaves: the counts' sum %u lies between the totals before and after, %u and %u",
	      count, snap.total_before, snap.total_after);
	check(cycles >= snap.cycles_before && cycles <= snap.cycles_after,
	      "leaves: the cycles' sum %lu lies between the totals before and after, %lu and %lu",
	      cycles, snap.cycles_before, snap.cycles_after);
	check(snap.reason[REASON_CPUID].count == snap.cpuids,
	      "leaves: %u CPUIDs counted, %u executed", snap.reason[REASON_CPUID].count,
	      snap.cpuids);
}

int
cmd_leaves(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	read_leaves();
	print_leaves();
	if (in_nestling()) {
		check_leaves();
		return 0;
	}
	printf("leaves: CPUID 40000000h does not name Nestling: these need not be statistics\n");
	return STATUS_FAILED;
}

int
cmd_leaf(int argc, char **argv)
{
	uint64_t leaf, subleaf;
	struct cpuid_regs r;

	if (argc < 2) {
		printf("leaf: which one?  Usage: leaf LEAF [SUBLEAF]\n");
		return STATUS_USAGE;
	}
	if (!arg_number(argc, argv, 1, 0, 0, UINT32_MAX, &leaf) ||
	    !arg_number(argc, argv, 2, 0, 0, UINT32_MAX, &subleaf))
		return STATUS_USAGE;
	r = guest_cpuid(leaf, subleaf);
	printf("leaf %08lx subleaf %08lx: eax %08x ebx %08x ecx %08x edx %08x\n", leaf, subleaf,
	       r.eax, r.ebx, r.ecx, r.edx);
	return 0;
}
