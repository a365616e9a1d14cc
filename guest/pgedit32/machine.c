#include "guest/pgedit32/pgedit32.h"

#include <stddef.h>

#include "guest/boot/loader.h"
#include "guest/pgedit/pgedit.h"
#include "inc/cpuid.h"
#include "inc/msr.h"
#include "inc/x86.h"
#include "lib/string.h"

/*
 * The machine of guest/pgedit in 32-bit mode.  The kernel is mapped by small pages with 32-bit
 * paging, so that CR4.PSE can be switched off, and by 2 MiB pages with PAE.
 */

enum {
	ENTRIES32 = 1024,
	ENTRIES_PAE = 512,
	STUB_BYTES = 16,
	GATE = 0x8e00,
	GATE_DPL3 = 0x6000,
	RIGHTS = PTE_P | PTE_W | PTE_A | PTE_D,
	CODE_SHIFT32 = 22,
	CODE_SHIFT_PAE = 21,
};

struct answer {
	uint32_t vector, error, eax, cr2, eip;
};
_Static_assert(offsetof(struct answer, eip) == ANSWER_EIP, "start.S fills it in");
_Static_assert(sizeof(struct answer) == ANSWER_BYTES, "start.S makes room for it");

extern struct answer answer;
extern char trap_stubs[], trap_stack_top[];
void access_run(uint32_t eip, uint32_t cs, uint32_t eflags, uint32_t ss, uint32_t edi,
                uint32_t esi);

/* SDM vol. 3, "Task-State Segment (TSS)": what an interrupt from ring 3 reads of it. */
struct tss32 {
	uint32_t link, esp0, ss0, unused[23];
};

struct table_register {
	uint16_t limit;
	uint32_t base;
} __attribute__((packed));

static uint64_t gdt[] = {
        0,
        0x00cf9b000000ffff, /* SEL_CODE32 */
        0x00cf93000000ffff, /* SEL_DATA */
        0x00cffb000000ffff, /* SEL_UCODE32 */
        0x00cff3000000ffff, /* SEL_UDATA32 */
        0,                  /* SEL_TSS32 */
};
static uint64_t idt[TRAP_STUBS];
static struct tss32 tss;
static uint8_t code[PAGE_SIZE] __attribute__((aligned(PAGE_SIZE)));

/* The kernel's tables, from TABLES_AT on: of 32-bit paging, then of PAE. */
static struct {
	uint32_t directory[ENTRIES32];
	uint32_t small[MAPPED_END >> CODE_SHIFT32][ENTRIES32];
	uint32_t code32[ENTRIES32];
	uint64_t top[ENTRIES_PAE]; /* four are used */
	uint64_t directory_pae[ENTRIES_PAE];
	uint64_t code_pae[ENTRIES_PAE];
} *const tables = (void *)TABLES_AT;

static void
load_tables(void)
{
	struct table_register gdtr = {sizeof(gdt) - 1, (uint32_t)gdt};
	struct table_register idtr = {sizeof(idt) - 1, (uint32_t)idt};

	__asm__ volatile("lgdt %0\n\t"
	                 "lidt %1\n\t"
	                 "ltr %w2\n\t"
	                 "movw %w3, %%ds\n\t"
	                 "movw %w3, %%es"
	                 :
	                 : "m"(gdtr), "m"(idtr), "r"(SEL_TSS32), "r"(SEL_UDATA32)
	                 : "memory");
}

static void
build_tables(void)
{
	memset(tables, 0, sizeof(*tables));
	for (uint32_t pa = 0; pa < MAPPED_END; pa += PAGE_SIZE)
		tables->small[pa >> CODE_SHIFT32][pa / PAGE_SIZE % ENTRIES32] = pa | RIGHTS;
	for (uint32_t i = 0; i < ARRAY_SIZE(tables->small); i++)
		tables->directory[i] = (uint32_t)tables->small[i] | RIGHTS;
	tables->directory[CODE_USER >> CODE_SHIFT32] = (uint32_t)tables->code32 | RIGHTS | PTE_U;
	tables->code32[0] = (uint32_t)code | RIGHTS | PTE_U;
	tables->code32[1] = (uint32_t)code | RIGHTS;

	tables->top[0] = (uint32_t)tables->directory_pae | PTE_P;
	for (uint32_t pa = 0; pa < MAPPED_END; pa += LARGE_PAGE_SIZE)
		tables->directory_pae[pa / LARGE_PAGE_SIZE] = pa | RIGHTS | PTE_PS;
	tables->directory_pae[CODE_USER >> CODE_SHIFT_PAE] =
	        (uint32_t)tables->code_pae | RIGHTS | PTE_U;
	tables->code_pae[0] = (uint32_t)code | RIGHTS | PTE_U;
	tables->code_pae[1] = (uint32_t)code | RIGHTS;
}

