#ifndef NESTLING_LIB_USER_USER_H
#define NESTLING_LIB_USER_USER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "inc/audit.h"
#include "inc/error.h"
#include "inc/syscall.h"
#include "inc/vm.h"
#include "lib/assert.h"
#include "lib/printf.h"
#include "lib/string.h"

/* The C library of user programs.  A program's main() gets its arguments; its result is the exit
 * status. */
int main(int argc, char **argv);

/* System calls, one wrapper each: sys_NAME with the arguments of inc/syscall.h. */
long syscall5(long nr, long a1, long a2, long a3, long a4, long a5);
long sys_console_write(const void *buf, size_t len);
long sys_console_read(void *buf, size_t len, unsigned int how);
long sys_console_give(uint32_t id);
long sys_env_id(void);
_Noreturn void sys_env_exit(int status);
long sys_env_kill(uint32_t id);
long sys_env_wait(uint32_t id);
long sys_env_attend(uint32_t id);
long sys_env_ended(struct env_end *end);
long sys_env_yield(void);
long sys_env_sleep(uint64_t microseconds);
long sys_env_info(unsigned int index, struct env_info *info);
long sys_spawn(const char *path, char *const *argv, int argc);
long sys_fork(void);
/* A process that shares this one's memory, and begins with entry(arg), which must not return. */
long sys_thread(void (*entry)(void *arg), void *stack_top, void *arg);
long sys_mem_map(void *va, size_t size);
long sys_mem_unmap(void *va, size_t size);
long sys_mem_wait(const volatile uint32_t *word, uint32_t value);
long sys_mem_wake(const volatile uint32_t *word, unsigned int count);
long sys_ipc_send(uint32_t to, uint64_t value, const void *page);
long sys_ipc_recv(struct ipc_msg *msg, void *page);
long sys_file_info(unsigned int index, struct file_info *info);
long sys_file_map(const char *path, void *va);
long sys_sys_info(struct sys_info *info);
long sys_cmdline(char *buf, size_t len);
long sys_poweroff(int status);
long sys_kmonitor(void);
long sys_audit(struct audit_report *report, enum audit_rule plant);
long sys_hv_caps(struct hv_caps *caps);
long sys_vm_create(const struct vm_config *config);
long sys_vm_destroy(uint32_t vm);
long sys_vm_map(uint32_t vm, uint64_t gpa, void *va, uint64_t size);
long sys_vm_clone(uint32_t vm, uint32_t *id, bool sibling);
long sys_vcpu_create(uint32_t vm, struct vm_run *va);
long sys_vcpu_run(uint32_t vm, uint32_t vcpu);
long sys_vcpu_get_regs(uint32_t vm, uint32_t vcpu, struct vm_regs *regs);
long sys_vcpu_set_regs(uint32_t vm, uint32_t vcpu, const struct vm_regs *regs);
long sys_vcpu_reset(uint32_t vm, uint32_t vcpu);
long sys_vcpu_set_back(uint32_t vm, uint32_t vcpu, uint64_t ticks);
long sys_vcpu_kick(uint32_t vm, uint32_t vcpu);
long sys_vcpu_wait(uint32_t vm, uint32_t vcpu, enum vm_time as);
long sys_vm_post(uint32_t vm, uint32_t requests);
long sys_vm_requests(uint32_t vm, bool wait);
long sys_vm_info(unsigned int index, struct vm_info *info);
long sys_vm_break_info(unsigned int index, struct vm_break_info *info);
long sys_vcpu_break(uint32_t vm, uint32_t vcpu, uint32_t number);
long sys_vm_stats(uint32_t vm, uint32_t vcpu, struct vm_stats *stats);
long sys_vm_mark(uint32_t vm, struct vm_stats *now, struct vm_stats *before);
long sys_vm_histogram(uint32_t vm, uint32_t vcpu, enum hv_exit_kind kind,
                      uint64_t buckets[VM_BUCKETS]);
long sys_vm_keys(uint32_t vm, uint32_t vcpu, enum hv_exit_kind kind, struct vm_keys *keys);
long sys_vm_trace(uint32_t vm, uint32_t vcpu, uint64_t number, struct vm_trace *trace);
long sys_vm_span(uint32_t vm, uint32_t vcpu, uint64_t number, struct vm_span *span);

int printf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
int vprintf(const char *fmt, va_list ap);
int putchar(int c);
void put_bytes(const void *buf, size_t size);
/* Where the output of these goes from now on; NULL: to the console, as at the beginning. */
void stdout_to(void (*write)(const void *buf, size_t size));
_Noreturn void exit(int status);
void *malloc(size_t size);
void free(void *p);
/* The VM that was created last of those that live; 0, which stands for the one that ended last, if
 * none does. */
uint32_t vm_newest(void);
/* Has a key been pressed?  Waits for it a second at most, for what refreshes itself; takes the key.
 */
bool key_within_a_second(void);
/* A line from the console, edited as lib/line.h says; its length, or one of these. */
enum { READLINE_CANCELLED = -1 /* ^C */, READLINE_END = -2 /* ^D on an empty line */ };
int readline(const char *prompt, char *buf, size_t size);
/* The same, but when a child ends: clears the line, calls news(), which hears of the child by
 * env_ended and may print whole lines, and shows the line again. */
int readline_news(const char *prompt, char *buf, size_t size, void (*news)(void));

#endif
