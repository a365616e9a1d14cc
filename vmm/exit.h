#ifndef NESTLING_VMM_EXIT_H
#define NESTLING_VMM_EXIT_H

#include <stdbool.h>
#include <stdint.h>

#include "inc/vm.h"

/* A VM exit, as back ends describe it and handlers see it. */

/*
 * An event that the next entry delivers: info has the layout of VMX's VM-entry
 * interruption-information field (SDM vol. 3, "VM-Entry Controls for Event Injection").
 */
enum {
	HV_EVENT_INTR = 0 << 8,
	HV_EVENT_NMI = 2 << 8,
	HV_EVENT_EXCEPTION = 3 << 8,
	HV_EVENT_SOFT_INTR = 4 << 8,      /* INTn */
	HV_EVENT_PRIV_SOFT = 5 << 8,      /* VMX: INT1 */
	HV_EVENT_SOFT_EXCEPTION = 6 << 8, /* VMX: INT3, INTO */
	HV_EVENT_TYPE = 7 << 8,
	HV_EVENT_HAS_ERROR = 1 << 11,
};
#define HV_EVENT_VALID 0x80000000u

struct hv_event {
	uint32_t info;  /* HV_EVENT_, vector in bits 7:0 */
	uint32_t error; /* error code; valid with HV_EVENT_HAS_ERROR */
	uint32_t len;   /* software events: length of the instruction, in bytes */
};

/* Accesses to control registers. */
enum { CR_READ, CR_WRITE, CR_CLTS, CR_LMSW, CR_SMSW };

/*
 * A decoded VM exit: the back end fills in only what the kind needs.  The structure is a record of
 * the flight recorder (vmm/acct/acct.h), so that recording an exit costs nothing but what
 * accounting writes: tsc, cycles, action and away.
 */
struct hv_exit {
	uint64_t tsc;  /* the host's TSC at the exit */
	uint64_t rip;  /* the guest's RIP at the exit */
	uint64_t qual; /* the hardware's qualification; 0 where it gives none */
	union {
		struct {
			uint16_t port;
			uint8_t size; /* bytes of an item: 1, 2, 4 */
			bool in, string, rep;
			uint8_t addr_size; /* string only: 2, 4 or 8 bytes */
			uint8_t seg;       /* string OUT only: enum vm_seg */
		} io;
		struct {
			uint8_t cr;    /* number of the control register */
			uint8_t reg;   /* enum vm_reg of the other operand, unless memory */
			uint8_t op;    /* CR_ */
			bool memory;   /* SMSW, LMSW: the operand is at gva, not in reg */
			uint8_t width; /* SMSW to a register: bytes that are written */
			uint16_t lmsw; /* LMSW: its operand, unless memory */
			uint64_t gva;
		} cr;
		struct {
			uint8_t dr;  /* number of the debug register */
			uint8_t reg; /* enum vm_reg of the other operand */
			bool read;
		} dr;
		struct {
			uint64_t gpa;
			uint32_t access; /* VM_ACCESS_ */
		} mem;
		struct {
			struct hv_event event; /* the exception, ready to be injected */
			uint8_t vector;        /* of the exception or external interrupt */
			bool nmi;              /* an NMI of the host */
		} intr;
		uint32_t number; /* CPUID leaf or MSR; the handler fills it in */
	};
	/* Ticks from the handler's end to the next entry; valid with HV_LEFT in action. */
	uint64_t away;
	uint32_t raw;    /* the hardware's exit reason */
	uint32_t len;    /* bytes by which hv->skip() moves RIP; valid where a handler may skip */
	uint32_t cycles; /* ticks in the handler */
	uint8_t kind;    /* enum hv_exit_kind */
	uint8_t action;  /* enum hv_action, HV_LEFT */
};
_Static_assert(sizeof(struct hv_exit) == 64, "records have a cache line each and fill a page");

/* In hv_exit.action: the loop was left after this exit, so that `away` is valid. */
enum { HV_LEFT = 0x80 };

#endif
