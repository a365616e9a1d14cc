#include "boot/loader.h"

#include "inc/mmu.h"
#include "inc/x86.h"

/* Address line 20 and the memory map. */

struct mb2_mmap_entry memory_map[MEMORY_MAP_MAX];
uint32_t memory_map_count;

/*
 * Returns true if an address 1 MiB higher reaches other memory.  Any cell will do whose content may
 * change for a moment.
 */
static bool
a20_works(void)
{
	static volatile uint32_t cell;
	volatile uint32_t *high = (volatile uint32_t *)((uint32_t)&cell + MEMORY_LOW_END);
	uint32_t saved = *high;
	bool works;

	cell = 0x12345678;
	*high = 0x87654321;
	works = cell == 0x12345678;
	*high = saved;
	return works;
}

static void
a20_by_bios(void)
{
	struct bios_regs regs = {.eax = 0x2401};
	bios_call(0x15, &regs);
}

/* System control port A; bit 0 would reset the machine. */
static void
a20_by_port(void)
{
	outb(0x92, (inb(0x92) | 2) & ~1);
}

#define KBD_DATA             0x60
#define KBD_STATUS           0x64
#define KBD_INPUT_FULL       0x02
#define KBD_WRITE_OUTPUT     0xd1
#define KBD_OUTPUT_A20_RESET 0xdf /* A20 on, no reset, the other bits as on the PC/AT */

static void
keyboard_wait(void)
{
	for (int i = 0; i < 100000 && inb(KBD_STATUS) & KBD_INPUT_FULL; i++)
		;
}

static void
a20_by_keyboard(void)
{
	keyboard_wait();
	outb(KBD_STATUS, KBD_WRITE_OUTPUT);
	keyboard_wait();
	outb(KBD_DATA, KBD_OUTPUT_A20_RESET);
	keyboard_wait();
}

void
a20_enable(void)
{
	static void (*const ways[])(void) = {a20_by_bios, a20_by_port, a20_by_keyboard};

	for (size_t i = 0; i < ARRAY_SIZE(ways) && !a20_works(); i++)
		ways[i]();
	if (!a20_works())
		fail("address line A20 stays off: BIOS, port 0x92 and keyboard controller were "
		     "tried");
}

#define SMAP 0x534d4150 /* "SMAP" */
enum { E820_ENTRY_SIZE = 20 };

void
memory_init(void)
{
	struct bios_regs regs = {0};

	do {
		struct mb2_mmap_entry entry = {0};
		regs.eax = 0xe820;
		regs.ecx = E820_ENTRY_SIZE;
		regs.edx = SMAP;
		regs.edi = (uint32_t)&entry;
		bios_call(0x15, &regs);
		if (regs.flags & BIOS_CF || regs.eax != SMAP)
			break;
		if (memory_map_count == MEMORY_MAP_MAX)
			fail("the BIOS's memory map has more than %u entries", MEMORY_MAP_MAX);
		memory_map[memory_map_count++] = entry;
	} while (regs.ebx);
	if (!memory_map_count)
		fail("the BIOS has no memory map (INT 15h, E820)");
}

static bool
overlaps(const struct mb2_mmap_entry *e, uint64_t start, uint64_t end)
{
	return e->base < end && (start <= e->base || start - e->base < e->size);
}

bool
memory_is_ram(uint64_t start, uint64_t size)
{
	uint64_t end = start + size;
	bool found = false;

	if (end < start || start < MEMORY_LOW_END)
		return false;
	for (uint32_t i = 0; i < memory_map_count; i++) {
		const struct mb2_mmap_entry *e = &memory_map[i];
		if (e->type != MB2_MEM_RAM) {
			if (overlaps(e, start, end))
				return false;
		} else if (start >= e->base && size <= e->size &&
		           start - e->base <= e->size - size) {
			found = true;
		}
	}
	return found;
}

uint32_t
memory_place(uint64_t above, uint32_t size)
{
	uint64_t best = 1ull << 32;

	for (uint32_t i = 0; i < memory_map_count; i++) {
		const struct mb2_mmap_entry *e = &memory_map[i];
		uint64_t start = e->base > above ? e->base : above;
		if (start >= best)
			continue;
		start = ROUND_UP(start, PAGE_SIZE);
		if (start + size <= 1ull << 32 && memory_is_ram(start, size) && start < best)
			best = start;
	}
	return (uint32_t)best;
}
