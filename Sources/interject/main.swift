import Glibc

// The main thread waits for signals; all work is done on others. It must not become the main queue's thread: that one unblocks
// every signal.
Signals.block()
Task.detached { exit(await Interject.run(Array(CommandLine.arguments.dropFirst()))) }
Signals.wait()
