/* VMXON must get #UD in protected mode, where a processor with VMX could execute it. */
#include "guest/t/t.inc"
	FLAT_TEST
	SET_GATE X86_UD, on_ud
	SET_GATE X86_GP, on_gp
	LOAD_IDT
	vmxon	TABLES_AT
	FINISH	STATUS_FAIL, "vmxon: FAIL: no exception"
on_ud:
	FINISH	STATUS_OK, "vmxon: PASS: #UD"
on_gp:
	FINISH	STATUS_FAIL, "vmxon: FAIL: #GP"
	FLAT_END
