import Glibc

/// The character classes of RFC 9110 §5.6.2 and RFC 3986 as bit sets: bit n of `low` is octet n, of `high` octet 64 + n.
struct OctetSet: Sendable {
    let low: UInt64
    let high: UInt64

    /// `tchar` of RFC 9110 §5.6.2.
    static let token = OctetSet(low: 0x03FF_6CFA_0000_0000, high: 0x57FF_FFFF_C7FF_FFFE)
    /// `unreserved` of RFC 3986 §2.3: the characters of host names.
    static let hostName = OctetSet(low: 0x03FF_6000_0000_0000, high: 0x47FF_FFFE_87FF_FFFE)
    /// `pchar`, `/`, and the brackets and bar that browsers leave unescaped in paths.
    static let path = OctetSet(low: 0x2FFF_FFF2_0000_0000, high: 0x57FF_FFFE_AFFF_FFFF)
    /// Visible ASCII without `"`, `#`, `<`, `>`: what browsers leave unescaped in queries.
    static let query = OctetSet(low: 0xAFFF_FFF2_0000_0000, high: 0x7FFF_FFFF_FFFF_FFFF)

    @inline(__always) func contains(_ octet: UInt8) -> Bool {
        let word = octet < 64 ? low : high
        return octet < 128 && (word >> UInt64(octet & 63)) & 1 == 1
    }

    func containsAll(_ octets: UnsafeRawBufferPointer) -> Bool {
        for octet in octets where !contains(octet) { return false }
        return true
    }
}

extension UInt8 {
    static let carriageReturn: UInt8 = 0x0D
    static let lineFeed: UInt8 = 0x0A
    static let space: UInt8 = 0x20
    static let tab: UInt8 = 0x09

    var isDigit: Bool { self &- 48 < 10 }
    var isBlank: Bool { self == .space || self == .tab }

    /// `VCHAR`, `obs-text`, space and tab: the octets allowed in a field value (RFC 9110 §5.5).
    var isFieldContent: Bool { (self >= 0x20 && self != 0x7F) || self == .tab }

    @inline(__always) var lowercased: UInt8 { self &- 65 < 26 ? self | 0x20 : self }

    /// The value of a hexadecimal digit, or nil.
    var hexadecimalValue: UInt8? {
        switch self {
        case 48...57: self - 48
        case 65...70: self - 55
        case 97...102: self - 87
        default: nil
        }
    }
}

extension UnsafeRawBufferPointer {
    @inline(__always) func slice(_ start: Int, _ end: Int) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: baseAddress.map { $0 + start }, count: end - start)
    }

    /// The offset of the first occurrence.
    @inline(__always) func offset(of octet: UInt8) -> Int? {
        guard let baseAddress, count > 0, let found = memchr(baseAddress, Int32(octet), count) else { return nil }
        return UnsafeRawPointer(found) - baseAddress
    }

    /// The range without spaces and tabs at both ends (OWS, RFC 9110 §5.6.3).
    func trimmingBlanks(in range: Range<Int>) -> Range<Int> {
        var start = range.lowerBound
        var end = range.upperBound
        while start < end, self[start].isBlank { start += 1 }
        while end > start, self[end - 1].isBlank { end -= 1 }
        return start..<end
    }

    var trimmingBlanks: UnsafeRawBufferPointer {
        let range = trimmingBlanks(in: 0..<count)
        return slice(range.lowerBound, range.upperBound)
    }

    /// - Parameter lowercase: lower-case ASCII.
    func equalsIgnoringCase(_ lowercase: StaticString) -> Bool {
        equalsIgnoringCase(UnsafeRawBufferPointer(start: lowercase.utf8Start, count: lowercase.utf8CodeUnitCount))
    }

    func equalsIgnoringCase(_ other: UnsafeRawBufferPointer) -> Bool {
        guard count == other.count else { return false }
        for position in 0..<count where self[position].lowercased != other[position].lowercased { return false }
        return true
    }

    /// Whether every octet is allowed in a field value. Checks eight at a time, because values are most of a head.
    var isFieldContent: Bool {
        guard let baseAddress else { return true }
        let ones: UInt64 = 0x0101_0101_0101_0101
        let tops: UInt64 = 0x8080_8080_8080_8080
        var position = 0
        while position + 8 <= count {
            let word = baseAddress.loadUnaligned(fromByteOffset: position, as: UInt64.self)
            let delete = word ^ (ones &* 0x7F)
            let suspicious = ((word &- ones &* 0x20) & ~word | (delete &- ones) & ~delete) & tops
            if suspicious != 0 {
                for octet in slice(position, position + 8) where !octet.isFieldContent { return false }
            }
            position += 8
        }
        for octet in slice(position, count) where !octet.isFieldContent { return false }
        return true
    }

    /// The number in decimal digits; nil if empty, not only digits, or above `Int.max`.
    var decimalNumber: Int? {
        guard count > 0 else { return nil }
        var value = 0
        for octet in self {
            guard octet.isDigit else { return nil }
            let (product, overflowed) = value.multipliedReportingOverflow(by: 10)
            let (sum, carried) = product.addingReportingOverflow(Int(octet - 48))
            guard !overflowed, !carried else { return nil }
            value = sum
        }
        return value
    }

    var text: String { String(decoding: self, as: UTF8.self) }
}
