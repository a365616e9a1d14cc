/*
 * Switches paging off and says so.  A CPU that runs no guest without paging must stop it instead.
 */
#include "guest/boot/real.inc"
#include "inc/mmu.h"

	.code64
	.globl	start
start:
	lgdt	gdtr
	pushq	$SEL_CODE32
	pushq	$1f
	lretq

	.code32
1:	movw	$SEL_DATA, %ax
	movw	%ax, %ds
	movw	%ax, %es
	movw	%ax, %ss
	movl	%cr0, %eax
	andl	$~CR0_PG, %eax
	movl	%eax, %cr0
	movl	$said, %esi
	call	puts
	POWER_OFF 0

	PUTS_SUBROUTINE puts
	BOOT_GDT
gdtr:	.word	boot_gdt_end - boot_gdt - 1
	.quad	boot_gdt
said:	.asciz	"PASS pg-off: paging is off\r\n"
	.section .note.GNU-stack, "", @progbits
