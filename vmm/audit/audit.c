#include "kern/audit/audit.h"

#include "inc/x86.h"
#include "vmm/shadow/shadow.h"
#include "vmm/slots.h"
#include "vmm/vmm.h"

/*
 * The hypervisor's part of an audit: its own pages, and the nested and shadow page tables of each
 * VM.  An entry is right if the monitor's page tables map the same frame at the hva that the slot
 * of RAM gives, with at least the same rights.  Then a guest reaches its monitor's memory and
 * nothing else.
 */

static struct audit_site
site_of(const struct vm *vm)
{
	return (struct audit_site){AUDIT_VM_TABLE, vm->id, 0};
}

/* The VM whose entries are walked. */
struct reach {
	const struct vm *vm;
	uint64_t write; /* the bit of an entry that is the right to write */
};

/* First pass: notes that the VM reaches the frames of an entry, and whether it may write to them.
 */
static void
count_leaf(struct audit_walk *w, int level, pte_t e)
{
	const struct reach *reach = w->arg;
	const struct vm *vm = reach->vm;
	uint64_t pa = e & PTE_ADDR & ~(pt_span(level) - 1);

	for (uint64_t off = 0; level <= 2 && off < pt_span(level); off += PAGE_SIZE) {
		struct audit_frame *f = audit_frame(pa + off);

		if (!f)
			continue;
		if (f->vm && f->vm != vm->asid)
			f->flags |= AUDITED_VMS;
		f->vm = vm->asid;
		if (e & reach->write)
			f->flags |= AUDITED_WRITE;
	}
}

/* Returns the rule that is broken if a guest reaches the frame at pa, or AUDIT_NONE. */
static enum audit_rule
frame_rule_broken(uint64_t pa)
{
	const struct audit_frame *f = audit_frame(pa);

	if (!f)
		return AUDIT_GUEST_NO_RAM;
	if (f->flags & AUDITED_TABLE)
		return AUDIT_GUEST_TABLE;
	if (pa_page(pa)->kernel)
		return AUDIT_GUEST_KERNEL;
	if (!audit_in_use(pa_page(pa)))
		return AUDIT_GUEST_FREE;
	if ((f->flags & AUDITED_VMS) && (f->flags & AUDITED_WRITE))
		return AUDIT_GUEST_SHARED;
	return AUDIT_NONE;
}

/*
 * Returns AUDIT_NONE if the monitor maps the same memory, else the rule that is broken.  The
 * monitor's entry of 2 MiB may have been split since the guest got its own, with no frame moved.
 */
static enum audit_rule
monitor_rule_broken(const struct vm *vm, uint64_t gpa, uint64_t pa, int level, bool writable)
{
	const struct vm_slot *slot = vm_slot_find(vm, gpa);
	uint64_t hva, end;

	if (level > 2 || !slot || gpa + pt_span(level) > slot->gpa + slot->size)
		return AUDIT_GUEST_OTHER;
	hva = slot->hva + (gpa - slot->gpa);
	for (end = hva + pt_span(level); hva < end;) {
		int host_level;
		pte_t host = audit_lookup(&vm->as->pt, hva, &host_level);
		uint64_t part = host_level < level ? pt_span(host_level) : pt_span(level);

		if (!(host & PTE_P) || (host & PTE_ADDR) + (hva & (pt_span(host_level) - 1)) != pa)
			return AUDIT_GUEST_OTHER;
		if (writable && !(host & PTE_W))
			return AUDIT_GUEST_WRITE;
		hva += part;
		pa += part;
	}
	return AUDIT_NONE;
}

/* Checks the frames of an entry, and reports the first one that the guest must not reach. */
static void
check_frames(const struct audit_walk *w, int level, uint64_t pa)
{
	enum audit_rule broken = AUDIT_NONE;

	for (uint64_t off = 0; off < pt_span(level) && broken == AUDIT_NONE; off += PAGE_SIZE) {
		broken = frame_rule_broken(pa + off);
		if (broken != AUDIT_NONE)
			audit_violation(broken, &w->site, pa + off);
	}
}

static void
check_leaf(struct audit_walk *w, int level, pte_t e)
{
	const struct reach *reach = w->arg;
	uint64_t pa = e & PTE_ADDR & ~(pt_span(level) - 1);
	enum audit_rule broken;

	check_frames(w, level, pa);
	broken = monitor_rule_broken(reach->vm, w->site.address, pa, level, e & reach->write);
	if (broken != AUDIT_NONE)
		audit_violation(broken, &w->site, pa);
}

