import Logging
import Network
package import Testing

/// Runs each test on a thread of its own, which it may block.
///
/// Tests that wait within a system call would otherwise hold the threads of Swift's cooperative pool, of which there are as many as
/// processors, and what the product itself runs there (the first sight of a token, a change of the keys) would wait for them.
package struct BlockingThread: SuiteTrait, TestTrait, TestScoping {
    package var isRecursive: Bool { true }

    package init() {}

    package func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
    ) async throws {
        // The suites around a test have nothing to run themselves.
        guard testCase != nil else { return try await function() }
        let group = try EventLoopGroup(count: 1, logger: Logger(label: "test"))
        defer { group.shutDown() }
        try await withTaskExecutorPreference(group.loops[0]) { try await function() }
    }
}