void
machine_init(void)
{
	uint32_t base = (uint32_t)&tss;

	tss.esp0 = (uint32_t)trap_stack_top;
	tss.ss0 = SEL_DATA;
	gdt[SEL_TSS32 / 8] = (sizeof(tss) - 1) | (uint64_t)(base & 0xffffff) << 16 | 0x89ull << 40 |
	                     (uint64_t)(base >> 24) << 56;
	for (uint32_t v = 0; v < TRAP_STUBS; v++) {
		uint32_t handler = (uint32_t)trap_stubs + v * STUB_BYTES;
		uint32_t type = GATE | (v == TRAP_DONE ? GATE_DPL3 : 0);

		idt[v] = (handler & 0xffff) | SEL_CODE32 << 16 |
		         (uint64_t)((handler & 0xffff0000) | type) << 32;
	}
	load_tables();
	memcpy(code, pg_code, sizeof(pg_code));
}

void
unexpected_trap(void)
{
	say("unexpected trap: vector %u error %#x eip %#x cr2 %#x cr0 %#llx cr3 %#llx cr4 "
	    "%#llx\r\n",
	    answer.vector, answer.error, answer.eip, answer.cr2, (unsigned long long)read_cr0(),
	    (unsigned long long)read_cr3(), (unsigned long long)read_cr4());
	power_off(1);
}

static uint32_t
with(uint32_t value, uint32_t bit, bool on)
{
	return on ? value | bit : value & ~bit;
}

void
machine_paging(bool on, bool pae)
{
	write_cr0(with(read_cr0() | CR0_WP, CR0_PG, false));
	if (!on)
		return;
	/* Anew each time: TCG sets accessed bits in PAE's top entries, where they are reserved. */
	build_tables();
	write_cr4(with(read_cr4() | CR4_PSE, CR4_PAE, pae));
	write_cr3(pae ? (uint32_t)tables->top : (uint32_t)tables->directory);
	write_cr0(read_cr0() | CR0_PG);
}

void
machine_prepare(struct pg *t, bool pae)
{
	uint32_t basic = cpuid(1, 0).edx, ext = cpuid(0x80000001, 0).edx;
	uint32_t structured = cpuid(0, 0).eax >= 7 ? cpuid(7, 0).ebx : 0;

	t->format = pae ? &pg_pae : &pg_legacy;
	t->can = (struct pg_mode){
	        .wp = true,
	        .pge = basic & CPUID1_EDX_PGE,
	        .pse = !pae,
	        .nxe = pae && (ext & CPUIDX1_EDX_NX),
	        .smep = structured & CPUID7_EBX_SMEP,
	        .smap = structured & CPUID7_EBX_SMAP,
	};
	t->pool = POOL_AT;
	t->memory = (uint8_t *)POOL_AT;
	t->image = (uint32_t(*)[ENTRIES32])IMAGE_AT;
}

void
pg_machine_access(const struct pg_access *a, uint64_t va, struct pg_result *r)
{
	uint32_t page = a->user ? CODE_USER : CODE_KERNEL;

	access_run(page + a->kind * PG_CODE_BYTES, a->user ? SEL_UCODE32 : SEL_CODE32,
	           RFLAGS_FIXED | (a->ac ? RFLAGS_AC : 0), SEL_UDATA32, (uint32_t)va, a->value);
	*r = (struct pg_result){answer.vector != TRAP_DONE, answer.vector, answer.error, answer.cr2,
	                        answer.eax};
}

void
pg_machine_mode(const struct pg_mode *mode)
{
	uint32_t cr0 = read_cr0(), cr4 = read_cr4(), new4;
	uint64_t efer = rdmsr(MSR_EFER), newe = with(efer, EFER_NXE, mode->nxe);

	new4 = with(with(cr4, CR4_PGE, mode->pge), CR4_PSE, mode->pse);
	new4 = with(with(new4, CR4_SMEP, mode->smep), CR4_SMAP, mode->smap);
	if (with(cr0, CR0_WP, mode->wp) != cr0)
		write_cr0(with(cr0, CR0_WP, mode->wp));
	if (new4 != cr4)
		write_cr4(new4);
	if (newe != efer)
		wrmsr(MSR_EFER, newe);
}

void
pg_machine_root(void *root)
{
	if (read_cr4() & CR4_PAE)
		memcpy(root, tables->top, PAGE_SIZE);
	else
		memcpy(root, tables->directory, PAGE_SIZE);
}
