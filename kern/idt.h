#ifndef NESTLING_KERN_IDT_H
#define NESTLING_KERN_IDT_H

/* Builds the IDT, which leads to kern/trapentry.S, and loads it on this CPU. */
void idt_init(void);
void idt_load(void);

#endif
