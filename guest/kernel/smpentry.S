/*
 * The first instructions of the other CPUs.  smp.c copies them to SMP_START, since a start-up IPI
 * names a page below 1 MiB.  They go through 32-bit mode to long mode, on the first CPU's page
 * tables, which map the first 2 MiB at address 0 meanwhile (SDM vol. 3, "MP Initialization").
 */
#include "guest/boot/boot.h"
#include "inc/mmu.h"
#include "inc/msr.h"

#define AT(label) (SMP_START + (label) - smp_code)

	.section .rodata
	.globl	smp_code, smp_code_end
	.code16
	.p2align 4
smp_code:
	cli
	xorw	%ax, %ax
	movw	%ax, %ds
	lgdtl	AT(gdtr)
	movl	%cr0, %eax
	orb	$CR0_PE, %al
	movl	%eax, %cr0
	ljmpl	$SEL_CODE32, $AT(1f)

	.code32
1:	movw	$SEL_DATA, %ax
	movw	%ax, %ds
	movw	%ax, %es
	movw	%ax, %ss
	movl	AT(cr4), %eax
	movl	%eax, %cr4
	movl	AT(cr3), %eax
	movl	%eax, %cr3
	movl	$MSR_EFER, %ecx
	movl	AT(efer), %eax
	xorl	%edx, %edx
	wrmsr
	movl	AT(cr0), %eax
	movl	%eax, %cr0
	ljmpl	$SEL_CODE64, $AT(1f)

	.code64
1:	movl	$AT(parameters), %eax
	movq	stack - parameters(%rax), %rsp
	movq	cpu - parameters(%rax), %rdi
	xorl	%ebp, %ebp
	movq	$smp_main, %rax
	call	*%rax

	.p2align 3
gdt:	.quad	0
	.quad	0x00cf9b000000ffff	/* SEL_CODE32 */
	.quad	0x00cf93000000ffff	/* SEL_DATA */
	.quad	0x00af9b000000ffff	/* SEL_CODE64 */
gdtr:	.word	gdtr - gdt - 1
	.long	AT(gdt)
	.word	0

	/* struct smp_parameters, filled in by smp.c */
	.globl	smp_parameters
	.p2align 3
smp_parameters:
parameters:
cr0:	.quad	0
cr3:	.quad	0
cr4:	.quad	0
efer:	.quad	0
stack:	.quad	0
cpu:	.quad	0
smp_code_end:
	.section .note.GNU-stack, "", @progbits
