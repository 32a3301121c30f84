import Foundation
package import Testing

/// Runs each test on a thread of its own, which it may block.
///
/// Tests that wait within a system call, or turn loops by hand, would otherwise hold the threads of Swift's cooperative pool, of
/// which there are as many as processors, and what the product itself runs there (the first sight of a token, a change of the keys)
/// would wait for them.
package struct BlockingThread: SuiteTrait, TestTrait, TestScoping {
    package var isRecursive: Bool { true }

    package init() {}

    package func scopeProvider(for test: Test, testCase: Test.Case?) -> Self? { testCase == nil ? nil : self }

    package func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
    ) async throws {
        try await withTaskExecutorPreference(ThreadPerJob.shared) { try await function() }
    }
}

private final class ThreadPerJob: TaskExecutor {
    static let shared = ThreadPerJob()

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        Thread.detachNewThread { job.runSynchronously(on: ThreadPerJob.shared.asUnownedTaskExecutor()) }
    }
}
