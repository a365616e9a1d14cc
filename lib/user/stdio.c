#include "lib/user/user.h"

static void
to_console(const void *buf, size_t size)
{
	sys_console_write(buf, size);
}

/* NULL: to_console.  Nothing here has an initial value, which would cost each program a page. */
static void (*sink)(const void *buf, size_t size);

void
stdout_to(void (*write)(const void *buf, size_t size))
{
	sink = write;
}

void
put_bytes(const void *buf, size_t size)
{
	if (sink)
		sink(buf, size);
	else
		to_console(buf, size);
}

/* printf gathers its text and writes it in as few system calls as it can. */
struct out {
	size_t used;
	int total;
	char buf[256];
};

static void
flush(struct out *o)
{
	put_bytes(o->buf, o->used);
	o->used = 0;
}

static void
put(void *arg, char c)
{
	struct out *o = arg;

	o->buf[o->used++] = c;
	o->total++;
	if (o->used == sizeof o->buf)
		flush(o);
}

int
vprintf(const char *fmt, va_list ap)
{
	struct out o;

	o.used = 0;
	o.total = 0;
	vformat(put, &o, fmt, ap);
	if (o.used)
		flush(&o);
	return o.total;
}

int
printf(const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vprintf(fmt, ap);
	va_end(ap);
	return n;
}

int
putchar(int c)
{
	char byte = c;

	put_bytes(&byte, 1);
	return (unsigned char)byte;
}

void
exit(int status)
{
	sys_env_exit(status);
}

bool
key_within_a_second(void)
{
	enum { SECOND = 1000 * 1000, POLLS = 10 };
	char key;

	for (int i = 0; i < POLLS; i++) {
		if (sys_console_read(&key, 1, CONSOLE_POLL) > 0)
			return true;
		sys_env_sleep(SECOND / POLLS);
	}
	return false;
}
