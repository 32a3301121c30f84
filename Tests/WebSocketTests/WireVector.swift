import Foundation
import Testing

/// One entry of Protocols/vectors/websocket/*.json.
struct WireVector: Decodable, Sendable, CustomTestStringConvertible {
    var name: String
    var role: String?
    var maxMessageBytes: Int?
    var input: String
    var events: [String]
    var replies: [String]
    var failsAfterBytes: Int?
    /// Of permessage-deflate.
    var parameters: String?

    var testDescription: String { name }
    var bytes: [UInt8] { Self.bytes(input) }

    static let files = ["framing-and-pings", "reserved", "fragmentation", "utf8", "closing", "probes"]

    static func load(_ file: String, in folder: String = "websocket") throws -> [WireVector] {
        struct File: Decodable { var vectors: [WireVector] }
        let url = try directory(folder).appendingPathComponent("\(file).json")
        return try JSONDecoder().decode(File.self, from: Data(contentsOf: url)).vectors
    }

    static func directory(_ folder: String) throws -> URL {
        var url = URL(fileURLWithPath: #filePath)
        while url.pathComponents.count > 1 {
            url.deleteLastPathComponent()
            let candidate = url.appendingPathComponent("Protocols/vectors/\(folder)")
            if FileManager.default.fileExists(atPath: candidate.path) { return candidate }
        }
        throw CocoaError(.fileNoSuchFile)
    }

    /// Hex, in which `hh*N` is a run.
    static func bytes(_ text: String) -> [UInt8] {
        text.split(separator: " ").flatMap { piece -> [UInt8] in
            let parts = piece.split(separator: "*")
            let bytes = hexBytes(parts[0])
            return parts.count == 2 ? [UInt8](repeating: bytes[0], count: Int(parts[1]) ?? 0) : bytes
        }
    }

    /// An expected event or reply, with its hex made whole.
    static func whole(_ line: String) -> String {
        let word = line.prefix { $0 != " " }
        guard ["text", "binary", "ping", "pong"].contains(word) else { return line }
        return "\(word) \(hex(bytes(String(line.dropFirst(word.count)))))"
    }

    static func hexBytes(_ text: some StringProtocol) -> [UInt8] {
        var bytes: [UInt8] = []
        var high: Int?
        for character in text {
            guard let digit = character.hexDigitValue else { continue }
            if let first = high {
                bytes.append(UInt8(first * 16 + digit))
                high = nil
            } else {
                high = digit
            }
        }
        return bytes
    }

    static func hex(_ bytes: some Sequence<UInt8>) -> String {
        let digits = Array("0123456789abcdef".utf8)
        var text: [UInt8] = []
        for byte in bytes {
            text.append(digits[Int(byte >> 4)])
            text.append(digits[Int(byte & 15)])
        }
        return String(decoding: text, as: UTF8.self)
    }
}

/// A generator that a failure can be repeated with.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64
    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = (state ^ state >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        return mixed ^ mixed >> 31
    }
}
