import Glibc

// The main thread waits for signals; all work is done on other threads. It must not become the main queue's thread, which unblocks
// all signals.
Signals.block()
Task.detached { exit(await Interject.run(Array(CommandLine.arguments.dropFirst()))) }
Signals.wait()
