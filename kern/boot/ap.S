#include "inc/memlayout.h"
#include "inc/mmu.h"
#include "kern/boot/longmode.h"
#include "kern/boot/mp.h"

/*
 * How the other CPUs come into the kernel (kern/boot/mp.c): from real mode, in the trampoline's copy
 * in low memory, to the boot tables of kern/boot/longmode.S, and from there to the kernel's own tables
 * and to the stack that the boot CPU has made.
 */
#define SEL_BOOT_CODE 0x08
#define SEL_BOOT_DATA 0x10

	.section .rodata
	.code16
	.globl	ap_trampoline, ap_trampoline_end
ap_trampoline:
	cli
	cld
	movw	%cs, %ax
	movw	%ax, %ds
	lgdtl	ap_gdtr - ap_trampoline
	movl	%cr0, %eax
	orl	$CR0_PE, %eax
	movl	%eax, %cr0
	ljmpl	$SEL_BOOT_CODE, $ap_start32

	.balign 8
ap_gdt:
	.quad	0
	.quad	0x00cf9b000000ffff	/* SEL_BOOT_CODE: flat, 32-bit */
	.quad	0x00cf93000000ffff	/* SEL_BOOT_DATA */
ap_gdt_end:
ap_gdtr:
	.word	ap_gdt_end - ap_gdt - 1
	.long	AP_TRAMPOLINE + ap_gdt - ap_trampoline
ap_trampoline_end:

	.section .boot, "ax"
	.code32
ap_start32:
	mov	$SEL_BOOT_DATA, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %ss
	mov	$(AP_TRAMPOLINE + PAGE_SIZE), %esp
	call	boot_long_mode
	ljmp	$SEL_KCODE, $ap_start64

	.code64
ap_start64:
	movabs	$ap_start_high, %rax
	jmp	*%rax

	.text
ap_start_high:
	lgdt	boot_gdtr_high(%rip)
	mov	$SEL_KDATA, %eax
	mov	%eax, %ss
	xor	%eax, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %fs
	mov	%eax, %gs

	/* One that was given up, and comes all the same, must not take another's stack. */
	mov	$1, %eax
	cpuid
	shr	$24, %ebx		/* initial APIC id */
	mov	%ebx, %eax
	mov	$AP_NOBODY, %ecx
	lock cmpxchg %ecx, ap_expected(%rip)
	jne	1f
	mov	ap_cr3(%rip), %rax
	mov	%rax, %cr3
	mov	ap_stack(%rip), %rsp
	xor	%ebp, %ebp		/* where backtraces end */
	call	*ap_entry(%rip)
1:	cli
	hlt
	jmp	1b

/* Written by the boot CPU: the APIC id of the CPU that is to come, and what it gets. */
	.data
	.balign 8
	.globl	ap_expected, ap_cr3, ap_stack, ap_entry
ap_cr3:
	.quad	0
ap_stack:
	.quad	0
ap_entry:
	.quad	0
ap_expected:
	.long	AP_NOBODY

	.section .note.GNU-stack, "", @progbits
