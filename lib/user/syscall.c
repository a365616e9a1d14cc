#include "lib/user/user.h"

#include "inc/memlayout.h"

/* The stubs of inc/syscall.h: numbers and arguments into registers, one trap. */

long
syscall5(long nr, long a1, long a2, long a3, long a4, long a5)
{
	register long r8 __asm__("r8") = a5;
	long result;

	__asm__ volatile("int %1"
	                 : "=a"(result)
	                 : "i"(T_SYSCALL), "a"(nr), "D"(a1), "S"(a2), "d"(a3), "c"(a4), "r"(r8)
	                 : "memory", "cc");
	return result;
}

#define CALL(name, a1, a2, a3, a4) \
	syscall5(SYS_##name, (long)(a1), (long)(a2), (long)(a3), (long)(a4), 0)
#define CALL0(name)             CALL(name, 0, 0, 0, 0)
#define CALL1(name, a1)         CALL(name, a1, 0, 0, 0)
#define CALL2(name, a1, a2)     CALL(name, a1, a2, 0, 0)
#define CALL3(name, a1, a2, a3) CALL(name, a1, a2, a3, 0)

long
sys_console_write(const void *buf, size_t len)
{
	return CALL2(console_write, buf, len);
}

long
sys_console_read(void *buf, size_t len, unsigned int how)
{
	return CALL3(console_read, buf, len, how);
}

long
sys_console_give(uint32_t id)
{
	return CALL1(console_give, id);
}

long
sys_env_id(void)
{
	return CALL0(env_id);
}

void
sys_env_exit(int status)
{
	CALL1(env_exit, status);
	__builtin_unreachable();
}

long
sys_env_kill(uint32_t id)
{
	return CALL1(env_kill, id);
}

long
sys_env_wait(uint32_t id)
{
	return CALL1(env_wait, id);
}

long
sys_env_attend(uint32_t id)
{
	return CALL1(env_attend, id);
}

long
sys_env_ended(struct env_end *end)
{
	return CALL1(env_ended, end);
}

long
sys_env_yield(void)
{
	return CALL0(env_yield);
}

long
sys_env_sleep(uint64_t microseconds)
{
	return CALL1(env_sleep, microseconds);
}

long
sys_env_info(unsigned int index, struct env_info *info)
{
	return CALL2(env_info, index, info);
}

long
sys_spawn(const char *path, char *const *argv, int argc)
{
	return CALL3(spawn, path, argv, argc);
}

long
sys_fork(void)
{
	return CALL0(fork);
}

long
sys_thread(void (*entry)(void *arg), void *stack_top, void *arg)
{
	return CALL3(thread, (uintptr_t)entry, stack_top, arg);
}

long
sys_mem_map(void *va, size_t size)
{
	return CALL2(mem_map, va, size);
}

long
sys_mem_unmap(void *va, size_t size)
{
	return CALL2(mem_unmap, va, size);
}

long
sys_mem_wait(const volatile uint32_t *word, uint32_t value)
{
	return CALL2(mem_wait, word, value);
}

long
sys_mem_wake(const volatile uint32_t *word, unsigned int count)
{
	return CALL2(mem_wake, word, count);
}

long
sys_ipc_send(uint32_t to, uint64_t value, const void *page)
{
	return CALL3(ipc_send, to, value, page);
}

long
sys_ipc_recv(struct ipc_msg *msg, void *page)
{
	return CALL2(ipc_recv, msg, page);
}

long
sys_file_info(unsigned int index, struct file_info *info)
{
	return CALL2(file_info, index, info);
}

long
sys_file_map(const char *path, void *va)
{
	return CALL2(file_map, path, va);
}

long
sys_sys_info(struct sys_info *info)
{
	return CALL1(sys_info, info);
}

long
sys_cmdline(char *buf, size_t len)
{
	return CALL2(cmdline, buf, len);
}

long
sys_poweroff(int status)
{
	return CALL1(poweroff, status);
}

long
sys_kmonitor(void)
{
	return CALL0(kmonitor);
}

long
sys_audit(struct audit_report *report, enum audit_rule plant)
{
	return CALL2(audit, report, plant);
}

long
sys_hv_caps(struct hv_caps *caps)
{
	return CALL1(hv_caps, caps);
}

long
sys_vm_create(const struct vm_config *config)
{
	return CALL1(vm_create, config);
}

long
sys_vm_destroy(uint32_t vm)
{
	return CALL1(vm_destroy, vm);
}

long
sys_vm_map(uint32_t vm, uint64_t gpa, void *va, uint64_t size)
{
	return CALL(vm_map, vm, gpa, va, size);
}

long
sys_vm_clone(uint32_t vm, uint32_t *id, bool sibling)
{
	return CALL3(vm_clone, vm, id, sibling);
}

long
sys_vcpu_create(uint32_t vm, struct vm_run *va)
{
	return CALL2(vcpu_create, vm, va);
}

long
sys_vcpu_run(uint32_t vm, uint32_t vcpu)
{
	return CALL2(vcpu_run, vm, vcpu);
}

long
sys_vcpu_get_regs(uint32_t vm, uint32_t vcpu, struct vm_regs *regs)
{
	return CALL3(vcpu_get_regs, vm, vcpu, regs);
}

long
sys_vcpu_set_regs(uint32_t vm, uint32_t vcpu, const struct vm_regs *regs)
{
	return CALL3(vcpu_set_regs, vm, vcpu, regs);
}

long
sys_vcpu_reset(uint32_t vm, uint32_t vcpu)
{
	return CALL2(vcpu_reset, vm, vcpu);
}

long
sys_vcpu_set_back(uint32_t vm, uint32_t vcpu, uint64_t ticks)
{
	return CALL3(vcpu_set_back, vm, vcpu, ticks);
}

long
sys_vcpu_kick(uint32_t vm, uint32_t vcpu)
{
	return CALL2(vcpu_kick, vm, vcpu);
}

long
sys_vcpu_wait(uint32_t vm, uint32_t vcpu, enum vm_time as)
{
	return CALL3(vcpu_wait, vm, vcpu, as);
}

long
sys_vm_post(uint32_t vm, uint32_t requests)
{
	return CALL2(vm_post, vm, requests);
}

long
sys_vm_requests(uint32_t vm, bool wait)
{
	return CALL2(vm_requests, vm, wait);
}

long
sys_vm_info(unsigned int index, struct vm_info *info)
{
	return CALL2(vm_info, index, info);
}

long
sys_vm_break_info(unsigned int index, struct vm_break_info *info)
{
	return CALL2(vm_break_info, index, info);
}

long
sys_vcpu_break(uint32_t vm, uint32_t vcpu, uint32_t number)
{
	return CALL3(vcpu_break, vm, vcpu, number);
}

long
sys_vm_stats(uint32_t vm, uint32_t vcpu, struct vm_stats *stats)
{
	return CALL3(vm_stats, vm, vcpu, stats);
}

long
sys_vm_mark(uint32_t vm, struct vm_stats *now, struct vm_stats *before)
{
	return CALL3(vm_mark, vm, now, before);
}

long
sys_vm_histogram(uint32_t vm, uint32_t vcpu, enum hv_exit_kind kind, uint64_t buckets[VM_BUCKETS])
{
	return CALL(vm_histogram, vm, vcpu, kind, buckets);
}

long
sys_vm_keys(uint32_t vm, uint32_t vcpu, enum hv_exit_kind kind, struct vm_keys *keys)
{
	return CALL(vm_keys, vm, vcpu, kind, keys);
}

long
sys_vm_trace(uint32_t vm, uint32_t vcpu, uint64_t number, struct vm_trace *trace)
{
	return CALL(vm_trace, vm, vcpu, number, trace);
}

long
sys_vm_span(uint32_t vm, uint32_t vcpu, uint64_t number, struct vm_span *span)
{
	return CALL(vm_span, vm, vcpu, number, span);
}
