#include "user/vm/machine.h"

#include "inc/mmu.h"
#include "inc/uart.h"
#include "inc/x86.h"
#include "lib/guestkernel.h"

/*
 * `vm --kernel`: the guest's kernel is entered as its own loader would do it (inc/guestboot.h), so
 * that paging is on from the first instruction.
 */

/* Access rights: present, accessed, whole address space; and an LDT and a TSS. */
enum { AR_DATA = 0xc093, AR_CODE64 = 0xa09b, AR_LDT = 0x82, AR_TSS = 0x8b };

/* Where the boot sector would be. */
enum { BOOT_INFO = BOOT_SECTOR };

#define FOUR_GIB (1ull << 32)

static const struct vm_regs entry_regs = {
        .gpr[REG_RSP] = BOOT_SECTOR,
        .gpr[REG_RDI] = BOOT_INFO,
        .rflags = RFLAGS_FIXED,
        .cr0 = CR0_PG | CR0_ET | CR0_PE,
        .cr3 = BOOT_TABLES,
        .cr4 = CR4_PAE,
        .efer = EFER_LME | EFER_LMA,
        .dr6 = 0xffff0ff0,
        .dr7 = 0x400,
        .seg =
                {
                        [SEG_ES] = {.sel = SEL_DATA, .limit = UINT32_MAX, .ar = AR_DATA},
                        [SEG_CS] = {.sel = SEL_CODE64, .limit = UINT32_MAX, .ar = AR_CODE64},
                        [SEG_SS] = {.sel = SEL_DATA, .limit = UINT32_MAX, .ar = AR_DATA},
                        [SEG_DS] = {.sel = SEL_DATA, .limit = UINT32_MAX, .ar = AR_DATA},
                        [SEG_FS] = {.sel = SEL_DATA, .limit = UINT32_MAX, .ar = AR_DATA},
                        [SEG_GS] = {.sel = SEL_DATA, .limit = UINT32_MAX, .ar = AR_DATA},
                        [SEG_LDTR] = {.limit = 0xffff, .ar = AR_LDT},
                        [SEG_TR] = {.limit = 0xffff, .ar = AR_TSS},
                },
};

/* Where the kernel's file begins: the image is it, or its boot sector tells. */
static uint64_t
kernel_at(const struct ide_disk *disk)
{
	uint16_t loader_sectors;
	uint32_t magic;

	memcpy(&magic, disk->data, sizeof magic);
	memcpy(&loader_sectors, disk->data + LOADER_SECTORS_AT, sizeof loader_sectors);
	return magic == ELF_MAGIC ? 0 : (1ull + loader_sectors) * SECTOR_SIZE;
}

/* Finds the kernel and checks it; NULL after a message. */
static const uint8_t *
kernel_find(const struct options *o, const struct ide_disk *disk, struct guest_kernel *k)
{
	uint64_t at = kernel_at(disk), left = at < disk->size ? disk->size - at : 0;
	const uint8_t *file = disk->data + at;
	const char *fault = left ? guest_kernel_fault(file, left, k) : NULL;

	if (!left)
		printf(VM_NAME ": %s: no kernel; expected an ELF file, or a disk with one behind "
		               "its loader\n",
		       o->image);
	else if (fault)
		printf(VM_NAME ": %s: kernel %s\n", o->image, fault);
	else if (k->file_end > left)
		printf(VM_NAME ": %s: kernel truncated: needs %lu bytes, the image holds %lu\n",
		       o->image, k->file_end, left);
	else if (k->phys_end > o->ram)
		printf(VM_NAME ": -m: too little memory for the kernel of %s: it needs %lu KiB, "
		               "but there are %lu KiB\n",
		       o->image, (k->phys_end + 1023) >> 10, o->ram >> 10);
	else
		return file;
	return NULL;
}

bool
kernel_check(const struct options *o, const struct ide_disk *disk)
{
	struct guest_kernel k;

	return kernel_find(o, disk, &k);
}

/* COM1 as the guest's boot sector leaves it. */
static void
set_up_com1(struct machine *m)
{
	static const struct {
		uint8_t reg, value;
	} settings[] = {
	        {UART_LCR, UART_LCR_DLAB},
	        {UART_DLL, 1}, /* 115200 */
	        {UART_LCR, UART_LCR_WLEN8},
	        {UART_FCR, UART_FCR_ENABLE_FIFO | UART_FCR_CLEAR_RCVR | UART_FCR_CLEAR_XMIT},
	        {UART_MCR, UART_MCR_DTR | UART_MCR_RTS | UART_MCR_OUT2},
	};

	for (size_t i = 0; i < ARRAY_SIZE(settings); i++)
		vdev_bus_write(&m->ports, UART_COM1 + settings[i].reg, 1, settings[i].value);
}

/* What the guest may have changed on its disk is checked anew. */
void
kernel_prepare(struct machine *m)
{
	struct boot_info info = {.ram = m->opts.ram < FOUR_GIB ? m->opts.ram : FOUR_GIB};
	struct vm_regs regs = entry_regs;
	struct guest_kernel k;
	const uint8_t *file = kernel_find(&m->opts, &m->ide.disk, &k);
	long err;

	if (!file) {
		machine_off(m, STATUS_ERROR);
		return;
	}
	for (unsigned int i = 0; i < k.plan.count; i++) {
		const struct elf_segment *s = &k.plan.load[i];

		memcpy(m->ram + s->paddr, file + s->offset, s->filesz);
		memset(m->ram + s->paddr + s->filesz, 0, s->memsz - s->filesz);
	}
	memcpy(m->ram + BOOT_INFO, &info, sizeof info);
	guest_boot_tables((uint64_t *)(m->ram + BOOT_TABLES), BOOT_TABLES, info.ram);
	set_up_com1(m);
	regs.rip = k.plan.entry;
	err = sys_vcpu_set_regs(m->vm, 0, &regs);
	if (err < 0)
		panic("the vCPU refuses its registers: %s", error_text(err));
}
