#include "kern/dev/lapic.h"

#include "inc/cpuid.h"
#include "inc/msr.h"
#include "inc/x86.h"
#include "kern/cpu.h"
#include "kern/dev/timer.h"
#include "kern/mem/page.h"
#include "kern/mem/pmap.h"
#include "lib/assert.h"

/* Register offsets and bits (SDM vol. 3, "Local APIC Register Address Map"). */
enum {
	LAPIC_ID = 0x020,
	LAPIC_TPR = 0x080,
	LAPIC_EOI = 0x0b0,
	LAPIC_SVR = 0x0f0,
	LAPIC_ICR_LOW = 0x300,
	LAPIC_ICR_HIGH = 0x310,
	LAPIC_LVT_TIMER = 0x320,
	LAPIC_LVT_LINT0 = 0x350,
	LAPIC_LVT_LINT1 = 0x360,
	LAPIC_LVT_ERROR = 0x370,
	LAPIC_TIMER_COUNT = 0x380,
	LAPIC_TIMER_NOW = 0x390,
	LAPIC_TIMER_DIVIDE = 0x3e0,

	SVR_ENABLE = 0x100,
	LVT_NMI = 0x400,
	LVT_EXTINT = 0x700,
	LVT_MASKED = 0x10000,
	DIVIDE_BY_1 = 0xb,
	ICR_NMI = 0x400,
	ICR_INIT = 0x500,
	ICR_STARTUP = 0x600,
	ICR_PENDING = 0x1000,
	ICR_ASSERT = 0x4000,
	ICR_OTHERS = 0xc0000,
	ID_SHIFT = 24,
	LAPIC_SIZE = 4096,
	SEND_POLLS = 1000 * 1000, /* then the APIC bus hangs */
};

/* Each CPU has its own behind the same address. */
static volatile uint32_t *lapic;
static uint64_t lapic_pa;

static uint32_t
lapic_read(unsigned int reg)
{
	return lapic[reg / sizeof(*lapic)];
}

static void
lapic_write(unsigned int reg, uint32_t v)
{
	lapic[reg / sizeof(*lapic)] = v;
}

void
lapic_eoi(void)
{
	lapic_write(LAPIC_EOI, 0);
}

/* In xAPIC mode, at the boot CPU's address. */
static void
map_registers(void)
{
	uint64_t base = rdmsr(MSR_APIC_BASE);

	if (base & APIC_BASE_X2APIC) { /* as firmware left it; the way back leads through off */
		base &= ~(uint64_t)(APIC_BASE_X2APIC | APIC_BASE_ENABLE);
		wrmsr(MSR_APIC_BASE, base);
	}
	if (!lapic) {
		lapic_pa = base & PTE_ADDR;
		lapic = mmio_map(lapic_pa, LAPIC_SIZE);
	}
	wrmsr(MSR_APIC_BASE, (base & ~PTE_ADDR) | lapic_pa | APIC_BASE_ENABLE);
}

void
lapic_init(bool boot_cpu)
{
	if (!(cpuid(1, 0).edx & CPUID1_EDX_APIC))
		panic("the CPU has no local APIC (CPUID 1, EDX bit 9), or it is switched off");
	map_registers();
	lapic_write(LAPIC_TPR, 0);
	lapic_write(LAPIC_SVR, SVR_ENABLE | T_SPURIOUS);
	/* The PICs' interrupts come in by LINT0: the "virtual wire". */
	lapic_write(LAPIC_LVT_LINT0, boot_cpu ? LVT_EXTINT : LVT_MASKED);
	lapic_write(LAPIC_LVT_LINT1, boot_cpu ? LVT_NMI : LVT_MASKED);
	lapic_write(LAPIC_LVT_ERROR, LVT_MASKED);
	lapic_write(LAPIC_TIMER_DIVIDE, DIVIDE_BY_1);
	lapic_write(LAPIC_LVT_TIMER, T_TIMER);
	this_cpu()->apic_id = lapic_read(LAPIC_ID) >> ID_SHIFT;
}

void
lapic_timer_start(uint32_t count)
{
	lapic_write(LAPIC_TIMER_COUNT, count);
}

void
lapic_timer_mask(bool masked)
{
	lapic_write(LAPIC_LVT_TIMER, (masked ? LVT_MASKED : 0) | T_TIMER);
}

uint32_t
lapic_timer_now(void)
{
	return lapic_read(LAPIC_TIMER_NOW);
}

/* The registers are uncached: earlier stores are done before this one. */
static void
send(uint32_t apic_id, uint32_t command)
{
	for (unsigned int i = 0; lapic_read(LAPIC_ICR_LOW) & ICR_PENDING; i++)
		if (i == SEND_POLLS)
			panic("the local APIC does not deliver an interrupt to another CPU");
	lapic_write(LAPIC_ICR_HIGH, apic_id << ID_SHIFT);
	lapic_write(LAPIC_ICR_LOW, command);
}

void
lapic_send(uint32_t apic_id, unsigned int vector)
{
	send(apic_id, ICR_ASSERT | vector);
}

void
lapic_send_nmi(uint32_t apic_id)
{
	send(apic_id, ICR_ASSERT | ICR_NMI);
}

void
lapic_send_nmi_to_others(void)
{
	send(0, ICR_OTHERS | ICR_ASSERT | ICR_NMI);
}

void
lapic_send_init(uint32_t apic_id)
{
	send(apic_id, ICR_ASSERT | ICR_INIT);
}

void
lapic_send_startup(uint32_t apic_id, uint32_t address)
{
	send(apic_id, ICR_ASSERT | ICR_STARTUP | address / PAGE_SIZE);
}
