#ifndef NESTLING_GUEST_KERNEL_IRQ_H
#define NESTLING_GUEST_KERNEL_IRQ_H

#include <stdbool.h>
#include <stdint.h>

/* The two 8259 interrupt controllers and channel 0 of the 8254 timer (irq.c). */

enum {
	IRQ_TIMER = 0,
	IRQ_CASCADE = 2,
	IRQ_COM1 = 4,
	IRQ_SPURIOUS = 7,
	IRQ_SPURIOUS2 = 15,
};

void irq_init(void);
void irq_unmask(unsigned int irq);
void irq_mask(unsigned int irq);
/* Sends the end of interrupt.  Returns false if the interrupt was spurious. */
bool irq_acknowledge(unsigned int irq);
/* Returns the requests that are pending at the first 8259, a bit for each IRQ. */
uint8_t irq_requested(void);

enum { TIMER_HZ = 100 };
/* Starts the periodic timer interrupt.  Prints a line and returns false if none arrives. */
bool timer_start(void);
void timer_stop(void);
/*
 * Requests one interrupt after `count` periods of the 8254's input clock.  The caller unmasks
 * IRQ_TIMER.
 */
void timer_one_shot(uint16_t count);
/* Returns the number of timer interrupts since boot. */
uint64_t timer_ticks(void);

#endif
