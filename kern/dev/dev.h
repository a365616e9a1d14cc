#ifndef NESTLING_KERN_DEV_DEV_H
#define NESTLING_KERN_DEV_DEV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The devices behind the console, each in a file of its own. */

/* COM1 at 115200 baud, 8N1 (kern/dev/uart.c). */
void uart_init(void);
bool uart_present(void);
bool uart_tx_ready(void);
void uart_putc(char c); /* when uart_tx_ready */
int uart_getc(void);    /* a received byte, or -1 */
void uart_drain(void);  /* waits until the last byte is on the wire */

/* VGA text mode, 80 by 25 (kern/dev/vga.c). */
void vga_init(void);
void vga_putc(char c);
void vga_show_cursor(void); /* after a run of vga_putc */

/* PS/2 keyboard, scan-code set 1 (kern/dev/kbd.c). */
int kbd_getc(void); /* a key's character, or -1 */

/* The two 8259 interrupt controllers, remapped to T_IRQ_BASE (kern/dev/pic.c). */
enum { IRQ_KBD = 1, IRQ_COM1 = 4, IRQ_COUNT = 16 };
void pic_init(void);
void pic_unmask(unsigned int irq);
/* An interrupt request is real, not the PIC's spurious one?  Acknowledges it if so. */
bool pic_ack(unsigned int irq);

#endif
