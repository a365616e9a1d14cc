#include "inc/x86.h"
#include "kern/dev/dev.h"

enum {
	KBD_DATA = 0x60,
	KBD_STATUS = 0x64,
	STATUS_FULL = 0x01,  /* a byte waits */
	STATUS_MOUSE = 0x20, /* and it is the mouse's */
	STATUS_NONE = 0xff,  /* no controller: the bus floats */

	SC_RELEASE = 0x80,
	SC_EXTENDED = 0xe0,
	SC_CTRL = 0x1d,
	SC_LSHIFT = 0x2a,
	SC_RSHIFT = 0x36,
	SC_CAPS = 0x3a,

	CTRL_MASK = 0x1f, /* what Ctrl leaves of a letter */
	BURST_MAX = 64,   /* scan codes taken at once: a broken controller must not hold us */
};

/* Scan-code set 1, US layout; 0: no character. */
static const char plain[] = "\0\033"
                            "1234567890-=\b\t"
                            "qwertyuiop[]\n\0"
                            "asdfghjkl;'`\0\\"
                            "zxcvbnm,./\0*\0 ";
static const char shifted[] = "\0\033"
                              "!@#$%^&*()_+\b\t"
                              "QWERTYUIOP{}\n\0"
                              "ASDFGHJKL:\"~\0|"
                              "ZXCVBNM<>?\0*\0 ";

static bool shift, ctrl, caps, extended;

/* A modifier's scan code changes the state and gives no character. */
static bool
modifier(uint8_t code, bool down)
{
	switch (code) {
	case SC_LSHIFT:
	case SC_RSHIFT:
		if (!extended) /* E0 2A comes with the grey keys: not a shift */
			shift = down;
		return true;
	case SC_CTRL:
		ctrl = down;
		return true;
	case SC_CAPS:
		if (down)
			caps = !caps;
		return true;
	}
	return false;
}

/* The character of a scan code, or -1. */
static int
decode(uint8_t scan)
{
	uint8_t code = scan & ~SC_RELEASE;
	bool down = !(scan & SC_RELEASE);
	char c;

	if (scan == SC_EXTENDED) {
		extended = true;
		return -1;
	}
	if (modifier(code, down) || !down || code >= sizeof(plain) - 1) {
		extended = false;
		return -1;
	}
	extended = false;
	c = plain[code];
	if (shift != (caps && c >= 'a' && c <= 'z'))
		c = shifted[code];
	if (ctrl)
		c &= CTRL_MASK;
	return c ? c : -1;
}

int
kbd_getc(void)
{
	for (unsigned int i = 0; i < BURST_MAX; i++) {
		uint8_t status = inb(KBD_STATUS);
		uint8_t scan;
		int c;

		if (status == STATUS_NONE || !(status & STATUS_FULL))
			return -1;
		scan = inb(KBD_DATA);
		c = status & STATUS_MOUSE ? -1 : decode(scan);
		if (c >= 0)
			return c;
	}
	return -1;
}
