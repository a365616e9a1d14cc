#include "kern/sys/syscall.h"

#include "inc/error.h"
#include "vmm/hv.h"

/* System calls: virtual machines.  Their bodies, in vmm/, take the arguments as they are... */

#define ARGS_1 arg[0]
#define ARGS_2 ARGS_1, arg[1]
#define ARGS_3 ARGS_2, arg[2]
#define ARGS_4 ARGS_3, arg[3]
#define CALL(name, body, count)                                             \
	int64_t sys_##name(struct env *e, const uint64_t arg[SYSCALL_ARGS]) \
	{                                                                   \
		return body(e, ARGS_##count);                               \
	}

CALL(hv_caps, hv_get_caps, 1)
CALL(vm_create, vm_create, 1)
CALL(vm_destroy, vm_destroy, 1)
CALL(vm_map, vm_map, 4)
CALL(vm_clone, vm_clone, 3)
CALL(vm_post, vm_post, 2)
CALL(vm_info, vm_info, 2)
CALL(vm_stats, vm_stats, 3)
CALL(vm_mark, vm_mark, 3)
CALL(vm_histogram, vm_histogram, 4)
CALL(vm_keys, vm_keys, 4)
CALL(vm_trace, vm_trace, 4)
CALL(vm_span, vm_span, 4)
CALL(vm_break_info, vm_break_info, 2)
CALL(vcpu_create, vcpu_create, 2)
CALL(vcpu_get_regs, vcpu_get_regs, 3)
CALL(vcpu_set_regs, vcpu_set_regs, 3)
CALL(vcpu_reset, vcpu_reset_own, 2)
CALL(vcpu_set_back, vcpu_set_back, 3)
CALL(vcpu_kick, vcpu_kick_own, 2)
CALL(vcpu_break, vcpu_break, 3)

/* ...but some of them may have to wait. */

int64_t
sys_vcpu_wait(struct env *e, const uint64_t arg[SYSCALL_ARGS])
{
	int64_t err = vcpu_wait(e, arg[0], arg[1], arg[2]);

	if (err == -E_AGAIN)
		syscall_restart(e, arg[2] == VM_TIME_PAUSED ? WAIT_REQUEST : WAIT_HALT, 0);
	return err;
}

int64_t
sys_vm_requests(struct env *e, const uint64_t arg[SYSCALL_ARGS])
{
	int64_t requests = vm_requests(e, arg[0], arg[1]);

	if (requests == -E_AGAIN)
		syscall_restart(e, WAIT_REQUEST, 0);
	return requests;
}
