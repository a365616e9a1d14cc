#include "inc/memlayout.h"
#include "inc/x86.h"
#include "kern/console.h"
#include "kern/cpu.h"
#include "kern/debug.h"

/* Written by tools/ksyms.py: functions by rising address, as offsets from text_start. */
extern const uint32_t ksyms_count;
extern const struct ksym {
	uint32_t addr;
	uint32_t name; /* offset in ksyms_names */
} ksyms_table[];
extern const char ksyms_names[];

extern const char text_start[], text_end[];
extern const char boot_stack[], boot_stack_top[];

enum { BACKTRACE_MAX = 32 };

const char *
ksym_find(uint64_t addr, uint64_t *offset)
{
	uint64_t off = addr - (uint64_t)text_start;
	unsigned int low = 0, high = ksyms_count; /* the answer is in [low, high) */

	if (addr < (uint64_t)text_start || addr >= (uint64_t)text_end || !ksyms_count ||
	    off < ksyms_table[0].addr)
		return NULL;
	while (high - low > 1) {
		unsigned int mid = (low + high) / 2;

		if (ksyms_table[mid].addr <= off)
			low = mid;
		else
			high = mid;
	}
	*offset = off - ksyms_table[low].addr;
	return ksyms_names + ksyms_table[low].name;
}

/* Is there a whole stack frame at rbp, on a stack that is certainly mapped? */
static bool
on_stack(uint64_t rbp)
{
	uint64_t in_span = rbp % CPU_SPAN;

	if (rbp % sizeof(uint64_t))
		return false;
	if (rbp >= (uint64_t)boot_stack && rbp + 16 <= (uint64_t)boot_stack_top)
		return true;
	return rbp >= CPU_BASE && rbp < CPU_BASE + cpu_count * CPU_SPAN &&
	       in_span >= CPU_KSTACK_BOTTOM && in_span + 16 <= CPU_KSTACK_TOP;
}

static void
print_frame(unsigned int n, uint64_t rip, uint64_t lookup)
{
	uint64_t offset;
	const char *name = ksym_find(lookup, &offset);

	if (name)
		kprintf("  #%-2u %016lx  %s+%#lx\n", n, (unsigned long)rip, name,
		        (unsigned long)(offset + rip - lookup));
	else
		kprintf("  #%-2u %016lx\n", n, (unsigned long)rip);
}

void
backtrace(uint64_t rbp, uint64_t rip)
{
	print_frame(0, rip, rip);
	for (unsigned int n = 1; n < BACKTRACE_MAX && on_stack(rbp); n++) {
		const uint64_t *frame = (const uint64_t *)rbp;

		/* A call may be its function's last instruction: the byte before belongs to it. */
		print_frame(n, frame[1], frame[1] - 1);
		if (frame[0] <= rbp) /* the chain only leads up the stack */
			break;
		rbp = frame[0];
	}
}
