#include "kern/audit/audit.h"

#include "inc/x86.h"
#include "kern/cpu.h"
#include "kern/mem/pmap.h"
#include "kern/step.h"
#include "lib/string.h"

/* The audit's own memory, its report, and what becomes of the frames when all is walked. */

static struct audit_frame *const frames = (struct audit_frame *)KAUDIT_BASE;
static uint64_t frame_count;
static struct audit_report report;
static uint64_t promises; /* of all entries, as if each held its own */

void
audit_init(void)
{
	uint64_t size = ROUND_UP(page_ram_end(), LARGE_PAGE_SIZE) / PAGE_SIZE * sizeof(*frames);

	for (uint64_t off = 0; off < size; off += PAGE_SIZE)
		pmap_map_kernel(KAUDIT_BASE + off, PTE_W | PTE_NX);
	frame_count = size / sizeof(*frames);
}

void
audit_begin(void)
{
	for (uint64_t i = 0; i < frame_count; i += FRAME_PAGES) {
		memset(&frames[i], 0, FRAME_PAGES * sizeof(*frames));
		step(STEP_LARGE);
	}
	memset(&report, 0, sizeof(report));
	promises = 0;
}

struct audit_frame *
audit_frame(uint64_t pa)
{
	step(STEP_SMALL);
	return pa_page(pa) ? &frames[pa / PAGE_SIZE] : NULL;
}

static struct audit_frame *
head_of(struct audit_frame *f)
{
	return &frames[(f - frames) & ~(ptrdiff_t)(FRAME_PAGES - 1)];
}

/* The head's struct page, or NULL: the page is not part of a frame that is whole. */
static const struct page *
whole_around(const struct page *p)
{
	const struct page *head = pa_page(ROUND_DOWN(page_pa(p), LARGE_PAGE_SIZE));

	return head && head->compound ? head : NULL;
}

static bool
in_free_list(const struct page *p)
{
	const struct page *whole = whole_around(p);

	return p->free || (whole && whole->free);
}

bool
audit_in_use(const struct page *p)
{
	const struct page *whole = whole_around(p);

	return p->refs || (whole && whole->large);
}

enum audit_owner
audit_owner(uint64_t pa)
{
	static const struct {
		uint16_t flag;
		enum audit_owner owner;
	} table[] = {
	        {AUDITED_TABLE, AUDIT_OWNER_TABLE},  {AUDITED_KERNEL, AUDIT_OWNER_KERNEL},
	        {AUDITED_VMS, AUDIT_OWNER_SHARED},   {AUDITED_FILE, AUDIT_OWNER_FILE},
	        {AUDITED_USER, AUDIT_OWNER_PROCESS},
	};
	struct audit_frame *f = audit_frame(pa);
	uint16_t flags;

	if (!f)
		return AUDIT_OWNER_NO_RAM;
	flags = f->flags | (whole_around(pa_page(pa)) ? head_of(f)->flags & AUDITED_USER : 0);
	if (f->vm && !(flags & (AUDITED_TABLE | AUDITED_KERNEL | AUDITED_VMS)))
		return AUDIT_OWNER_VM;
	for (unsigned int i = 0; i < ARRAY_SIZE(table); i++)
		if (flags & table[i].flag)
			return table[i].owner;
	return audit_in_use(pa_page(pa)) ? AUDIT_OWNER_NOBODY : AUDIT_OWNER_FREE;
}

void
audit_hold(const void *page)
{
	struct audit_frame *f = page ? audit_frame(kva_pa(page)) : NULL;

	if (!f)
		return;
	f->refs++;
	f->flags |= AUDITED_PLAIN;
	f->flags |= pa_page(kva_pa(page))->kernel ? AUDITED_KERNEL : AUDITED_USER;
}

void
audit_promise(uint64_t pages)
{
	promises += pages;
}

/* The next finding to fill, or NULL: there are enough. */
static struct audit_finding *
next_finding(enum audit_rule rule, const struct audit_site *site)
{
	struct audit_finding *f;

	if (report.violations++ >= AUDIT_FINDINGS_MAX)
		return NULL;
	f = &report.finding[report.violations - 1];
	*f = (struct audit_finding){
	        .rule = rule, .frame = AUDIT_NO_FRAME, .table = AUDIT_TABLE_KINDS};
	if (site) {
		f->table = site->table;
		f->id = site->id;
		f->address = site->address;
	}
	return f;
}

