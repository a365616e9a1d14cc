#include "vmm/vmm.h"

#include "inc/error.h"
#include "kern/env.h"
#include "kern/lock.h"
#include "kern/mem/usercopy.h"
#include "lib/printf.h"
#include "lib/string.h"
#include "vmm/debug.h"

/*
 * Says in the manual's words why the hardware refused an entry, and breaks entries on purpose.  The
 * checkers of the back ends know the rules; this file has what both back ends need.
 */

enum { CLOSING_MAX = 100 }; /* bytes that stay free for the last line */

/* Appends text and leaves `keep` bytes free.  Returns false, and appends nothing, without room. */
static __attribute__((format(printf, 3, 0))) bool
append(struct findings *f, uint64_t keep, const char *fmt, va_list ap)
{
	uint64_t room = f->size - f->used;
	int n = vsnprintf(f->text + f->used, room, fmt, ap);

	if (n < 0 || (uint64_t)n + keep >= room) {
		f->text[f->used] = '\0';
		return false;
	}
	f->used += n;
	return true;
}

void
findings_head(struct findings *f, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	append(f, 0, fmt, ap);
	va_end(ap);
}

static __attribute__((format(printf, 2, 3))) bool
append_line(struct findings *f, const char *fmt, ...)
{
	va_list ap;
	bool fits;

	va_start(ap, fmt);
	fits = append(f, CLOSING_MAX, fmt, ap);
	va_end(ap);
	return fits;
}

void
findings_add(struct findings *f, const char *field, uint64_t value, const char *must,
             const char *manual, const char *section)
{
	f->broken++;
	if (!append_line(f, "\n  %s is %#lx: %s\n    %s, \"%s\"", field, value, must, manual,
	                 section))
		f->left_out++;
}

static void
findings_close(struct findings *f)
{
	if (!f->broken)
		findings_head(f, "\n  no rule that the checker knows is broken");
	if (f->left_out)
		findings_head(f, "\n  and %u more broken rules", f->left_out);
}

/* Changes the fields of the break in the control block. */
static void
break_plant(struct vcpu *v)
{
	const struct hv_break *b = &hv->debug->breaks[v->breaking.number];
	const struct hv_change *changes[] = {&b->enable, &b->change};

	for (unsigned int i = 0; i < 2; i++) {
		const struct hv_change *c = changes[i];

		if (!c->field)
			continue;
		v->breaking.old[i] = hv->debug->field_read(v, c);
		hv->debug->field_write(v, c, (v->breaking.old[i] & ~c->clear) | c->set);
	}
	v->breaking.state = BREAK_PLANTED;
}

/* Undoes the changes, if the break is planted. */
static void
break_remove(struct vcpu *v)
{
	const struct hv_break *b = &hv->debug->breaks[v->breaking.number];

	if (v->breaking.state != BREAK_PLANTED)
		return;
	hv->debug->field_write(v, &b->change, v->breaking.old[1]);
	if (b->enable.field)
		hv->debug->field_write(v, &b->enable, v->breaking.old[0]);
	v->breaking.state = BREAK_NONE;
	vcpu_drop_request(v, REQ_BREAK);
}

/* Checks an entry that the hardware should accept; a rule that seems broken stops the VM. */
static enum hv_action
stop_at_false_alarm(struct vcpu *v)
{
	char text[VM_STOP_TEXT];
	struct findings f = {.text = text, .size = sizeof(text)};

	hv->debug->check(v, &f);
	if (!f.broken)
		return HV_RESUME;
	findings_close(&f);
	return vcpu_stop(v, VM_STOP_INTERNAL, "this entry breaks a rule:%s", text);
}

enum hv_action
debug_prepare(struct vcpu *v)
{
	switch (v->breaking.state) {
	case BREAK_CHECK:
		return stop_at_false_alarm(v);
	case BREAK_ARMED:
		break_plant(v);
		if (hv->debug->keep)
			hv->debug->keep(v);
		return HV_RESUME;
	case BREAK_PLANTED:
		break_remove(v);
		return vcpu_stop(
		        v, VM_STOP_INTERNAL,
		        "the guest was entered with the break %s: either it breaks no rule in "
		        "this state of the guest, or this processor does not check the rule",
		        hv->debug->breaks[v->breaking.number].name);
	case BREAK_NONE:
		break;
	}
	return HV_RESUME;
}

enum hv_action
entry_failed(struct vcpu *v, const struct hv_exit *x)
{
	char text[VM_STOP_TEXT];
	struct findings f = {.text = text, .size = sizeof(text)};

	hv->debug->explain(v, x, &f);
	findings_close(&f);
	spin_lock(&kernel_lock); /* there is one dump for all CPUs */
	dump_start();
	dump_vcpu(v);
	spin_unlock(&kernel_lock);
	break_remove(v);
	return vcpu_stop(v, VM_STOP_ENTRY_FAILED, "VM entry failed: %s", text);
}

enum hv_action
exit_entry_failed(struct vcpu *v, struct hv_exit *x)
{
	return entry_failed(v, x);
}

int64_t
vm_break_info(struct env *e, uint64_t index, uint64_t info_va)
{
	struct vm_break_info out = {0};
	const struct hv_break *b;

	if (!hv)
		return -E_NO_HV;
	if (index >= hv->debug->break_count)
		return -E_NOT_FOUND;
	b = &hv->debug->breaks[index];
	strlcpy(out.name, b->name, sizeof(out.name));
	strlcpy(out.field, b->change.field, sizeof(out.field));
	out.clear = b->change.clear;
	out.set = b->change.set;
	return copy_out(e->as, info_va, &out, sizeof(out));
}

int64_t
vcpu_break(struct env *e, uint64_t id, uint64_t index, uint64_t number)
{
	struct vcpu *v = vcpu_of(e, id, index);

	if (!v)
		return -E_BAD_VM;
	if (v->breaking.state == BREAK_PLANTED)
		return -E_AGAIN;
	if (number == VM_BREAK_CHECK) {
		v->breaking.state = BREAK_CHECK;
	} else if (number < hv->debug->break_count) {
		v->breaking.state = BREAK_ARMED;
		v->breaking.number = (uint32_t)number;
	} else {
		return -E_INVAL;
	}
	vcpu_request(v, REQ_BREAK);
	return 0;
}
