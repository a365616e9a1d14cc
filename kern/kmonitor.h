#ifndef NESTLING_KERN_KMONITOR_H
#define NESTLING_KERN_KMONITOR_H

struct trapframe;

/* Runs the kernel monitor, prompt K>, until the user types `continue`. */
void kmonitor(struct trapframe *tf);

#endif
