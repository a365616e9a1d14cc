/* Device memory in 32-bit code.  The counter of the HPET keeps what is written to it. */
#include "guest/t/t.inc"
#define START		0x84838281

	.macro EXPECT value, where
	cmpl	$\value, \where
	jne	fail
	.endm

	FLAT_TEST
	PRINT	"mmio: device memory in 32-bit code"
	movl	$START, HPET_COUNTER
	EXPECT	START, HPET_COUNTER
	movl	HPET_COUNTER, %eax
	EXPECT	START, %eax
	movzbl	HPET_COUNTER + 3, %eax
	EXPECT	0x84, %eax
	movl	$0xffff0000, %ebp
	movswl	HPET_COUNTER + 2 + 0x10000(%ebp), %eax
	EXPECT	0xffff8483, %eax
	movl	$HPET, %ebx
	movl	$0x1e, %esi
	orw	$0x1234, 2(%ebx,%esi,8)
	lock xaddb %ah, (%ebx,%esi,8)
	EXPECT	0x96b78205, HPET_COUNTER
	movl	$HPET_COUNTER, %edi
	movl	$2, %ecx
	movl	$START, %eax
	rep stosl
	EXPECT	START, HPET_COUNTER + 4
	EXPECT	HPET_COUNTER + 8, %edi
	FINISH	STATUS_OK, "mmio: PASS"
fail:	FINISH	STATUS_FAIL, "mmio: FAIL"
	FLAT_END
