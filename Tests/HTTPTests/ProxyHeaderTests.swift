import Bytes
import HTTP
import Testing

@Suite struct ProxyHeaderTests {
    struct Case: Decodable, Sendable, CustomTestStringConvertible {
        let name: String
        let input: String?
        let hex: String?
        let outcome: String
        let rest: Int?
        var testDescription: String { name }

        var octets: [UInt8] {
            if let input { return Array(input.utf8) }
            let digits = Array((hex ?? "").utf8)
            return stride(from: 0, to: digits.count, by: 2).map {
                UInt8(String(decoding: digits[$0..<($0 + 2)], as: UTF8.self), radix: 16) ?? 0
            }
        }
    }

    static let cases: [Case] = (try? vectors("http/proxy-headers.json", of: Case.self)) ?? []

    @Test func thereAreVectors() { #expect(Self.cases.count >= 60) }

    /// The outcome, and how many bytes were left to the next protocol.
    private func read(_ parts: [[UInt8]]) -> (outcome: String, rest: Int) {
        var parser = ProxyHeaderParser()
        var outcome: String?
        var rest = 0
        for part in parts {
            part.withUnsafeBytes { part in
                var input = part
                guard outcome == nil else {
                    rest += input.count
                    return
                }
                do throws(ProxyHeaderError) {
                    if let header = try parser.next(&input) {
                        outcome = header.route.map { Self.describe($0) } ?? "unknown"
                        rest = input.count
                    } else {
                        #expect(input.isEmpty)
                    }
                } catch {
                    outcome = "\(error)"
                }
            }
        }
        return (outcome ?? "more", rest)
    }

    private static func describe(_ route: ProxyHeader.Route) -> String {
        func place(_ address: IPAddress, _ port: UInt16) -> String {
            address.isIPv4 ? "\(address):\(port)" : "[\(address)]:\(port)"
        }
        return "\(place(route.source, route.sourcePort)) \(place(route.destination, route.destinationPort))"
    }

    @Test(arguments: cases)
    func readsAsExpectedHoweverItIsSplit(_ vector: Case) {
        let octets = vector.octets
        let isHeader = vector.rest != nil
        for parts in [octets.asOnePart, octets.octetByOctet] + octets.splitEverywhere {
            let (outcome, rest) = read(parts)
            #expect(outcome == vector.outcome)
            if isHeader { #expect(rest == vector.rest) }
        }
    }

    /// Whatever comes: no crash, the same verdict for every split, and never more than a header's bytes taken.
    @Test func mutatedHeadersAreReadAlikeInAllSplits() {
        let seed = UInt64.random(in: 0 ... .max)
        var generator = SeededGenerator(state: seed)
        for round in 0..<4000 {
            guard let vector = Self.cases.randomElement(using: &generator) else { return }
            let octets = vector.octets.mutated(&generator)
            let whole = read(octets.asOnePart).outcome
            let parts = read(octets.splitAtRandom(&generator)).outcome
            if whole != parts { #expect(whole == parts, "seed \(seed), round \(round), input \(octets)") }
        }
    }
}
