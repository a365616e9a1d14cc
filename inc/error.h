#ifndef NESTLING_INC_ERROR_H
#define NESTLING_INC_ERROR_H

/*
 * Errors: functions and system calls return 0 or a positive result, or one of
 * these, negated.  The table generates the enum and the texts (lib/error.c).
 */
#define ERROR_TABLE(X)                                        \
	X(E_INVAL, "invalid argument")                        \
	X(E_NO_MEM, "out of memory")                          \
	X(E_FAULT, "bad address")                             \
	X(E_BAD_ENV, "no such process, or not yours")         \
	X(E_NO_FREE_ENV, "process table full")                \
	X(E_NOT_FOUND, "not found")                           \
	X(E_BAD_ELF, "not a valid 64-bit x86 ELF executable") \
	X(E_EXISTS, "already exists")                         \
	X(E_AGAIN, "try again")                               \
	X(E_NO_HV, "this CPU cannot run VMs")                 \
	X(E_NO_VM, "VM table full")                           \
	X(E_BAD_VM, "no such VM")                             \
	X(E_ENTRY, "VM entry failed")                         \
	X(E_CONSOLE, "the console is another process's")      \
	X(E_LIMIT, "limit reached")                           \
	X(E_NO_SHADOW, "the VM has no shadow tables")         \
	X(E_NO_SYS, "no such system call")

enum {
	E_OK = 0,
#define X(name, text) name,
	ERROR_TABLE(X)
#undef X
	        E_MAX
};

/* The text of an error; e may be positive or negative.  Never NULL. */
const char *error_text(long e);

#endif
