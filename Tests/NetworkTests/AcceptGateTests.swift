import Bytes
import Testing

@testable import Network

@Suite struct AcceptGateTests {
    private let start = Instant(nanoseconds: 1_000_000_000)
    private let ann = IPAddress(v4: 0xC000_0201)
    private let bob = IPAddress(v4: 0xC000_0202)
    private let loopback = IPAddress(v4: 0x7F00_0001)

    private func gate(_ change: (inout AcceptGate.Limits) -> Void) -> AcceptGate {
        var limits = AcceptGate.Limits()
        change(&limits)
        return AcceptGate(limits)
    }

    @Test func withoutLimitsEverybodyIsTaken() {
        let gate = AcceptGate()
        for _ in 0..<10_000 { #expect(gate.admit(ann, now: start) == nil) }
        #expect(gate.refusals.isEmpty)
    }

    @Test func theTotalHoldsForAllAndIsGivenBack() {
        let gate = gate { $0.total = 2 }
        #expect(gate.admit(ann, now: start) == nil)
        #expect(gate.admit(nil, now: start) == nil)
        #expect(gate.admit(loopback, now: start) == .total)
        gate.release(nil)
        #expect(gate.admit(bob, now: start) == nil)
        #expect(gate.refusals == [.total: 1])
    }

    @Test func oneAddressDoesNotTakeTheOthersPlaces() {
        let gate = gate { $0.perAddress = 2 }
        #expect(gate.admit(ann, now: start) == nil)
        #expect(gate.admit(ann, now: start) == nil)
        #expect(gate.admit(ann, now: start) == .perAddress)
        #expect(gate.admit(bob, now: start) == nil)
        gate.release(ann)
        #expect(gate.admit(ann, now: start) == nil)
        #expect(gate.refusals == [.perAddress: 1])
    }

    @Test func theRateLetsTwiceItsNumberComeAtOnceAndRefillsByTheClock() {
        let gate = gate { $0.ratePerAddress = 3 }
        for _ in 0..<6 { #expect(gate.admit(ann, now: start) == nil) }
        #expect(gate.admit(ann, now: start) == .rate)
        let later = start + .milliseconds(700)
        for _ in 0..<2 { #expect(gate.admit(ann, now: later) == nil) }
        #expect(gate.admit(ann, now: later) == .rate)
        // Those that are closed do not come back: it is a rate of beginnings.
        gate.release(ann)
        #expect(gate.admit(ann, now: later) == .rate)
    }

    @Test func thisMachineIsExemptUnlessAskedFor() {
        let exempting = gate { $0.perAddress = 1 }
        for _ in 0..<3 { #expect(exempting.admit(loopback, now: start) == nil) }
        let strict = gate {
            $0.perAddress = 1
            $0.includesLoopback = true
        }
        #expect(strict.admit(loopback, now: start) == nil)
        #expect(strict.admit(loopback, now: start) == .perAddress)
    }

    @Test func aNetworkOfIPv6IsOneGuest() {
        let gate = gate { $0.perAddress = 1 }
        #expect(gate.admit(address("2001:db8:0:1::1"), now: start) == nil)
        #expect(gate.admit(address("2001:db8:0:1::2"), now: start) == .perAddress)
        #expect(gate.admit(address("2001:db8:0:2::1"), now: start) == nil)
    }

    @Test func refusalsAreSummarisedAndNotToldOneByOne() {
        let gate = gate { $0.total = 1 }
        _ = gate.admit(ann, now: start)
        for _ in 0..<5 { _ = gate.admit(ann, now: start) }
        #expect(gate.summary(now: start) == [.total: 5])
        _ = gate.admit(ann, now: start)
        #expect(gate.summary(now: start + .seconds(9)) == nil)
        #expect(gate.summary(now: start + .seconds(10)) == [.total: 1])
    }

    private func address(_ text: String) -> IPAddress? { IPAddress(text) }
}
