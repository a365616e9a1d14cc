/* The loader's first and last instructions: see guest/boot/loader.c. */
#include "guest/boot/boot.h"
#include "inc/mmu.h"
#include "inc/msr.h"

	.code32
	.section .text.start, "ax"
	.globl	start
/* The boot sector jumps here in 32-bit mode with flat segments.  EAX: the kernel's first sector. */
start:
	movl	$BOOT_SECTOR, %esp
	movl	%eax, %ebx
	movl	$__bss_start, %edi
	movl	$__bss_end, %ecx
	subl	%edi, %ecx
	xorl	%eax, %eax
	cld
	rep stosb
	pushl	%ebx
	call	loader_main

	.text
	.globl	enter_kernel
/*
 * _Noreturn void enter_kernel(uint64_t entry, uint32_t cr3, const struct boot_info *info)
 * switches to long mode (SDM vol. 3, "Initializing IA-32e Mode") and jumps.
 */
enter_kernel:
	movl	4(%esp), %esi
	movl	8(%esp), %ebp
	movl	12(%esp), %eax
	movl	16(%esp), %edi
	movl	%eax, %cr3
	movl	%cr4, %eax
	orl	$CR4_PAE, %eax
	movl	%eax, %cr4
	movl	$MSR_EFER, %ecx
	rdmsr
	orl	$EFER_LME, %eax
	wrmsr
	movl	%cr0, %eax
	orl	$CR0_PG, %eax
	movl	%eax, %cr0
	ljmp	$SEL_CODE64, $1f

	.code64
1:	movl	%esi, %esi	/* clears the upper halves: they are undefined after the switch */
	movl	%edi, %edi
	movl	%ebp, %ebp
	shlq	$32, %rbp
	orq	%rsi, %rbp
	jmp	*%rbp