void
audit_violation(enum audit_rule rule, const struct audit_site *site, uint64_t frame)
{
	struct audit_finding *f = next_finding(rule, site);

	if (f) {
		f->frame = frame;
		f->owner = audit_owner(frame);
	}
}

static void
frame_equal(enum audit_rule rule, uint64_t frame, uint64_t expected, uint64_t found)
{
	struct audit_finding *f = expected == found ? NULL : next_finding(rule, NULL);

	if (f) {
		f->frame = frame;
		f->owner = audit_owner(frame);
		f->expected = expected;
		f->found = found;
	}
}

void
audit_equal(enum audit_rule rule, const struct audit_site *site, uint64_t expected, uint64_t found)
{
	struct audit_finding *f = expected == found ? NULL : next_finding(rule, site);

	if (f) {
		f->expected = expected;
		f->found = found;
	}
}

void
audit_walked(const struct audit_walk *w)
{
	report.walked[w->site.table].roots++;
	report.walked[w->site.table].pages += w->tables;
	report.walked[w->site.table].leaves += w->leaves;
}

/* References as the walks have found them are expected; struct page says what is found. */
static void
check_references(const struct page *p, const struct audit_frame *f)
{
	uint64_t pa = page_pa(p);

	if (p->refs && !f->refs)
		frame_equal(AUDIT_LEAK, pa, 0, p->refs);
	else
		frame_equal(AUDIT_REFS, pa, f->refs, p->refs);
	if (p->large && !f->large)
		frame_equal(AUDIT_LEAK, pa, 0, p->large);
	else
		frame_equal(AUDIT_LARGE, pa, f->large, p->large);
	if (audit_in_use(p) == in_free_list(p))
		audit_violation(AUDIT_LOST, NULL, pa);
}

/* n copy-on-write references need n - 1 promises: the last needs none (kern/mem/aspace.c). */
static uint64_t
promises_too_many(const struct page *p, struct audit_frame *f)
{
	uint16_t flags = f->flags;

	if (whole_around(p))
		flags |= head_of(f)->flags & (AUDITED_LARGE_COW | AUDITED_LARGE_PLAIN);
	if (flags & (AUDITED_PLAIN | AUDITED_LARGE_PLAIN))
		return 0;
	return flags & (AUDITED_COW | AUDITED_LARGE_COW) ? 1 : 0;
}

/* Most frames are free, and no walk has come by: a page of its own, or of a frame that is whole. */
static bool
is_plainly_free(const struct page *p, const struct audit_frame *f, bool whole_free)
{
	return (p->free || whole_free) && !p->refs && !p->large && !f->refs && !f->large &&
	       !f->vm && !f->flags;
}

/* One 2 MiB frame, or what of it is RAM; how many of its pages are free. */
static uint64_t
check_frame(struct audit_frame *head)
{
	uint64_t pa = (uint64_t)(head - frames) * PAGE_SIZE;
	const struct page *first = pa_page(pa);
	bool whole_free = first && first->compound && first->free;
	uint64_t used = 0, free = 0, plain = 0;

	for (unsigned int i = 0; i < FRAME_PAGES; i++) {
		const struct page *p = pa_page(pa + i * PAGE_SIZE);

		if (p && is_plainly_free(p, &head[i], whole_free)) {
			plain++;
			continue;
		}
		used += !p || p->refs;
		if (!p)
			continue;
		check_references(p, &head[i]);
		promises -= promises_too_many(p, &head[i]);
		report.frames[audit_owner(page_pa(p))]++;
		free += in_free_list(p);
	}
	if (first)
		frame_equal(AUDIT_USED, pa, used, first->used);
	report.frames[AUDIT_OWNER_FREE] += plain;
	return free + plain;
}

const struct audit_report *
audit_end(void)
{
	struct page_counts counts;
	uint64_t free = 0;

	for (uint64_t i = 0; i < frame_count; i += FRAME_PAGES) {
		free += check_frame(&frames[i]);
		step(STEP_LARGE);
	}
	page_counts(&counts);
	audit_equal(AUDIT_FREE, NULL, counts.free, free);
	audit_equal(AUDIT_PROMISES, NULL, promises, counts.reserved);
	report.promised = promises;
	return &report;
}
