import Glibc
import Network
import Testing

extension Loopback.FaultTests {
    private struct Outcome: Equatable {
        var events: [String]
        var connections: Int
        var turns: Int?
        var complaints: [String]
    }

    private func log(_ seed: UInt64, count: Int = 24, maxByteCount: UInt64 = 700) -> [String] {
        var random = FaultRandom(seed: seed)
        return (1...count).map { number in
            let text = String(repeating: "ä\(number)·", count: Int(random.next() % (maxByteCount / 5)))
            return "\(number):\(text)"
        }
    }

    /// A session over WebSocket and server-sent events by turns, until the log is read; in one thread.
    private func run(_ log: [String], _ layers: @escaping LogReader.Layers) throws -> Outcome {
        let drive = try LoopDrive()
        let reader = LogReader(drive.loop, HTTPServer(handler: LogHandler(log)), layers)
        reader.connect()
        let turns = drive.turns { reader.isComplete || !reader.complaints.isEmpty }
        return Outcome(
            events: reader.events, connections: reader.connectionCount, turns: turns, complaints: reader.complaints)
    }

    private func expectWhole(_ outcome: Outcome, _ log: [String], _ what: String) {
        #expect(outcome.turns != nil, "it hangs: \(what)")
        #expect(outcome.complaints.isEmpty, "\(what)")
        #expect(outcome.events.joined() == log.joined(), "\(what)")
        #expect(outcome.events.count == log.count, "\(what)")
    }

    /// Rough sockets, and a reset somewhere in each of the first connections.
    private static func plans(_ seed: UInt64, _ number: Int) -> (client: FaultPlan, server: FaultPlan) {
        var random = FaultRandom(seed: seed &+ UInt64(number) &* 7919)
        func plan() -> FaultPlan {
            var plan = FaultPlan(seed: random.next())
            if number < 30, random.next() % 2 == 0 {
                if random.next() % 2 == 0 {
                    plan.resetAfterSent = Int(random.next() % 4000)
                } else {
                    plan.resetAfterReceived = Int(random.next() % 4000)
                }
            }
            return plan
        }
        return (plan(), plan())
    }

    @Test(arguments: 1...40) func aSessionOverFaultsIsTheLog(_ index: Int) throws {
        let seed = UInt64(index)
        let log = log(seed)
        let once = {
            try run(log) { number in
                let plans = Self.plans(seed, number)
                return (FaultLayer(plans.client), FaultLayer(plans.server))
            }
        }
        let outcome = try once()
        expectWhole(outcome, log, "seed \(seed)")
        // The seed is all that there is: the same turns, the same connections.
        #expect(try once() == outcome, "seed \(seed)")
    }

    @Test(arguments: 1...12)
    func aSessionInTLSOverFaultsIsTheLog(_ index: Int) throws {
        let seed = UInt64(1000 + index)
        let certificates = try TestCertificates()
        let server = try TLSServerContext(TLSSettings(certificates: [certificates.leaf("a", "DNS:test")]))
        let client = try TLSClientContext(authorities: certificates.authority)
        let log = log(seed)
        let outcome = try run(log) { number in
            let plans = Self.plans(seed, number)
            return (client.layer(host: "test", over: FaultLayer(plans.client)), server.layer(over: FaultLayer(plans.server)))
        }
        expectWhole(outcome, log, "seed \(seed)")
    }

    @Test func aResetAfterEachByteThatTheServerSendsLosesNothing() throws {
        let log = log(7, count: 6, maxByteCount: 60)
        // From nothing to more than all.
        for byteCount in 0...900 {
            let outcome = try run(log) { number in
                number >= 2 ? (nil, nil) : (nil, FaultLayer(FaultPlan(seed: 1, rates: .none, resetAfterSent: byteCount)))
            }
            expectWhole(outcome, log, "reset after \(byteCount) bytes sent")
            // The fault did happen: nothing of the answers can be whole yet.
            if byteCount < 100 { #expect(outcome.connections == 3) }
        }
    }

    @Test func aResetAfterEachByteThatTheServerReceivesLosesNothing() throws {
        let log = log(8, count: 6, maxByteCount: 60)
        for byteCount in 0...300 {
            let outcome = try run(log) { number in
                number >= 2 ? (nil, nil) : (nil, FaultLayer(FaultPlan(seed: 1, rates: .none, resetAfterReceived: byteCount)))
            }
            expectWhole(outcome, log, "reset after \(byteCount) bytes received")
        }
    }

    @Test func aResetAfterEachByteOfTLSLosesNothing() throws {
        let certificates = try TestCertificates()
        let server = try TLSServerContext(TLSSettings(certificates: [certificates.leaf("a", "DNS:test")]))
        let client = try TLSClientContext(authorities: certificates.authority)
        let log = log(9, count: 4, maxByteCount: 60)
        // Handshake, tickets, answer: about two thousand bytes. A prime step meets every kind of place.
        for byteCount in stride(from: 0, through: 2600, by: 13) {
            let outcome = try run(log) { number in
                let plan = FaultPlan(seed: 1, rates: .none, resetAfterSent: number >= 2 ? nil : byteCount)
                return (client.layer(host: "test"), server.layer(over: FaultLayer(plan)))
            }
            expectWhole(outcome, log, "reset after \(byteCount) bytes of TLS")
        }
    }

    @Test func aSlowPeerDoesNotHoldUpAnother() throws {
        let log = log(10, count: 200, maxByteCount: 5000)
        let drive = try LoopDrive()
        let server = HTTPServer(handler: LogHandler(log))
        let stuck = FaultPlan(seed: 3, rates: FaultPlan.Rates(short: 255, blocked: 250, stall: 255))
        let slow = LogReader(drive.loop, server) { _ in (nil, FaultLayer(stuck)) }
        let quick = LogReader(drive.loop, server) { _ in (nil, nil) }
        slow.connect()
        quick.connect()
        #expect(drive.turns(atMost: 1000) { quick.isComplete } != nil)
        #expect(quick.events == log)
        #expect(!slow.isComplete && slow.events.count < log.count / 2)
    }
}
