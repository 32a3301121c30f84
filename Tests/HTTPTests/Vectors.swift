import FoundationEssentials

/// Reads `Protocols/vectors/<name>`, found upwards from this file.
func vectors<Case: Decodable>(_ name: String, of type: Case.Type) throws -> [Case] {
    var folder = #filePath[...]
    while let slash = folder.lastIndex(of: "/") {
        folder = folder[..<slash]
        if let text = FileManager.default.contents(atPath: "\(folder)/Protocols/vectors/\(name)") {
            return try JSONDecoder().decode(VectorFile<Case>.self, from: text).cases
        }
    }
    throw VectorsMissing(name: name)
}

struct VectorFile<Case: Decodable>: Decodable {
    let cases: [Case]
}

struct VectorsMissing: Error {
    let name: String
}

/// SplitMix64: a failing run is repeated with the seed it prints.
struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

extension [UInt8] {
    var asOnePart: [[UInt8]] { [self] }
    var octetByOctet: [[UInt8]] { map { [$0] } }

    /// In two parts, at every place.
    var splitEverywhere: [[[UInt8]]] {
        count < 2 ? [] : (1..<count).map { [Array(self[..<$0]), Array(self[$0...])] }
    }

    func splitAtRandom(_ generator: inout SeededGenerator) -> [[UInt8]] {
        var parts: [[UInt8]] = []
        var rest = self[...]
        while !rest.isEmpty {
            let length = Int.random(in: 1...Swift.min(rest.count, 40), using: &generator)
            parts.append(Array(rest.prefix(length)))
            rest = rest.dropFirst(length)
        }
        return parts
    }

    /// With some octets changed, dropped, doubled or inserted.
    func mutated(_ generator: inout SeededGenerator) -> [UInt8] {
        let interesting: [UInt8] = [0, 9, 10, 13, 32, 43, 44, 45, 48, 58, 59, 127, 128, 0xBB, 0xBF, 0xEF, 255]
        var octets = self
        for _ in 0..<Int.random(in: 1...4, using: &generator) {
            let position = Int.random(in: 0...octets.count, using: &generator)
            let octet = interesting.randomElement(using: &generator) ?? 0
            switch Int.random(in: 0..<5, using: &generator) {
            case 0 where position < octets.count: octets[position] = octet
            case 1 where position < octets.count: octets[position] = UInt8.random(in: 0...255, using: &generator)
            case 2 where position < octets.count: octets.remove(at: position)
            case 3 where position < octets.count:
                let end = Swift.min(octets.count, position + Int.random(in: 1...20, using: &generator))
                octets.insert(contentsOf: octets[position..<end], at: position)
            default: octets.insert(octet, at: position)
            }
        }
        return octets
    }
}

/// Appends the text to the last entry if that has the same label, else as a new one.
func appendJoined(_ label: String, _ octets: [UInt8], _ outcome: inout [String], _ body: inout [UInt8]) {
    body += octets
    let entry = label + String(decoding: body, as: UTF8.self)
    if body.count > octets.count, !outcome.isEmpty { outcome[outcome.count - 1] = entry } else { outcome.append(entry) }
}