static void
audit_vm(const struct vm *vm, enum audit_pass pass)
{
	const struct reach reach = {vm, vm->npt.fmt->write};
	struct audit_walk w = {
	        .pt = &vm->npt,
	        .pass = pass,
	        .roots = PT_ENTRIES,
	        .site = site_of(vm),
	        .leaf = pass == AUDIT_COUNT ? count_leaf : check_leaf,
	        .arg = &reach,
	};

	audit_walk(&w);
	w.site.address = 0;
	if (pass == AUDIT_COUNT) {
		audit_promise(vm->npt.promised);
		return;
	}
	audit_equal(AUDIT_GUEST_MAPPED, &w.site, w.bytes, vm->mapped);
	audit_equal(AUDIT_TABLE_PAGES, &w.site, w.tables, vm->npt.tables);
	audit_equal(AUDIT_NESTED_PROMISE, &w.site, npt_promise_left(vm), vm->npt.promised);
	audit_walked(&w);
}

/* Visits an entry of a shadow table.  The entry must map a page of the guest's, or point to a table
 * of the same vCPU. */
static void
audit_shadow_entry(struct audit_walk *w, const struct shadow *s, const struct shadow_table *t,
                   unsigned int i)
{
	const struct shadow_table *child = shadow_child(s, t, i);
	pte_t e = t->entry[i];

	w->site.address = child ? t->gpa : shadow_leaf_gpa(t, i);
	if (child) {
		if (!child->entry || kva_pa(child->entry) != (e & PTE_ADDR))
			audit_violation(AUDIT_TABLE, &w->site, e & PTE_ADDR);
		return;
	}
	w->leaves++;
	w->leaf(w, t->role & SHADOW_LEVEL, e);
}

/* Visits a shadow table.  An entry that is not in use must be 0, for the processor walks it, too.
 */
static void
audit_shadow_table(void *arg, struct shadow *s, struct shadow_table *t)
{
	struct audit_walk *w = arg;

	w->site.address = t->gpa;
	if (!audit_table(w, kva_pa(t->entry)))
		return;
	if (w->pass == AUDIT_COUNT)
		audit_hold(t->from);
	for (unsigned int i = 0; i < PT_ENTRIES; i++) {
		if (t->used[i / 64] & BIT(i % 64))
			audit_shadow_entry(w, s, t, i);
		else if (t->entry[i])
			audit_violation(AUDIT_SHADOW_ENTRY, &w->site, t->entry[i] & PTE_ADDR);
	}
}

/* Walks the shadow tables of a vCPU.  A leaf is checked by its gpa.  The guest's own tables do not
 * count, for they may say something else, as with any TLB. */
static void
audit_shadow(const struct vm *vm, struct shadow *s, enum audit_pass pass)
{
	const struct reach reach = {vm, PTE_W};
	struct audit_walk w = {
	        .pass = pass,
	        .site = site_of(vm),
	        .leaf = pass == AUDIT_COUNT ? count_leaf : check_leaf,
	        .arg = &reach,
	};

	shadow_visit(s, audit_shadow_table, &w);
	for (unsigned int i = 0; shadow_next(&s->pae, &i); i++)
		audit_shadow_entry(&w, s, &s->pae, i);
	w.site.address = 0;
	if (pass == AUDIT_COUNT) {
		for (unsigned int i = 0; i < SHADOW_NOTE_PAGES; i++)
			audit_hold(s->notes[i]);
		audit_promise(shadow_promise_left(s));
		return;
	}
	audit_equal(AUDIT_TABLE_PAGES, &w.site, w.tables, s->tables);
	audit_walked(&w);
}

static void
audit_vcpu(const struct vm *vm, const struct vcpu *v, enum audit_pass pass)
{
	if (pass == AUDIT_COUNT)
		vcpu_pages(v, audit_hold);
	if (v->shadow)
		audit_shadow(vm, v->shadow, pass);
}

void
hv_audit(enum audit_pass pass)
{
	const struct vm *vm;

	if (!hv)
		return;
	if (pass == AUDIT_COUNT) {
		hv->host_pages(NULL, audit_hold);
		stats_pages(audit_hold);
	}
	for (unsigned int i = 0; i < VM_MAX; i++) {
		if (!(vm = vm_at(i)))
			continue;
		if (pass == AUDIT_COUNT)
			audit_hold(vm->marked);
		for (unsigned int c = 0; c < vm->vcpu_count; c++)
			audit_vcpu(vm, vm->vcpus[c], pass);
		audit_vm(vm, pass);
	}
}
