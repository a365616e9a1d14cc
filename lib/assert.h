#ifndef NESTLING_LIB_ASSERT_H
#define NESTLING_LIB_ASSERT_H

/*
 * Prints a message and ends the caller: in the kernel the machine, in a user program the process.
 */
_Noreturn void panic_at(const char *file, int line, const char *fmt, ...)
        __attribute__((format(printf, 3, 4)));

#define panic(...) panic_at(__FILE__, __LINE__, __VA_ARGS__)
#define assert(x)                                          \
	do {                                               \
		if (!(x))                                  \
			panic("assertion failed: %s", #x); \
	} while (0)

#endif
