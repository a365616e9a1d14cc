#include "inc/mmu.h"

/* The boot stack, and the way from a stack to another. */
#define BOOT_STACK_SIZE 16384

	.text
/* void stack_switch(void *top, void (*fn)(void)): leaves the boot stack for good. */
	.globl	stack_switch
	.type	stack_switch, @function
stack_switch:
	mov	%rdi, %rsp
	xor	%ebp, %ebp
	call	*%rsi
	ud2

	.bss
	.balign PAGE_SIZE
	.globl	boot_stack, boot_stack_top
boot_stack:
	.skip	BOOT_STACK_SIZE
boot_stack_top:

	.section .note.GNU-stack, "", @progbits
