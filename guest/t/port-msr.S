/* Port 1234h must read all ones in every size; RDMSR and WRMSR of deadbeefh must get #GP. */
#include "guest/t/t.inc"
	REAL_TEST
	movw	$PORT_NONE, %dx
	xorl	%eax, %eax
	inb	%dx, %al
	cmpl	$0xff, %eax
	jne	bad_port
	PRINT	"PASS: port 1234h byte: ones"
	movw	$PORT_NONE, %dx
	xorl	%eax, %eax
	inw	%dx, %ax
	cmpl	$0xffff, %eax
	jne	bad_port
	PRINT	"PASS: port 1234h word: ones"
	movw	$PORT_NONE, %dx
	xorl	%eax, %eax
	inl	%dx, %eax
	cmpl	$0xffffffff, %eax
	jne	bad_port
	PRINT	"PASS: port 1234h long: ones"
	SET_VECTOR X86_GP, read_gp
	movl	$MSR_NONE, %ecx
	rdmsr
	FINISH	STATUS_FAIL, "FAIL: RDMSR runs"
read_gp:
	PRINT	"PASS: RDMSR gets #GP"
	SET_VECTOR X86_GP, write_gp
	movl	$MSR_NONE, %ecx
	wrmsr
	FINISH	STATUS_FAIL, "FAIL: WRMSR runs"
write_gp:
	FINISH	STATUS_OK, "PASS: WRMSR gets #GP"
bad_port:
	FINISH	STATUS_FAIL, "FAIL: other value"
	REAL_END
