import Glibc
import JSON

/// Reads `Protocols/vectors/upstreams/<name>`, wherever the package lies.
enum UpstreamVectors {
    struct Missing: Error { let name: String }

    static func cases(_ name: String) throws -> [JSONValue] {
        var folder = "\(#filePath)"[...]
        while let slash = folder.lastIndex(of: "/") {
            folder = folder[..<slash]
            guard let file = fopen("\(folder)/Protocols/vectors/upstreams/\(name)", "rb") else { continue }
            defer { fclose(file) }
            var bytes: [UInt8] = []
            var piece = [UInt8](repeating: 0, count: 65536)
            while true {
                let count = fread(&piece, 1, piece.count, file)
                if count == 0 { break }
                bytes += piece[..<count]
            }
            return try JSONValue.parse(bytes)["cases"]?.array ?? []
        }
        throw Missing(name: name)
    }
}

/// SplitMix64: a failing run is repeated with the seed that it prints.
struct UpstreamRandom: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
