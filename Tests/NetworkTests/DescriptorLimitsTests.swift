import Bytes
import Glibc
import Testing

@testable import Network

@Suite struct DescriptorLimitsTests {
    @Test(arguments: [0, 1, 16, 40, 64, 1024, 1 << 20, Int.max])
    func thereIsRoomBehindTheLimits(_ total: Int) {
        let limits = DescriptorLimits(total: total)
        #expect(limits.clients >= 0 && limits.clients <= limits.outgoing && Int(limits.outgoing) <= total)
        if total >= 16 { #expect(limits.clients < limits.outgoing && Int(limits.outgoing) < total) }
    }

    @Test func aDescriptorWithAHighNumberIsOneTooMany() {
        let gate = AcceptGate()
        let ann = IPAddress(v4: 0xC000_0201)
        let first = DescriptorLimits.current.clients
        #expect(gate.admit(ann, descriptor: first - 1, now: .monotonicNow) == nil)
        #expect(gate.admit(ann, descriptor: first, now: .monotonicNow) == .total)
        #expect(gate.refusals == [.total: 1])
    }

    @Test func theSpareDescriptorIsFreeWhileItIsLent() {
        let spare = SpareDescriptor()
        #expect(spare.isThere)
        spare.lend { #expect(!spare.isThere) }
        #expect(spare.isThere)
    }
}
