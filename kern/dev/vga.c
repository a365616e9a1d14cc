#include "inc/x86.h"
#include "kern/dev/dev.h"
#include "kern/mem/page.h"
#include "lib/string.h"

/* VGA text mode as firmware and boot loaders leave it: 32 KiB of cells, 80 to a row. */
enum {
	TEXT_PA = 0xb8000,
	TEXT_CELLS = 0x8000 / 2,
	COLS = 80,
	ROWS = 25,
	ATTR = 0x07 << 8, /* grey on black */
	TAB = 8,
	CRTC = 0x3d4, /* index port; data port is the next */
	CRTC_START_HIGH = 0x0c,
	CRTC_CURSOR_HIGH = 0x0e,
};

/*
 * Scrolling moves the window, not the text: an emulated frame buffer costs a
 * call for each byte.  Only when the window reaches the buffer's end does the
 * text go back to its start.
 */
static uint16_t *const cells = (uint16_t *)(DIRECT_BASE + TEXT_PA);
static unsigned int window; /* first cell shown */
static unsigned int row, col;

static void
crtc_pair(uint8_t index, uint16_t v)
{
	outb(CRTC, index);
	outb(CRTC + 1, v >> 8);
	outb(CRTC, index + 1);
	outb(CRTC + 1, v);
}

static void
clear(unsigned int first, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		cells[first + i] = ATTR | ' ';
}

static void
scroll(void)
{
	if (window + (ROWS + 1) * COLS > TEXT_CELLS) {
		memmove(cells, cells + window + COLS, (ROWS - 1) * COLS * sizeof(*cells));
		window = 0;
	} else {
		window += COLS;
	}
	clear(window + (ROWS - 1) * COLS, COLS);
	crtc_pair(CRTC_START_HIGH, window);
}

void
vga_init(void)
{
	crtc_pair(CRTC_START_HIGH, 0);
	clear(0, ROWS * COLS);
	vga_show_cursor();
}

static void
newline(void)
{
	col = 0;
	if (row < ROWS - 1)
		row++;
	else
		scroll();
}

void
vga_putc(char c)
{
	switch (c) {
	case '\n':
		newline();
		return;
	case '\r':
		col = 0;
		return;
	case '\b':
		if (col)
			col--;
		return;
	case '\t':
		col = ROUND_UP(col + 1, TAB);
		break;
	default:
		if ((unsigned char)c < ' ')
			return;
		cells[window + row * COLS + col++] = ATTR | (unsigned char)c;
	}
	if (col >= COLS)
		newline();
}

void
vga_show_cursor(void)
{
	crtc_pair(CRTC_CURSOR_HIGH, window + row * COLS + col);
}
