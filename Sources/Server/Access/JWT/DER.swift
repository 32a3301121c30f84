/// The few forms of DER (X.690) that a public key and a signature are made of.
enum DER {
    static func sequence(_ parts: [UInt8]...) -> [UInt8] { wrap(0x30, parts.flatMap { $0 }) }

    /// A number of 0 or more, the most significant byte first.
    static func integer(_ bytes: some Collection<UInt8>) -> [UInt8] {
        var digits = Array(bytes.drop { $0 == 0 })
        if digits.first.map({ $0 >= 0x80 }) ?? true { digits.insert(0, at: 0) }
        return wrap(0x02, digits)
    }

    static func bits(_ bytes: [UInt8]) -> [UInt8] { wrap(0x03, [0] + bytes) }

    /// Contents of an object identifier, encoded.
    static func identifier(_ bytes: [UInt8]) -> [UInt8] { wrap(0x06, bytes) }

    static let null: [UInt8] = [0x05, 0x00]

    private static func wrap(_ tag: UInt8, _ contents: [UInt8]) -> [UInt8] {
        var length: [UInt8] = []
        var rest = contents.count
        if rest < 0x80 { return [tag, UInt8(rest)] + contents }
        while rest > 0 {
            length.insert(UInt8(rest & 0xFF), at: 0)
            rest >>= 8
        }
        return [tag, 0x80 | UInt8(length.count)] + length + contents
    }
}
