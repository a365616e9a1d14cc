#include "kern/idt.h"

#include "inc/mmu.h"
#include "kern/cpu.h"

/* kern/trapentry.S */
enum { TRAP_STUB_SIZE = 16 };
extern const char trap_stubs[], trap_syscall_stub[];

/* SDM vol. 3, "64-Bit Mode IDT". */
enum { IDT_ENTRIES = 256, GATE_INTERRUPT = 0x8e, GATE_DPL_USER = 3 << 5 };

struct gate {
	uint16_t offset_low;
	uint16_t sel;
	uint8_t ist;
	uint8_t type;
	uint16_t offset_mid;
	uint32_t offset_high;
	uint32_t reserved;
};
_Static_assert(sizeof(struct gate) == 16, "an IDT gate has 16 bytes");

static struct gate idt[IDT_ENTRIES];

static void
point_gate(unsigned int vector, unsigned int dpl_bits, unsigned int ist, const char *stub)
{
	uint64_t entry = (uint64_t)stub;

	idt[vector] = (struct gate){
	        .offset_low = entry,
	        .sel = SEL_KCODE,
	        .ist = ist,
	        .type = GATE_INTERRUPT | dpl_bits,
	        .offset_mid = entry >> 16,
	        .offset_high = entry >> 32,
	};
}

static void
set_gate(unsigned int vector, unsigned int dpl_bits, unsigned int ist)
{
	point_gate(vector, dpl_bits, ist, trap_stubs + vector * TRAP_STUB_SIZE);
}

/* Every gate shuts interrupts: the kernel runs with them off. */
void
idt_init(void)
{
	for (unsigned int v = 0; v < IDT_ENTRIES; v++)
		set_gate(v, 0, 0);
	set_gate(X86_BP, GATE_DPL_USER, 0);
	set_gate(X86_DF, 0, IST_DF);
	set_gate(X86_NMI, 0, IST_NMI);
	set_gate(X86_MC, 0, IST_MC);
	point_gate(T_SYSCALL, GATE_DPL_USER, 0, trap_syscall_stub);
	idt_load();
}

void
idt_load(void)
{
	const struct table_register idtr = {sizeof(idt) - 1, (uint64_t)idt};

	__asm__ volatile("lidt %0" : : "m"(idtr));
}
