#pragma once

// The unit costs, in nanoseconds, one function each. Nothing is cached: a call measures.
namespace calibration {

// The processor (cpu_units.cpp).
double load_l1();
double load_l2();
double load_l3();
double load_memory();
double branch_mispredict();   // what a wrong guess adds
double locked_instruction();  // uncontended, line in L1
double message_block();       // free list pop, 64 bytes written, read, free list push
double cycle_counter();
double clock_read();

// Registers and the unwinder (switch_units.cpp).
double register_switch();  // one raw jump_fcontext
double throw_and_catch();  // through one frame

// Threads and pages (kernel_units.cpp).
double line_transfer();  // a modified line from one core to another
double futex_wake();     // from the waker's store to the sleeper's next instruction
double page_first_touch();

// A bare bucket with a sequence number: what a table cannot beat (bare_table.cpp).
double bare_lookup(unsigned rows, unsigned threads);  // per operation over all threads
double bare_insert(unsigned rows);
double bare_update_counter(unsigned rows);

}  // namespace calibration
