#ifndef NESTLING_GUEST_KERNEL_COMMAND_H
#define NESTLING_GUEST_KERNEL_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The commands of the prompt, which shell.c runs.  A command returns its status, 0 for success;
 * failed checks make it 1.
 *
 * Each row X(name, arguments, help) declares the function cmd_NAME.  SELFTEST_TABLE lists the
 * commands that check something and need no argument, in the order in which `selftest` runs them.
 */
#define COMMAND_TABLE(X)                                                                         \
	X(help, "", "this list")                                                                 \
	X(cpuid, "[N]", "ticks of CPUID over N runs (1000)")                                     \
	X(leaves, "", "the statistics leaves 4fffffffh to 4ffffffch, profile v2")                \
	X(leaf, "LEAF [SUBLEAF]", "one CPUID leaf")                                              \
	X(bench, "[ROW] [N]", "ticks of each kind of exit, or of one, over N runs (2000)")       \
	X(io, "[N]", "ticks of IN and OUT; printing by OUT, rep OUTS, hypercall")                \
	X(efficiency, "TICKS... RESULT", "compare work without exits with the host's ticks")     \
	X(burn, "[N]", "ticks of N rounds of work without exits; check registers (10)")          \
	X(heartbeat, "[KIB]", "check memory and timer until a key comes (256)")                  \
	X(hlt, "[N]", "ticks of N halts that the timer ends (10)")                               \
	X(touch, "[MIB]", "ticks of the first and the second touch of fresh memory (4)")         \
	X(msr, "", "check MSRs, also absent ones")                                               \
	X(rdmsr, "MSR", "read an MSR")                                                           \
	X(wrmsr, "MSR VALUE", "write an MSR")                                                    \
	X(in, "PORT [SIZE]", "read a port; SIZE 1, 2 or 4 bytes")                                \
	X(out, "PORT VALUE [SIZE]", "write a port")                                              \
	X(vmcall, "NUMBER", "a hypercall")                                                       \
	X(cr, "", "check control registers and EFER")                                            \
	X(int, "[TICKS]", "check exceptions and interrupts; count TICKS of the timer (5)")       \
	X(fpu, "", "check that FPU, SSE and AVX registers survive exits")                        \
	X(dr, "", "check debug registers, breakpoints and single steps")                         \
	X(xsetbv, "", "check XSETBV with good and bad values")                                   \
	X(string, "", "check string I/O at its edges")                                           \
	X(mmio, "", "check each way to access device memory")                                    \
	X(ud, "", "check what privileged and absent instructions do")                            \
	X(code, "", "check that code which changes itself runs as changed")                      \
	X(mem, "[MIB]", "the CMOS sizes, and a pattern test of fresh memory (1)")                \
	X(intstack, "", "check interrupts that push onto memory never touched")                  \
	X(user, "", "check ring 3: what it may and may not do")                                  \
	X(procs, "[ROUNDS]", "processes: switches, copy-on-write, maps and unmaps (100)")        \
	X(pgfault, "[N]", "N page faults of the guest's own, in one address space (1000)")       \
	X(pgedit, "[ROUNDS] [SEED]", "random edits of page tables against a plain walker (200)") \
	X(cpus, "", "the CPUs and their APIC ids")                                               \
	X(smp, "", "check that several CPUs work together")                                      \
	X(selftest, "", "all the checks")                                                        \
	X(echo, "[WORD...]", "print the words")                                                  \
	X(status, "", "commands run and failed, CPUIDs executed")                                \
	X(reboot, "", "reset through the keyboard controller")                                   \
	X(poweroff, "[STATUS]", "power off; without STATUS: that of the first failed command")

#define SELFTEST_TABLE(X) \
	X(cr)             \
	X(int)            \
	X(fpu)            \
	X(dr)             \
	X(xsetbv)         \
	X(msr)            \
	X(io)             \
	X(string)         \
	X(mmio)           \
	X(ud)             \
	X(code)           \
	X(mem)            \
	X(user)           \
	X(intstack)       \
	X(smp)

#define X(name, args, help) int cmd_##name(int argc, char **argv);
COMMAND_TABLE(X)
#undef X

enum { STATUS_FAILED = 1, STATUS_USAGE = 2, STATUS_UNKNOWN = 127 };

/* Runs the prompt for ever. */
_Noreturn void shell(void);

/*
 * Reads argument n as a number (0x: hexadecimal) into *out; `fallback` if there is no argument n.
 * Prints a line and returns false if the argument is not a number from min to max.
 */
bool arg_number(int argc, char **argv, int n, uint64_t fallback, uint64_t min, uint64_t max,
                uint64_t *out);

#endif
