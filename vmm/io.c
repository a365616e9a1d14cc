#include "vmm/vmm.h"

#include "inc/error.h"
#include "inc/x86.h"
#include "lib/string.h"
#include "vmm/gmem.h"
#include "vmm/regs.h"
#include "vmm/slots.h"

/*
 * IN, OUT and their string forms.  Every port belongs to the monitor.  A string
 * instruction is handed over in chunks of at most VM_IO_BYTES within one guest page.
 * RSI or RDI and RCX advance with each chunk, and RIP only with the last one, so that
 * the instruction can be interrupted and resumed as on the processor.
 */

/* Returns the low `bytes` bytes of a register. */
static uint64_t
low(uint64_t value, unsigned int bytes)
{
	return bytes == 8 ? value : value & (BIT(8 * bytes) - 1);
}

/* Returns a register after an instruction with an operand of `bytes` bytes has written it. */
static uint64_t
merge(uint64_t old, uint64_t value, unsigned int bytes)
{
	if (bytes >= 4) /* 32-bit results clear the upper half */
		return low(value, bytes);
	return (old & ~(BIT(8 * bytes) - 1)) | low(value, bytes);
}

static inline enum hv_action
io_to_monitor(struct vcpu *v, const struct hv_exit *x, uint32_t count)
{
	struct vm_run *run = v->run;

	run->exit = VM_EXIT_IO;
	run->io.port = x->io.port;
	run->io.size = x->io.size;
	run->io.in = x->io.in;
	run->io.count = count;
	return HV_USER | HV_SKIP;
}

/* Notes that the monitor's answer must go to the guest: see io_complete(). */
static inline void
expect_in(struct vcpu *v, const struct hv_exit *x, uint32_t count)
{
	v->pending.answer = PENDING_IN;
	v->pending.in.string = x->io.string;
	v->pending.in.size = x->io.size;
	v->pending.in.count = count;
}

/* A chunk of a string instruction. */
struct string_op {
	uint64_t offset; /* of the first item in its segment */
	uint64_t gva;    /* of the first item */
	uint64_t left;   /* items that are left, this chunk included */
	uint32_t count;  /* items of this chunk */
	bool down;       /* RFLAGS.DF: the addresses fall */
	bool steps;      /* RFLAGS.TF: there is a trap after each item */
};

/* Does the segment hold all items of the chunk?  Checked outside 64-bit mode. */
static bool
chunk_fits(const struct vm_segment *seg, const struct string_op *op, unsigned int size)
{
	uint64_t bytes = (uint64_t)op->count * size;

	return segment_holds(seg, op->down ? op->offset + size - bytes : op->offset, bytes);
}

/*
 * Returns the number of items of a chunk, at least one.  The chunk fits in VM_IO_BYTES and in the
 * page of its first item, and ends before the offset wraps.
 */
static uint32_t
chunk_items(const struct string_op *op, unsigned int size, unsigned int addr_size)
{
	uint64_t in_page = op->gva & (PAGE_SIZE - 1);
	uint64_t fit = op->down ? in_page / size + 1 : (PAGE_SIZE - in_page) / size;
	uint64_t to_wrap = op->down ? op->offset / size : low(~op->offset, addr_size) / size;

	if (fit > to_wrap + 1)
		fit = to_wrap + 1;
	if (op->steps || (op->down && in_page + size > PAGE_SIZE))
		fit = 1;
	if (fit > VM_IO_BYTES / size)
		fit = VM_IO_BYTES / size;
	if (fit > op->left)
		fit = op->left;
	return fit ? (uint32_t)fit : 1;
}

/* Fills in *op.  Returns false if the segment forbids the first item. */
static bool
string_start(struct vcpu *v, const struct hv_exit *x, struct string_op *op)
{
	enum vm_reg index = x->io.in ? REG_RDI : REG_RSI;
	enum vm_seg seg_reg = x->io.in ? SEG_ES : (enum vm_seg)x->io.seg;
	uint64_t rflags = hv->get_reg(v, HV_RFLAGS);
	struct vm_segment seg;

	op->left = x->io.rep ? low(v->guest.gpr[REG_RCX], x->io.addr_size) : 1;
	op->offset = low(v->guest.gpr[index], x->io.addr_size);
	op->down = rflags & RFLAGS_DF;
	op->steps = rflags & RFLAGS_TF;
	hv->get_segment(v, seg_reg, &seg);
	if (vcpu_in_64bit(v)) {
		op->gva = op->offset + (seg_reg == SEG_FS || seg_reg == SEG_GS ? seg.base : 0);
		op->count = chunk_items(op, x->io.size, x->io.addr_size);
		return true;
	}
	if (!segment_permits(v, &seg, x->io.in))
		return false;
	op->gva = (uint32_t)(op->offset + seg.base);
	op->count = chunk_items(op, x->io.size, x->io.addr_size);
	if (chunk_fits(&seg, op, x->io.size))
		return true;
	/* The chunk may reach beyond the limit although its first item does not. */
	op->count = 1;
	return chunk_fits(&seg, op, x->io.size);
}

static uint64_t
item_gva(uint64_t first, bool down, unsigned int size, uint32_t i)
{
	return down ? first - (uint64_t)i * size : first + (uint64_t)i * size;
}

