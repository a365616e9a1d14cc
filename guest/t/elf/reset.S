/*
 * Edits an entry in the loader's tables, loads CR3 many times, and resets the machine.  Then the
 * tables that the loader makes anew must count.
 */
#include "guest/boot/real.inc"
#include "guest/boot/boot.h"
#include "inc/mmu.h"

#define ENTRY	(BOOT_TABLES + 3 * 4096 + 8)	/* the entry that maps 2 MiB on */
#define PAGE	0x200000
#define OTHER	0x400000
#define MARK	0x9000			/* nobody clears it */
#define LOADS	1000

	.code64
	.globl	start
start:
	cmpl	$1, MARK
	je	again
	movl	$1, MARK
	movl	$1, PAGE
	movl	$2, OTHER
	movl	$OTHER | PTE_P | PTE_W | PTE_PS, ENTRY
	movl	$LOADS, %ebx
1:	movq	%cr3, %rax
	movq	%rax, %cr3
	cmpl	$2, PAGE
	jne	fail
	decl	%ebx
	jnz	1b
	movb	$0xfe, %al		/* the keyboard controller resets */
	outb	%al, $0x64
2:	hlt
	jmp	2b

again:	cmpl	$1, PAGE
	jne	fail
	movl	$pass, %esi
	call	puts
	POWER_OFF 0
fail:	movl	$failed, %esi
	call	puts
	POWER_OFF 1

	PUTS_SUBROUTINE puts
pass:	.asciz	"PASS reset: the loader's tables count\r\n"
failed:	.asciz	"FAIL reset: tables from before count\r\n"
	.section .note.GNU-stack, "", @progbits
