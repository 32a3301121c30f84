import Testing

@testable import Hosting

@Suite struct MemoryBudgetTests {
    @Test func theBudgetIsOfAllLoopsTogether() {
        let budget = MemoryBudget(limitBytes: 100, loopCount: 2)
        budget.tell(60, loop: 0)
        budget.tell(40, loop: 1)
        #expect(!budget.isExceeded)
        budget.tell(41, loop: 1)
        #expect(budget.isExceeded && budget.heldBytes == 101)
        budget.tell(0, loop: 0)
        #expect(!budget.isExceeded)
    }
}
