import Testing

@testable import Hosting

struct TrimPolicyTests {
    @Test func aPeakThatIsFreedForTwoLooksIsReturned() {
        var policy = TrimPolicy()
        #expect(looks(of: &policy, mebibytes: [100, 90]) == [false, true])
    }

    @Test func memoryThatIsTakenAgainAtEachSecondLookStays() {
        var policy = TrimPolicy()
        #expect(looks(of: &policy, mebibytes: [100, 1, 100, 1, 100, 1]).allSatisfy { !$0 })
    }

    @Test func whatCannotBeReturnedIsNoReasonToTryAgain() {
        var policy = TrimPolicy()
        _ = looks(of: &policy, mebibytes: [100, 100])
        policy.trimmed(left: 20 << 20)
        #expect(looks(of: &policy, mebibytes: [27, 27, 27, 27]).allSatisfy { !$0 })
    }

    /// Free bytes alone would not show this second peak: they are as many as those returned before.
    @Test func asMuchTakenAndFreedAgainBetweenTwoLooksIsReturnedAgain() {
        var policy = TrimPolicy()
        _ = looks(of: &policy, mebibytes: [100, 100])
        policy.trimmed(left: 2 << 20)
        #expect(looks(of: &policy, mebibytes: [100, 100]) == [false, true])
    }

    @Test func aResidueThatIsUsedAndFreedAgainCounts() {
        var policy = TrimPolicy()
        _ = looks(of: &policy, mebibytes: [100, 100])
        policy.trimmed(left: 20 << 20)
        #expect(looks(of: &policy, mebibytes: [5, 15, 15]) == [false, false, true])
    }

    /// - Returns: what the policy says at each look.
    private func looks(of policy: inout TrimPolicy, mebibytes: [Int]) -> [Bool] {
        mebibytes.map { policy.isWorthTrimming(unused: $0 << 20) }
    }
}
