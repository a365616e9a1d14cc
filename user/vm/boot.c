#include "user/vm/machine.h"

#include "inc/mmu.h"

/*
 * The state in which a BIOS hands over to a boot sector, without a BIOS: its
 * interrupt vectors lead to the BIOS's part of memory, where nothing is, so that
 * the first call of one comes back to us as an instruction fetch from there.
 */

enum {
	BOOT_ADDRESS = 0x7c00,
	BOOT_DISK = 0x80, /* in DL */
	BIOS_SEGMENT = BIOS_GPA >> 4,
	VECTORS = 256,
	OPCODE_INT = 0xcd,
};

/* The real-mode interrupt vector table at gpa 0: IP, CS. */
struct vector {
	uint16_t ip, cs;
};

/* Access rights in real mode: present, accessed, read-write data or readable code; and an LDT and a
 * TSS. */
enum { AR_DATA = 0x93, AR_CODE = 0x9b, AR_LDT = 0x82, AR_TSS = 0x8b };

static const struct vm_regs boot_regs = {
        .gpr[REG_RDX] = BOOT_DISK,
        .gpr[REG_RSP] = BOOT_ADDRESS,
        .rip = BOOT_ADDRESS,
        .rflags = RFLAGS_FIXED | RFLAGS_IF,
        .cr0 = CR0_ET,
        .dr6 = 0xffff0ff0,
        .dr7 = 0x400,
        .gdtr_limit = 0xffff,
        .idtr_limit = VECTORS * sizeof(struct vector) - 1,
        .seg =
                {
                        [SEG_ES] = {.limit = 0xffff, .ar = AR_DATA},
                        [SEG_CS] = {.limit = 0xffff, .ar = AR_CODE},
                        [SEG_SS] = {.limit = 0xffff, .ar = AR_DATA},
                        [SEG_DS] = {.limit = 0xffff, .ar = AR_DATA},
                        [SEG_FS] = {.limit = 0xffff, .ar = AR_DATA},
                        [SEG_GS] = {.limit = 0xffff, .ar = AR_DATA},
                        [SEG_LDTR] = {.limit = 0xffff, .ar = AR_LDT},
                        [SEG_TR] = {.limit = 0xffff, .ar = AR_TSS},
                },
};

void
boot_prepare(struct machine *m)
{
	struct vector *vectors = (struct vector *)m->ram;
	long err;

	for (unsigned int n = 0; n < VECTORS; n++)
		vectors[n] = (struct vector){.ip = n, .cs = BIOS_SEGMENT};
	memcpy(m->ram + BOOT_ADDRESS, m->ide.disk.data, IDE_SECTOR);
	err = sys_vcpu_set_regs(m->vm, 0, &boot_regs);
	if (err < 0)
		panic("the vCPU refuses its registers: %s", error_text(err));
}

bool
boot_is_bios_call(uint64_t gpa)
{
	return gpa >= BIOS_GPA && gpa < BIOS_GPA + VECTORS;
}

/* A 16-bit word of the guest's memory; 0 where there is none. */
static uint16_t
guest_word(const struct machine *m, uint64_t gpa)
{
	uint16_t word = 0;

	if (gpa <= m->opts.ram - sizeof word)
		memcpy(&word, m->ram + gpa, sizeof word);
	return word;
}

/*
 * Who called is on the stack: IP, CS and FLAGS.  An INT instruction in front of
 * that address is a call; else the processor was interrupted there.
 */
/* As INIT leaves a processor: real mode, at the vector's page (SDM vol. 3, "MP Initialization"). */
void
boot_start_other(struct machine *m, unsigned int index, uint8_t vector)
{
	struct vm_regs regs = boot_regs;
	long err;

	regs.gpr[REG_RDX] = regs.gpr[REG_RSP] = 0;
	regs.rip = 0;
	regs.rflags = RFLAGS_FIXED;
	regs.seg[SEG_CS].sel = (uint16_t)(vector << 8);
	regs.seg[SEG_CS].base = (uint64_t)vector << 12;
	err = sys_vcpu_set_regs(m->vm, index, &regs);
	if (err < 0)
		panic("vCPU %u refuses its registers: %s", index, error_text(err));
}

void
boot_report_bios_call(struct machine *m, const struct vm_run *run)
{
	unsigned int n = run->mem.gpa - BIOS_GPA;
	struct vm_regs regs;
	uint64_t stack;
	uint16_t ip, cs;

	sys_vcpu_get_regs(m->vm, run - m->run, &regs);
	stack = regs.seg[SEG_SS].base + (uint16_t)regs.gpr[REG_RSP];
	ip = guest_word(m, stack);
	cs = guest_word(m, stack + 2);
	report_whose(m, run);
	if (guest_word(m, (cs << 4) + (uint16_t)(ip - 2)) == (n << 8 | OPCODE_INT))
		printf("guest called BIOS INT %02xh (AX=%04lxh) from %04x:%04x; there is "
		       "no BIOS in a VM\n",
		       n, regs.gpr[REG_RAX] & 0xffff, cs, ip - 2);
	else
		printf("guest took exception or interrupt %02xh at %04x:%04x, but has not set "
		       "a handler for it\n",
		       n, cs, ip);
}
