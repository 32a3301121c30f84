import Glibc
import JSON

/// Reads `Protocols/vectors/json/<name>`, wherever the package lies.
enum VectorFile {
    struct Missing: Error, CustomStringConvertible {
        let description: String
    }

    static func cases(_ name: String) throws -> [JSONValue] {
        var folder = "\(#filePath)"[...]
        while let slash = folder.lastIndex(of: "/") {
            folder = folder[..<slash]
            if let bytes = read("\(folder)/Protocols/vectors/json/\(name)") {
                guard let cases = try JSONValue.parse(bytes)["cases"]?.array else {
                    throw Missing(description: "\(name) has no \"cases\"")
                }
                return cases
            }
        }
        throw Missing(description: "no Protocols/vectors/json/\(name) above \(#filePath)")
    }

    private static func read(_ path: String) -> [UInt8]? {
        guard let file = fopen(path, "rb") else { return nil }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65536)
        while true {
            let count = fread(&chunk, 1, chunk.count, file)
            if count == 0 { return bytes }
            bytes += chunk[..<count]
        }
    }
}

func hexadecimal(_ text: String) -> [UInt8] {
    let digits = text.utf8.compactMap { Character(UnicodeScalar($0)).hexDigitValue }
    return stride(from: 0, to: digits.count - 1, by: 2).map { UInt8(digits[$0] * 16 + digits[$0 + 1]) }
}

/// A walk over bytes that live for its duration, which a view of a temporary array would not.
func read<T>(_ bytes: [UInt8], limits: JSONLimits = .default, _ body: (inout JSONReader) throws -> T) rethrows -> T {
    // An allocation of exactly the right size, so that the address sanitizer sees a read beyond the end.
    let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 1)
    defer { copy.deallocate() }
    copy.copyBytes(from: bytes)
    var reader = JSONReader(UnsafeRawBufferPointer(copy), limits: limits)
    return try body(&reader)
}

func read<T>(_ text: String, _ body: (inout JSONReader) throws -> T) rethrows -> T {
    try read([UInt8](text.utf8), body)
}