/* Copies a chunk's items from guest memory to v->data, in the order of transfer. */
static int
string_gather(struct vcpu *v, const struct hv_exit *x, const struct string_op *op,
              struct gmem_fault *f)
{
	unsigned int size = x->io.size;

	if (!op->down)
		return gmem_read(v, op->gva, v->data, (uint64_t)op->count * size, f);
	for (uint32_t i = 0; i < op->count; i++)
		if (gmem_read(v, item_gva(op->gva, true, size, i), v->data + i * size, size, f) < 0)
			return -E_FAULT;
	return 0;
}

/*
 * Finds the gpa that the chunk is to be written to, before any input is taken from a device.  The
 * chunk goes there whatever other vCPUs do to the page tables meanwhile, as if the TLB had the
 * translation.
 */
static int
string_probe(struct vcpu *v, const struct hv_exit *x, const struct string_op *op,
             struct gmem_fault *f)
{
	uint64_t first = op->gva;
	uint64_t last = item_gva(op->gva, op->down, x->io.size, op->count - 1);
	uint64_t start = first < last ? first : last;
	uint64_t end = (first < last ? last : first) + x->io.size - 1;
	const uint64_t gvas[2] = {start, end};

	for (unsigned int i = 0; i < 2; i++) {
		uint64_t gpa;

		if (gmem_translate(v, gvas[i], VM_ACCESS_WRITE, &gpa, f) < 0)
			return -E_FAULT;
		if (!vm_slot_find(v->vm, gpa)) {
			*f = (struct gmem_fault){.kind = GMEM_NO_RAM, .gva = gvas[i], .gpa = gpa};
			return -E_FAULT;
		}
		*(i ? &v->pending.in.last_gpa : &v->pending.in.gpa) = gpa;
	}
	return 0;
}

static void
string_advance(struct vcpu *v, const struct hv_exit *x, const struct string_op *op)
{
	enum vm_reg index = x->io.in ? REG_RDI : REG_RSI;
	uint64_t next = item_gva(op->offset, op->down, x->io.size, op->count);

	v->guest.gpr[index] = merge(v->guest.gpr[index], next, x->io.addr_size);
	if (x->io.rep)
		v->guest.gpr[REG_RCX] =
		        merge(v->guest.gpr[REG_RCX], op->left - op->count, x->io.addr_size);
}

/* INS and OUTS. */
static SLOW_PATH enum hv_action
io_string(struct vcpu *v, struct hv_exit *x)
{
	struct gmem_fault f;
	struct string_op op;
	int err;

	if (x->io.rep && low(v->guest.gpr[REG_RCX], x->io.addr_size) == 0)
		return HV_SKIP;
	if (!string_start(v, x, &op)) {
		inject_exception_error(v, !x->io.in && x->io.seg == SEG_SS ? X86_SS : X86_GP, 0);
		return HV_RESUME;
	}
	err = x->io.in ? string_probe(v, x, &op, &f) : string_gather(v, x, &op, &f);
	if (err < 0)
		return inject_fault(v, &f, x->io.in ? VM_ACCESS_WRITE : VM_ACCESS_READ);
	string_advance(v, x, &op);
	if (x->io.in)
		expect_in(v, x, op.count);
	v->pending.in.down = op.down;
	/* RIP moves only after the last chunk.  After each chunk, hv->skip() ends blocking and
	 * makes the trap of RFLAGS.TF. */
	if (op.left != op.count)
		x->len = 0;
	return io_to_monitor(v, x, op.count);
}

enum hv_action
exit_io(struct vcpu *v, struct hv_exit *x)
{
	acct_key(&v->acct, HV_EXIT_IO_INSTRUCTION, x->io.port);
	if (x->io.string)
		return io_string(v, x);
	if (x->io.in)
		expect_in(v, x, 1);
	else
		memcpy(v->data, &v->guest.gpr[REG_RAX], 4);
	return io_to_monitor(v, x, 1);
}

/* Writes the input of INS to guest memory.  string_probe() found RAM there, and RAM stays.  If
 * there are several items, they lie in one page. */
static SLOW_PATH void
complete_string(struct vcpu *v)
{
	uint64_t size = v->pending.in.size, bytes = v->pending.in.count * size;

	if (!v->pending.in.down || v->pending.in.count == 1) {
		gphys_write_across(v->vm, v->pending.in.gpa, v->pending.in.last_gpa, v->data,
		                   bytes);
		return;
	}
	for (uint32_t i = 0; i < v->pending.in.count; i++)
		gphys_write(v->vm, v->pending.in.gpa + bytes - (i + 1) * size, v->data + i * size,
		            size);
}

/* Gives the guest the input that the monitor has put in v->data. */
static SLOW_PATH enum hv_action
complete_in(struct vcpu *v)
{
	uint64_t value = 0;

	if (v->pending.in.string) {
		complete_string(v);
		return HV_RESUME;
	}
	memcpy(&value, v->data, v->pending.in.size);
	v->guest.gpr[REG_RAX] = merge(v->guest.gpr[REG_RAX], value, v->pending.in.size);
	return HV_RESUME;
}

enum hv_action
io_complete(struct vcpu *v)
{
	bool mmio = v->pending.answer == PENDING_MMIO;

	v->pending.answer = PENDING_NONE;
	return mmio ? mmio_complete(v) : complete_in(v);
}
