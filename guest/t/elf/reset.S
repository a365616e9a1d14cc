/*
 * Loads CR3 again and again with an edited entry in its loader's tables, and resets the machine:
 * the tables that the loader makes then are the ones that count.
 */
#include "guest/boot/real.inc"
#include "guest/boot/boot.h"
#include "inc/mmu.h"

#define ENTRY	(BOOT_TABLES + 3 * 4096 + 8)	/* for 2 MiB on */
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
