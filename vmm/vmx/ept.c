#include "vmm/vmx/vmx.h"

#include "lib/assert.h"

/* EPT: its format, its pointer, and the flushes of translations with INVEPT and INVVPID. */

enum {
	EPT_R = 1,
	EPT_W = 2,
	EPT_X = 4,
	EPT_WB = 6 << 3,
	EPT_LARGE = 0x80,
	EPTP_WALK_4 = 3 << 3,
	EPTP_WB = 6,
};

const struct pt_format ept_format = {
        .name = "EPT",
        .present = EPT_R | EPT_W | EPT_X,
        .table = EPT_R | EPT_W | EPT_X,
        .large = EPT_LARGE,
        .write = EPT_W,
        .leaf = EPT_R | EPT_X | EPT_WB,
};

uint64_t
vmx_eptp(const struct vm *vm)
{
	return vm->npt.root | EPTP_WALK_4 | EPTP_WB;
}

/* INVEPT and INVVPID descriptors (SDM vol. 3, "VMX Instruction Reference"). */
enum { INVEPT_SINGLE = 1, INVEPT_ALL = 2, INVVPID_SINGLE = 1, INVVPID_ALL = 2 };

void
vmx_flush_vpid(struct vcpu *v)
{
	uint64_t type =
	        vmx_controls.ept_vpid_cap & EPTVPID_INVVPID_SINGLE ? INVVPID_SINGLE : INVVPID_ALL;
	struct {
		uint64_t vpid, address;
	} descriptor = {type == INVVPID_SINGLE ? v->vm->asid : 0, 0};
	uint8_t failed = false;

	if (vmx_controls.cpu2 & CPU2_ENABLE_VPID)
		__asm__ volatile("invvpid %1, %2; setna %0"
		                 : "=qm"(failed)
		                 : "m"(descriptor), "r"(type)
		                 : "cc", "memory");
	if (failed)
		panic("INVVPID of type %lu failed, VPID %u", type, v->vm->asid);
	v->tlb.stale &= (uint8_t)~TLB_LINEAR;
}

static void
flush_ept(struct vcpu *v)
{
	uint64_t type =
	        vmx_controls.ept_vpid_cap & EPTVPID_INVEPT_SINGLE ? INVEPT_SINGLE : INVEPT_ALL;
	struct {
		uint64_t eptp, reserved;
	} descriptor = {type == INVEPT_SINGLE ? vmx_eptp(v->vm) : 0, 0};
	uint8_t failed = false;

	if (vmx_controls.cpu2 & CPU2_ENABLE_EPT)
		__asm__ volatile("invept %1, %2; setna %0"
		                 : "=qm"(failed)
		                 : "m"(descriptor), "r"(type)
		                 : "cc", "memory");
	if (failed)
		panic("INVEPT of type %lu failed, EPT pointer 0x%lx", type, descriptor.eptp);
	v->tlb.stale &= (uint8_t)~TLB_NESTED;
}

void
vmx_flush(struct vcpu *v)
{
	flush_ept(v);
	vmx_flush_vpid(v);
}
