#include "lib/user/log.h"

#include "lib/string.h"

/* The other side may be on another CPU: the bytes come before the count that covers them. */
static uint64_t
get(const uint64_t *count)
{
	return __atomic_load_n(count, __ATOMIC_ACQUIRE);
}

static void
set(uint64_t *count, uint64_t value)
{
	__atomic_store_n(count, value, __ATOMIC_RELEASE);
}

void
log_write(struct log *log, const void *buf, size_t size)
{
	const char *from = buf;

	while (size) {
		uint64_t at = get(&log->written) % LOG_BYTES;
		size_t n = size < LOG_BYTES - at ? size : LOG_BYTES - at;

		memcpy(log->bytes + at, from, n);
		set(&log->written, log->written + n);
		from += n;
		size -= n;
	}
}

uint64_t
log_waiting(const struct log *log, uint64_t *lost)
{
	uint64_t waiting = get(&log->written) - get(&log->shown);

	*lost = waiting > LOG_BYTES ? waiting - LOG_BYTES : 0;
	return waiting - *lost;
}

size_t
log_read(struct log *log, void *buf, size_t size)
{
	uint64_t lost, waiting = log_waiting(log, &lost);
	uint64_t from = get(&log->shown) + lost;
	uint64_t at = from % LOG_BYTES;

	if (size > waiting)
		size = waiting;
	if (size > LOG_BYTES - at)
		size = LOG_BYTES - at;
	memcpy(buf, log->bytes + at, size);
	set(&log->shown, from + size);
	return size;
}
