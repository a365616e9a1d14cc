#include "kern/cpu.h"

#include "inc/cpuid.h"
#include "inc/mmu.h"
#include "inc/msr.h"
#include "inc/x86.h"
#include "kern/mem/pmap.h"
#include "lib/string.h"

unsigned int cpu_count;

/* 64-bit descriptors (SDM vol. 3, "Segment Descriptors"), with the accessed bit set. */
enum { ACC_P = 0x80, ACC_S = 0x10, ACC_CODE = 0x0b, ACC_DATA = 0x03, ACC_TSS = 0x09 };
enum { DPL_KERNEL = 0, DPL_USER = 3 };
#define DESC_LONG BIT(53)

static uint64_t
descriptor(unsigned int type, unsigned int dpl)
{
	uint64_t access = ACC_P | ACC_S | type | dpl << 5;

	return access << 40 | (type == ACC_CODE ? DESC_LONG : 0);
}

/* A system descriptor has two words. */
static void
tss_descriptor(uint64_t *gdt, const struct tss *tss)
{
	uint64_t base = (uint64_t)tss;

	gdt[0] = (sizeof(*tss) - 1) | BITS(base, 23, 0) << 16 | (uint64_t)(ACC_P | ACC_TSS) << 40 |
	         BITS(base, 31, 24) << 56;
	gdt[1] = base >> 32;
}

static void
map_stack(uint64_t span, uint64_t bottom, uint64_t top)
{
	for (uint64_t off = bottom; off < top; off += PAGE_SIZE)
		pmap_map_kernel(span + off, PTE_W | PTE_NX);
}

/* What is not mapped between them are the guard pages. */
static void
map_span(unsigned int index)
{
	static unsigned int mapped;
	uint64_t span = (uint64_t)cpu_at(index);

	if (index < mapped) /* for one that did not come */
		return;
	map_stack(span, 0, ROUND_UP(sizeof(struct cpu), PAGE_SIZE));
	map_stack(span, CPU_DF_STACK_TOP - PAGE_SIZE, CPU_DF_STACK_TOP);
	map_stack(span, CPU_NMI_STACK_TOP - PAGE_SIZE, CPU_NMI_STACK_TOP);
	map_stack(span, CPU_MC_STACK_TOP - PAGE_SIZE, CPU_MC_STACK_TOP);
	map_stack(span, CPU_KSTACK_BOTTOM, CPU_KSTACK_TOP);
	mapped++;
}

void
cpu_setup(unsigned int index)
{
	struct cpu *cpu = cpu_at(index);
	uint64_t span = (uint64_t)cpu;

	map_span(index);
	memset(cpu, 0, sizeof(*cpu));
	cpu->index = index;
	cpu->timer_at = UINT64_MAX;
	cpu->tss.rsp[0] = span + CPU_KSTACK_TOP;
	cpu->tss.ist[IST_DF - 1] = span + CPU_DF_STACK_TOP;
	cpu->tss.ist[IST_NMI - 1] = span + CPU_NMI_STACK_TOP;
	cpu->tss.ist[IST_MC - 1] = span + CPU_MC_STACK_TOP;
	cpu->tss.iomap = sizeof(cpu->tss); /* behind the limit: no port is open to users */

	cpu->gdt[SEL_KCODE / 8] = descriptor(ACC_CODE, DPL_KERNEL);
	cpu->gdt[SEL_KDATA / 8] = descriptor(ACC_DATA, DPL_KERNEL);
	cpu->gdt[SEL_UDATA / 8] = descriptor(ACC_DATA, DPL_USER);
	cpu->gdt[SEL_UCODE / 8] = descriptor(ACC_CODE, DPL_USER);
	tss_descriptor(&cpu->gdt[SEL_TSS / 8], &cpu->tss);
	cpu->gdtr = (struct table_register){sizeof(cpu->gdt) - 1, (uint64_t)cpu->gdt};
}

static uint64_t
cr4_wanted(void)
{
	struct cpuid_regs r = cpuid(1, 0);
	/* OSFXSR and OSXMMEXCPT are for the guests' state; CR0.TS keeps host programs off. */
	uint64_t cr4 = CR4_PAE | CR4_PGE | CR4_MCE | CR4_OSFXSR | CR4_OSXMMEXCPT;

	if (r.ecx & CPUID1_ECX_XSAVE)
		cr4 |= CR4_OSXSAVE;
	if (cpuid(0, 0).eax < 7)
		return cr4;
	r = cpuid(7, 0);
	if (r.ebx & CPUID7_EBX_SMEP)
		cr4 |= CR4_SMEP;
	if (r.ebx & CPUID7_EBX_SMAP)
		cr4 |= CR4_SMAP;
	if (r.ecx & CPUID7_ECX_UMIP)
		cr4 |= CR4_UMIP;
	return cr4;
}

static void
load_segments(const struct cpu *cpu)
{
	/* cs keeps its value: the code selector means the same in the boot GDT. */
	lgdt(&cpu->gdtr);
	__asm__ volatile("mov %0, %%ss\n\t"
	                 "mov %1, %%ds\n\t"
	                 "mov %1, %%es\n\t"
	                 "mov %1, %%fs\n\t"
	                 "mov %1, %%gs\n\t"
	                 "ltr %w2"
	                 :
	                 : "r"(SEL_KDATA), "r"(0), "r"(SEL_TSS)
	                 : "memory");
}

void
cpu_load(void)
{
	struct cpu *cpu = this_cpu();

	load_segments(cpu);
	write_cr0(CR0_PE | CR0_MP | CR0_TS | CR0_ET | CR0_NE | CR0_WP | CR0_PG);
	write_cr4(cr4_wanted());
	wrmsr(MSR_EFER, (rdmsr(MSR_EFER) | EFER_NXE) & ~(uint64_t)EFER_SCE);
	wrmsr(MSR_SYSENTER_CS, 0);
}
