#include "guest/checks/probe.h"
#include "guest/kernel/command.h"
#include "guest/kernel/console.h"
#include "inc/x86.h"
#include "lib/string.h"

/* Commands that execute one instruction of the user's choice: rdmsr, wrmsr, in, out, vmcall. */

enum { PORT_LAST = 0xffff };

/* Prints the usage and returns false if a command has fewer than `wanted` arguments. */
static bool
arguments(int argc, char **argv, int wanted, const char *usage)
{
	if (argc > wanted)
		return true;
	printf("%s: too few arguments.  Usage: %s %s\n", argv[0], argv[0], usage);
	return false;
}

static int
report_fault(const char *command, const struct fault *f)
{
	printf("%s: %s, error %lx\n", command, trap_name(f->vector), f->error);
	return STATUS_FAILED;
}

int
cmd_rdmsr(int argc, char **argv)
{
	uint64_t msr, value;
	struct fault f;

	if (!arguments(argc, argv, 1, "MSR") || !arg_number(argc, argv, 1, 0, 0, UINT32_MAX, &msr))
		return STATUS_USAGE;
	if (!probe_rdmsr(msr, &value, &f))
		return report_fault(argv[0], &f);
	printf("rdmsr: %08lx is %016lx\n", msr, value);
	return 0;
}

int
cmd_wrmsr(int argc, char **argv)
{
	uint64_t msr, value;
	struct fault f;

	if (!arguments(argc, argv, 2, "MSR VALUE") ||
	    !arg_number(argc, argv, 1, 0, 0, UINT32_MAX, &msr) ||
	    !arg_number(argc, argv, 2, 0, 0, UINT64_MAX, &value))
		return STATUS_USAGE;
	if (!probe_wrmsr(msr, value, &f))
		return report_fault(argv[0], &f);
	return 0;
}

static bool
arg_size(int argc, char **argv, int n, uint64_t *size)
{
	if (!arg_number(argc, argv, n, 1, 1, 4, size))
		return false;
	if (*size != 3)
		return true;
	printf("%s: a port is 1, 2 or 4 bytes wide\n", argv[0]);
	return false;
}

int
cmd_in(int argc, char **argv)
{
	uint64_t port, size;
	uint32_t value;

	if (!arguments(argc, argv, 1, "PORT [SIZE]") ||
	    !arg_number(argc, argv, 1, 0, 0, PORT_LAST, &port) || !arg_size(argc, argv, 2, &size))
		return STATUS_USAGE;
	value = size == 1 ? inb(port) : size == 2 ? inw(port) : inl(port);
	printf("in: port %04lx is %0*x\n", port, (int)size * 2, value);
	return 0;
}

int
cmd_out(int argc, char **argv)
{
	uint64_t port, value, size;

	if (!arguments(argc, argv, 2, "PORT VALUE [SIZE]") ||
	    !arg_number(argc, argv, 1, 0, 0, PORT_LAST, &port) ||
	    !arg_number(argc, argv, 2, 0, 0, UINT32_MAX, &value) || !arg_size(argc, argv, 3, &size))
		return STATUS_USAGE;
	console_flush();
	if (size == 1)
		outb(port, value);
	else if (size == 2)
		outw(port, value);
	else
		outl(port, value);
	return 0;
}

int
cmd_vmcall(int argc, char **argv)
{
	uint64_t number, result;
	struct fault f;

	if (!arguments(argc, argv, 1, "NUMBER") ||
	    !arg_number(argc, argv, 1, 0, 0, UINT64_MAX, &number))
		return STATUS_USAGE;
	if (!probe_hypercall(number, &result, &f))
		return report_fault(argv[0], &f);
	printf("vmcall: %#lx returns %ld\n", number, (long)result);
	return 0;
}
