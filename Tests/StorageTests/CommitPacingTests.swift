import Testing

@testable import Storage

/// How long a commit waits for company.
@Suite struct CommitPacingTests {
    private static let millisecond: UInt64 = 1_000_000
    private static let start: UInt64 = 1_000 * millisecond

    private func pacing(afterCommitOf milliseconds: UInt64, changes: Int = CommitPacing.busyChangeCount) -> CommitPacing {
        var pacing = CommitPacing()
        pacing.committed(changes: changes, began: Self.start, ended: Self.start + milliseconds * Self.millisecond)
        return pacing
    }

    @Test func afterAPauseACommitWaitsForNothing() {
        #expect(CommitPacing().nanoseconds(from: Self.start) == 0)
        #expect(pacing(afterCommitOf: 1).nanoseconds(from: Self.start + 20 * Self.millisecond) == 0)
    }

    @Test func commitsOfAFastDiskBeginThreeMillisecondsApart() {
        let pacing = pacing(afterCommitOf: 0)
        #expect(pacing.nanoseconds(from: Self.start) == 3 * Self.millisecond)
        #expect(pacing.nanoseconds(from: Self.start + Self.millisecond) == 2 * Self.millisecond)
    }

    @Test(arguments: [(1, 8), (5, 8), (1_000, 8)] as [(UInt64, UInt64)])
    func theSlowerTheDiskTheMoreShareACommitOfABusyServer(milliseconds: UInt64, interval: UInt64) {
        #expect(pacing(afterCommitOf: milliseconds).interval == interval * Self.millisecond)
    }

    @Test func aServerThatIsNotBusyDoesNotWaitForTheDiskTwice() {
        let pacing = pacing(afterCommitOf: 1, changes: CommitPacing.busyChangeCount - 1)
        #expect(pacing.interval == 3 * Self.millisecond)
    }

    @Test func aCommitThatTookLongIsFollowedAtOnce() {
        #expect(pacing(afterCommitOf: 10).nanoseconds(from: Self.start + 10 * Self.millisecond) == 0)
    }

    @Test func noClockMakesItWaitForLong() {
        var pacing = CommitPacing()
        pacing.committed(changes: 100, began: .max, ended: 0)
        #expect(pacing.nanoseconds(from: 0) <= CommitPacing.mostInterval)
        pacing.committed(changes: 100, began: 0, ended: .max)
        #expect(pacing.nanoseconds(from: 0) <= CommitPacing.mostInterval)
    }
}
