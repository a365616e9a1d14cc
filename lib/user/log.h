#ifndef NESTLING_LIB_USER_LOG_H
#define NESTLING_LIB_USER_LOG_H

#include <stddef.h>
#include <stdint.h>

/*
 * The last output of a program that has no console, in memory that it shares with who shows
 * it: a ring that one writes and the other reads.  Pure.  The reader trusts nothing in it.
 */
enum { LOG_PAGES = 4, LOG_SIZE = LOG_PAGES * 4096, LOG_BYTES = LOG_SIZE - 16 };

struct log {
	uint64_t written; /* bytes since the beginning; the last LOG_BYTES are here */
	uint64_t shown;   /* of them, what somebody has read or knows to be lost */
	char bytes[LOG_BYTES];
};
_Static_assert(sizeof(struct log) == LOG_SIZE, "a log is whole pages");

void log_write(struct log *log, const void *buf, size_t size);
/* Bytes that wait to be shown, and in *lost those before them that were written over. */
uint64_t log_waiting(const struct log *log, uint64_t *lost);
/* The next of them, at most size: bytes copied to buf. */
size_t log_read(struct log *log, void *buf, size_t size);

#endif
