#include "user/usertests/tests.h"

#include "inc/memlayout.h"

/* Who owns the console, and what a parent hears of its children. */

/* main() gives the console to the process of each test, perhaps after it has begun. */
static void
await_console(void)
{
	while (sys_console_give(sys_env_id()) < 0)
		sys_env_sleep(1000);
}

static void
block(void)
{
	struct ipc_msg msg;

	sys_ipc_recv(&msg, NULL);
}

/* A child that does not have the console and cannot take it. */
static void
have_no_console(void)
{
	char c;

	CHECK_RESULT(sys_console_give(sys_env_id()), -E_CONSOLE);
	CHECK_RESULT(sys_console_read(&c, 1, CONSOLE_POLL), 0);
}

static uint32_t
parent_of(uint32_t id)
{
	struct env_info info;

	for (unsigned int i = 0; sys_env_info(i, &info) == 0; i++)
		if (info.id == id)
			return info.parent;
	return 0;
}

/* A child that waits for ever, without the console. */
static long
blocked_child(void)
{
	long child = must_fork();

	if (child == 0) {
		block();
		exit(0);
	}
	return child;
}

static void
kill_child(long child)
{
	CHECK_RESULT(sys_env_kill(child), 0);
	CHECK_RESULT(sys_env_wait(child), ENV_WAIT_KILLED);
}

static void
check_arguments(void)
{
	char c;

	CHECK_RESULT(sys_console_read(&c, 1, CONSOLE_WAIT_CHILD + 1), -E_INVAL);
	CHECK_RESULT(sys_console_give(0), -E_BAD_ENV);
	CHECK_RESULT(sys_console_give(UINT32_MAX), -E_BAD_ENV);
	CHECK_RESULT(sys_console_give(parent_of(parent_of(sys_env_id()))), -E_BAD_ENV);
	CHECK_RESULT(run_child(have_no_console), 0);
}

/* Given, taken back, given again; then its owner is killed. */
static void
check_taken_back(void)
{
	long child = blocked_child();

	CHECK_RESULT(sys_env_attend(child), ENV_WAIT_CONSOLE); /* ours: that child keeps us not */
	CHECK_RESULT(sys_console_give(child), 0);
	CHECK_RESULT(sys_console_give(sys_env_id()), 0);
	CHECK_RESULT(sys_env_attend(child), ENV_WAIT_CONSOLE);
	CHECK_RESULT(sys_console_give(child), 0);
	CHECK_RESULT(sys_env_kill(child), 0);
	CHECK_RESULT(sys_env_attend(child), ENV_WAIT_KILLED);
	CHECK_RESULT(sys_console_give(child), -E_BAD_ENV);
	child = blocked_child();
	CHECK_RESULT(sys_env_attend(child), ENV_WAIT_CONSOLE);
	kill_child(child);
}

/* The owner gives it back and goes on, or ends with it, while we wait. */
static void
check_given_back(void)
{
	uint32_t self = sys_env_id();
	long child = must_fork();

	if (child == 0) {
		while (sys_console_give(self) < 0)
			sys_env_sleep(1000);
		block();
	}
	CHECK_RESULT(sys_console_give(child), 0);
	CHECK_RESULT(sys_env_attend(child), ENV_WAIT_CONSOLE);
	kill_child(child);
	child = must_fork();
	if (child == 0) {
		await_console();
		exit(7);
	}
	CHECK_RESULT(sys_console_give(child), 0);
	CHECK_RESULT(sys_env_attend(child), 7);
}

void
test_console_owner(void)
{
	await_console();
	check_arguments();
	check_taken_back();
	check_given_back();
}

/* The owner goes on when its parent is killed, but the console comes to us. */
void
test_console_orphan(void)
{
	struct ipc_msg msg;
	uint32_t self = sys_env_id();
	uint32_t grandchild;
	long child, other;

	await_console();
	child = must_fork();
	if (child == 0) {
		grandchild = must_fork();
		if (grandchild == 0) {
			CHECK_RESULT(sys_ipc_recv(&msg, NULL), 0);
			have_no_console();
			CHECK_RESULT(sys_ipc_send(self, 1, NULL), 0);
			exit(0);
		}
		await_console();
		CHECK_RESULT(sys_console_give(grandchild), 0);
		CHECK_RESULT(sys_ipc_send(self, grandchild, NULL), 0);
		block();
	}
	CHECK_RESULT(sys_console_give(child), 0);
	CHECK_RESULT(sys_ipc_recv(&msg, NULL), 0);
	grandchild = msg.value;
	CHECK_RESULT(sys_env_kill(child), 0);
	CHECK_RESULT(sys_env_wait(child), ENV_WAIT_KILLED);
	other = blocked_child();
	CHECK_RESULT(sys_env_attend(other), ENV_WAIT_CONSOLE);
	CHECK_RESULT(sys_ipc_send(grandchild, 0, NULL), 0);
	CHECK_RESULT(sys_ipc_recv(&msg, NULL), 0);
	CHECK_RESULT(msg.value, 1);
	kill_child(other);
}

void
test_env_ended(void)
{
	struct env_end end;
	long child;
	char c;

	CHECK_RESULT(sys_env_ended(&end), -E_NOT_FOUND);
	child = must_fork();
	if (child == 0)
		exit(9);
	CHECK_RESULT(sys_console_read(&c, 1, CONSOLE_WAIT_CHILD), -E_AGAIN);
	CHECK_RESULT(sys_env_ended((struct env_end *)KERNBASE), -E_FAULT);
	CHECK_RESULT(sys_env_ended(&end), 0);
	CHECK(end.id == child && end.status == 9);
	CHECK_RESULT(sys_env_ended(&end), -E_NOT_FOUND);
	CHECK_RESULT(sys_env_wait(child), -E_BAD_ENV);
}
