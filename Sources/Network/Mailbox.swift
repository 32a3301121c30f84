import Synchronization

/// Work and jobs that other threads post to a loop, in order. A short lock, no waiting.
final class Mailbox: Sendable {
    enum Letter: Sendable {
        case work(@Sendable () -> Void)
        case job(UnownedJob)
    }

    private let letters = Mutex<[Letter]>([])

    /// - Returns: whether the box was empty, so that the loop must be woken: once for a batch rather than for every letter.
    func post(_ letter: Letter) -> Bool {
        letters.withLock { letters in
            letters.append(letter)
            return letters.count == 1
        }
    }

    var hasWork: Bool { letters.withLock { !$0.isEmpty } }

    /// Runs the letters, and those that they post, for a limited number of rounds, so that sockets are not starved.
    func drain(_ loop: EventLoop) {
        for _ in 0..<8 {
            let batch = letters.withLock { letters in
                let batch = letters
                letters = []
                return batch
            }
            if batch.isEmpty { return }
            for letter in batch {
                switch letter {
                case .work(let work): work()
                case .job(let job):
                    job.runSynchronously(isolatedTo: loop.asUnownedSerialExecutor(), taskExecutor: loop.asUnownedTaskExecutor())
                }
            }
        }
    }
}
