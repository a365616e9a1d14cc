#include "inc/memlayout.h"
#include "inc/mmu.h"
#include "inc/msr.h"
#include "kern/boot/longmode.h"

/*
 * Into long mode: the first CPU comes here from kern/boot/entry.S, which has filled the boot
 * tables, the others from kern/boot/ap.S.
 */

	.section .boot, "ax"
	.code32
/* Turns on long mode with the boot tables and the boot GDT; the code that goes on is 32-bit. */
	.globl	boot_long_mode
boot_long_mode:
	mov	$(CR4_PAE | CR4_PGE), %eax
	mov	%eax, %cr4
	mov	$PHYS(boot_pml4), %eax
	mov	%eax, %cr3
	mov	$MSR_EFER, %ecx
	rdmsr
	or	$(EFER_LME | EFER_NXE), %eax
	and	$~EFER_SCE, %eax
	wrmsr
	mov	$(CR0_PE | CR0_MP | CR0_TS | CR0_ET | CR0_NE | CR0_WP | CR0_PG), %eax
	mov	%eax, %cr0
	lgdt	boot_gdtr
	ret

	.balign 16
boot_gdtr:
	.word	boot_gdt_end - boot_gdt - 1
	.quad	PHYS(boot_gdt)

	.section .rodata
	.balign 16
boot_gdt: /* accessed bits set: the CPU must not want to write here */
	.quad	0
	.quad	0x00209b0000000000	/* SEL_KCODE: 64-bit code */
	.quad	0x0000930000000000	/* SEL_KDATA */
boot_gdt_end:
	.globl	boot_gdtr_high
boot_gdtr_high:
	.word	boot_gdt_end - boot_gdt - 1
	.quad	boot_gdt

	.bss
	.balign PAGE_SIZE
	.globl	boot_pml4, boot_pdpt, boot_pdpt_kernel, boot_pds
boot_pml4:
	.skip	PAGE_SIZE
boot_pdpt:
	.skip	PAGE_SIZE
boot_pdpt_kernel:
	.skip	PAGE_SIZE
boot_pds:
	.skip	BOOT_PDS * PAGE_SIZE

	.section .note.GNU-stack, "", @progbits
