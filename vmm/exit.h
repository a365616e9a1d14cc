#ifndef NESTLING_VMM_EXIT_H
#define NESTLING_VMM_EXIT_H

#include <stdbool.h>
#include <stdint.h>

#include "inc/vm.h"

/* A VM exit, as back ends describe it and handlers see it. */

/* Event to deliver at the next entry, in the layout of VMX's interruption-information field. */
enum {
	HV_EVENT_INTR = 0 << 8,
	HV_EVENT_NMI = 2 << 8,
	HV_EVENT_EXCEPTION = 3 << 8,
	HV_EVENT_TYPE = 7 << 8,
	HV_EVENT_HAS_ERROR = 1 << 11,
};
#define HV_EVENT_VALID 0x80000000u

struct hv_event {
	uint32_t info; /* HV_EVENT_, vector in bits 7:0 */
	uint32_t error;
	uint32_t len; /* instruction length of software events */
};

/* An access to a control register. */
enum { CR_READ, CR_WRITE, CR_CLTS, CR_LMSW, CR_SMSW };

/*
 * A VM exit, decoded: only what its kind needs is filled in.  It lies in the
 * flight recorder (vmm/acct/acct.h), so that recording an exit costs nothing but
 * what accounting adds: tsc, cycles, action and away.
 */
struct hv_exit {
	uint64_t tsc;  /* the host's, at the exit */
	uint64_t rip;  /* of the guest, then */
	uint64_t qual; /* hardware's qualification; 0 where it gives none */
	union {
		struct {
			uint16_t port;
			uint8_t size;
			bool in, string, rep;
			uint8_t addr_size; /* 2, 4, 8: string only */
			uint8_t seg;       /* enum vm_seg: string OUT only */
		} io;
		struct {
			uint8_t cr, reg;
			uint8_t op;    /* CR_ */
			bool memory;   /* SMSW: to gva, not to reg; LMSW: from there */
			uint8_t width; /* SMSW: bytes */
			uint16_t lmsw; /* its operand, unless memory */
			uint64_t gva;
		} cr;
		struct {
			uint8_t dr, reg;
			bool read;
		} dr;
		struct {
			uint64_t gpa;
			uint32_t access; /* VM_ACCESS_ */
		} mem;
		struct {
			struct hv_event event; /* an exception, ready to inject again */
			uint8_t vector;        /* exceptions and external interrupts */
			bool nmi;              /* a host NMI */
		} intr;
		uint32_t number; /* CPUID leaf, MSR: filled in by the handler */
	};
	uint64_t away;   /* ticks until the next entry that were not the handler's */
	uint32_t raw;    /* hardware's reason */
	uint32_t len;    /* of the instruction, when SKIP is possible */
	uint32_t cycles; /* in the handler */
	uint8_t kind;    /* enum hv_exit_kind */
	uint8_t action;  /* enum hv_action, HV_LEFT */
};
_Static_assert(sizeof(struct hv_exit) == 64, "records have a cache line each and fill a page");

/* In hv_exit.action: guest mode was left after this exit, so that `away` counts. */
enum { HV_LEFT = 0x80 };

#endif
