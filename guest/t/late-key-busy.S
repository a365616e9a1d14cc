/* As late-key.S, but waiting for the key without a HLT. */
#include "guest/t/t.inc"

#define IRQ4_VECTOR	12	/* as firmware leaves it */
#define FRAME		0x200000
#define FRAMES		20

	FLAT_TEST
	SET_GATE IRQ4_VECTOR, key
	LOAD_IDT
	movb	$0xef, %al
	outb	%al, $0x21
	movw	$COM1 + 1, %dx
	movb	$1, %al
	outb	%al, %dx
	PRINT	"late-key-busy: type one"
	movl	$FRAME, %edi
	movl	$FRAMES, %ecx
1:	movb	$1, (%edi)
	addl	$FRAME, %edi
	loop	1b
	sti
2:	pause
	jmp	2b
key:	FINISH	STATUS_OK, "late-key-busy: PASS: it has come"
	FLAT_END
