#include "kern/syscall.h"

#include "inc/error.h"
#include "vmm/hv.h"

/* System calls: virtual machines.  Their bodies are in vmm/. */

int64_t
sys_vm_fault(struct env *e, const uint64_t arg[SYSCALL_ARGS])
{
	return vm_fault(e, arg[0], arg[1]);
}

int64_t
sys_vcpu_break(struct env *e, const uint64_t arg[SYSCALL_ARGS])
{
	return vcpu_break(e, arg[0], arg[1], arg[2]);
}

int64_t
sys_hv_caps(struct env *e, const uint64_t arg[SYSCALL_ARGS])
{
	return hv_get_caps(e, arg[0]);
}

int64_t
sys_vm_create(struct env *e, const uint64_t arg[SYSCALL_ARGS])
{
	return vm_create(e, arg[0]);
}

int64_t
sys_vm_destroy(struct env *e, const uint64_t arg[SYSCALL_ARGS])
{
	return vm_destroy(e, arg[0]);
}

int64_t
sys_vm_map(struct env *e, const uint64_t arg[SYSCALL_ARGS])
{
	return vm_map(e, arg[0], arg[1], arg[2], arg[3]);
}

int64_t
sys_vm_clone(struct env *e, const uint64_t arg[SYSCALL_ARGS])
{
	return vm_clone(e, arg[0], arg[1], arg[2]);
}

int64_t
sys_vcpu_create(struct env *e, const uint64_t arg[SYSCALL_ARGS])
{
	return vcpu_create(e, arg[0], arg[1]);
}

int64_t
sys_vcpu_get_regs(struct env *e, const uint64_t arg[SYSCALL_ARGS])
{
	return vcpu_get_regs(e, arg[0], arg[1], arg[2]);
}

int64_t
sys_vcpu_set_regs(struct env *e, const uint64_t arg[SYSCALL_ARGS])
{
	return vcpu_set_regs(e, arg[0], arg[1], arg[2]);
}

int64_t
sys_vcpu_set_back(struct env *e, const uint64_t arg[SYSCALL_ARGS])
{
	return vcpu_set_back(e, arg[0], arg[1], arg[2]);
}

int64_t
sys_vcpu_kick(struct env *e, const uint64_t arg[SYSCALL_ARGS])
{
	return vcpu_kick_own(e, arg[0], arg[1]);
}

int64_t
sys_vcpu_wait(struct env *e, const uint64_t arg[SYSCALL_ARGS])
{
	int64_t err = vcpu_wait(e, arg[0], arg[1], arg[2]);

	if (err == -E_AGAIN)
		syscall_restart(e, arg[2] == VM_TIME_PAUSED ? WAIT_REQUEST : WAIT_HALT, 0);
	return err;
}

int64_t
sys_vm_post(struct env *e, const uint64_t arg[SYSCALL_ARGS])
{
	return vm_post(e, arg[0], arg[1]);
}

int64_t
sys_vm_requests(struct env *e, const uint64_t arg[SYSCALL_ARGS])
{
	int64_t requests = vm_requests(e, arg[0], arg[1]);

	if (requests == -E_AGAIN)
		syscall_restart(e, WAIT_REQUEST, 0);
	return requests;
}

int64_t
sys_vm_info(struct env *e, const uint64_t arg[SYSCALL_ARGS])
{
	return vm_info(e, arg[0], arg[1]);
}

int64_t
sys_vm_stats(struct env *e, const uint64_t arg[SYSCALL_ARGS])
{
	return vm_stats(e, arg[0], arg[1], arg[2]);
}

int64_t
sys_vm_mark(struct env *e, const uint64_t arg[SYSCALL_ARGS])
{
	return vm_mark(e, arg[0], arg[1], arg[2]);
}

int64_t
sys_vm_histogram(struct env *e, const uint64_t arg[SYSCALL_ARGS])
{
	return vm_histogram(e, arg[0], arg[1], arg[2], arg[3]);
}

int64_t
sys_vm_keys(struct env *e, const uint64_t arg[SYSCALL_ARGS])
{
	return vm_keys(e, arg[0], arg[1], arg[2], arg[3]);
}

int64_t
sys_vm_trace(struct env *e, const uint64_t arg[SYSCALL_ARGS])
{
	return vm_trace(e, arg[0], arg[1], arg[2], arg[3]);
}

int64_t
sys_vm_span(struct env *e, const uint64_t arg[SYSCALL_ARGS])
{
	return vm_span(e, arg[0], arg[1], arg[2], arg[3]);
}
