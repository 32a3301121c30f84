import Testing

@testable import Network

/// What is worked on beside the loops.
@Suite struct WorkerPoolTests {
    /// A pool without a thread is full once so many wait.
    private static func fill(_ pool: WorkerPool, _ loop: EventLoop) {
        for _ in 0..<WorkerPool.maxWaiting { pool.run(for: "ann", on: loop, { 0 }, then: { _ in }) }
    }

    @Test func ofAFullPoolNothingComesBack() async throws {
        let loops = try Loops()
        let loop = loops.group.loops[0]
        let pool = WorkerPool(threadCount: 0)
        let result = await withCheckedContinuation { done in
            loop.execute {
                Self.fill(pool, loop)
                pool.run(for: "ann", on: loop, { 7 }, then: { done.resume(returning: $0) })
            }
        }
        #expect(result == nil)
    }

    @Test func whatMustBeDoneIsDoneByTheLoopThen() async throws {
        let loops = try Loops()
        let loop = loops.group.loops[0]
        let pool = WorkerPool(threadCount: 0)
        let isOnLoop = await withCheckedContinuation { done in
            loop.execute {
                Self.fill(pool, loop)
                pool.runAnyway(for: "ann", on: loop, { EventLoop.current === loop }, then: { done.resume(returning: $0) })
            }
        }
        #expect(isOnLoop)
    }

    @Test func aPoolThatHasRoomWorksOnItsThreads() async throws {
        let loops = try Loops()
        let loop = loops.group.loops[0]
        let pool = WorkerPool(threadCount: 1)
        let isOnLoop = await withCheckedContinuation { done in
            loop.execute {
                pool.runAnyway(for: "ann", on: loop, { EventLoop.current === loop }, then: { done.resume(returning: $0) })
            }
        }
        #expect(!isOnLoop)
    }
}
