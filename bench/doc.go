// Bench measures how fast hookswitch delivers, beside two limits measured in the same run on the same machine.
//
// To whoever reads its tables it guarantees: a rate counts only deliveries whose events were acknowledged, which all
// arrived and were all recorded before the trial ended; a trial in which one is missing, or is signed wrongly, fails the
// run. Latency counts from when a request was due, not from when a slow target let it be sent. What is compared is
// measured in turns, and what is printed are medians over the rounds, the ratios being taken round by round.
//
// The roles are processes of this one program, started with a hidden first argument (see runRole): the generator, the
// sink, the relay. They take orders as JSON lines on their standard input and end when it does. The hookswitch that is
// measured is the real binary, one process or several, and so is the PostgreSQL beneath it: one that is started for the run
// and deleted with it, or one that was given, in which nothing is left but what was there.
//
// What may fail: a machine that is busy with other things makes every figure smaller; the spread says how much they move.
// CPU and memory are read from /proc and are zero where there is none.
package main
