#include "user/vm/machine.h"

/*
 * What a PC scatters over its ports to control itself: resets by the keyboard
 * controller (8042), by system control port A and by the chipset's reset
 * register; and our own port that ends the VM with a status, where QEMU has its
 * debug exit.  There is no keyboard, and address line 20 is always on.
 */

enum {
	KBD_STATUS = 0x14, /* self-test passed, keyboard enabled, both buffers empty */
	KBD_WRITE_OUTPUT = 0xd1,
	KBD_PULSE = 0xf0,    /* pulses the output lines whose bits are 0 */
	KBD_NO_RESET = 0x01, /* output line 0 */
	PORT_A_RESET = 0x01,
	PORT_A_A20 = 0x02,
	RESET_CPU = 0x04,
};

static void
kbd_data(struct machine *m, uint8_t value)
{
	if (m->control.kbd_command == KBD_WRITE_OUTPUT && !(value & KBD_NO_RESET))
		machine_restart(m);
	m->control.kbd_command = 0;
}

static void
kbd_command(struct machine *m, uint8_t value)
{
	if ((value & KBD_PULSE) == KBD_PULSE && !(value & KBD_NO_RESET))
		machine_restart(m);
	m->control.kbd_command = value;
}

static void
port_a(struct machine *m, uint8_t value)
{
	if (value & PORT_A_RESET)
		machine_restart(m);
}

static void
chipset_reset(struct machine *m, uint8_t value)
{
	if (value & RESET_CPU)
		machine_restart(m);
}

static void
end(struct machine *m, uint8_t value)
{
	machine_off(m, value);
}

static const struct control_port ports[CONTROL_PORTS] = {
        {0x60, "keyboard data", 0, kbd_data},
        {0x64, "keyboard command", KBD_STATUS, kbd_command},
        {0x92, "system control port A", PORT_A_A20, port_a},
        {0xf4, "end of the VM", 0xff, end},
        {0xcf9, "reset control", 0, chipset_reset},
};

static uint64_t
control_read(void *state, uint64_t addr, unsigned int size)
{
	const struct control_line *line = state;

	(void)addr;
	(void)size;
	return line->port->value;
}

static void
control_write(void *state, uint64_t addr, unsigned int size, uint64_t value)
{
	const struct control_line *line = state;

	(void)addr;
	(void)size;
	line->port->write(line->machine, value);
}

int
control_attach(struct machine *m)
{
	for (unsigned int i = 0; i < CONTROL_PORTS; i++) {
		struct control_line *line = &m->control.lines[i];
		struct vdev dev = {
		        .name = ports[i].name,
		        .base = ports[i].number,
		        .len = 1,
		        .read = control_read,
		        .write = control_write,
		        .state = line,
		};

		*line = (struct control_line){.machine = m, .port = &ports[i]};
		if (vdev_bus_add(&m->ports, &dev) < 0)
			return -1;
	}
	return 0;
}

void
control_reset(struct machine *m)
{
	m->control.kbd_command = 0;
}
